// SPDX-License-Identifier: BSD-3-Clause
/** What an image says of itself: for a tab, and for what a double click on a file shows. */
import { Clipboard } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import * as React from 'react';
import type { Image, ImageDetails } from '../../lib-runtime/api/schema.ts';
import { CommandIDs } from '../commands.ts';
import { formatBytes } from '../panel/format.ts';
import type { IContainers } from '../tokens.ts';
import { problemOf, problemSentences } from './problems.ts';

export interface IDetailsProps {
  /** A name of the store, a reference, or a path of the server; undefined for a file that is on no disk of it. */
  readonly image: string | undefined;
  /** What the commands are told: `image` or `path`. */
  readonly args: ReadonlyPartialJSONObject;
  readonly title: string;
  /** Known before the details have come. */
  readonly sizeBytes?: number | undefined;
  readonly containers: IContainers;
  readonly commands: CommandRegistry;
  readonly trans: TranslationBundle;
}

type State = { readonly details: ImageDetails } | { readonly failure: readonly string[] } | undefined;

export function DetailsView(props: IDetailsProps): React.JSX.Element {
  const { image, args, title, sizeBytes, containers, commands, trans } = props;
  const [state, setState] = React.useState<State>();
  const [tries, setTries] = React.useState(0);
  React.useEffect(() => {
    if (image === undefined) {
      setState({ failure: [trans.__('This file is on no disk of the server, so no container can be made of it.')] });
      return undefined;
    }
    let there = true;
    setState(undefined);
    containers.client.inspect(image).then(
      details => there && setState({ details }),
      (error: unknown) => there && setState({ failure: problemSentences(problemOf(error, trans)) })
    );
    return () => {
      there = false;
    };
  }, [containers, image, tries, trans]);
  const details = state && 'details' in state ? state.details : undefined;
  const known = containers.images?.find(other => other.name === image || other.path === image);
  return (
    <div className="jp-nbcontainer-Details">
      <h2>{title}</h2>
      <p className="jp-nbcontainer-DetailsSize">
        {sizeLine(details?.sizeBytes ?? sizeBytes ?? known?.sizeBytes, trans)}
      </p>
      <div className="jp-nbcontainer-DetailsButtons">
        <Action label={trans.__('Run…')} command={CommandIDs.runImage} args={args} commands={commands} main />
        {containers.shellsAllowed && (
          <Action label={trans.__('Open shell')} command={CommandIDs.openShell} args={args} commands={commands} />
        )}
        <button
          type="button"
          className="jp-mod-styled jp-mod-reject"
          disabled={image === undefined}
          onClick={() => Clipboard.copyToSystem(image ?? '')}
        >
          {trans.__('Copy reference')}
        </button>
      </div>
      {state === undefined && <p role="status">{trans.__('Reading the image…')}</p>}
      {state && 'failure' in state && (
        <div className="jp-nbcontainer-Failed" role="alert">
          <p>{state.failure.join(' ')}</p>
          {image !== undefined && (
            <button type="button" className="jp-nbcontainer-Small" onClick={() => setTries(tries + 1)}>
              {trans.__('Try again')}
            </button>
          )}
        </div>
      )}
      {details && <Facts details={details} known={known} trans={trans} />}
    </div>
  );
}

function sizeLine(bytes: number | undefined, trans: TranslationBundle): string {
  return bytes === undefined ? trans.__('Container image') : trans.__('Container image, %1', formatBytes(bytes));
}

interface IActionProps {
  readonly label: string;
  readonly command: string;
  readonly args: ReadonlyPartialJSONObject;
  readonly commands: CommandRegistry;
  readonly main?: boolean;
}

/** A button for a command; none where its plugin is switched off. */
function Action({ label, command, args, commands, main }: IActionProps): React.JSX.Element | null {
  return commands.hasCommand(command) ? (
    <button
      type="button"
      className={`jp-mod-styled ${main === true ? 'jp-mod-accept' : 'jp-mod-reject'}`}
      onClick={() => void commands.execute(command, args)}
    >
      {label}
    </button>
  ) : null;
}

interface IFactsProps {
  readonly details: ImageDetails;
  readonly known: Image | undefined;
  readonly trans: TranslationBundle;
}

function Facts({ details, known, trans }: IFactsProps): React.JSX.Element {
  const labels = Object.entries(details.labels);
  const facts: readonly (readonly [string, string | undefined])[] = [
    [trans.__('Name'), details.name],
    [trans.__('Source'), known?.source === details.name ? undefined : known?.source],
    [trans.__('File'), details.path === details.name ? undefined : details.path],
    [trans.__('Digest'), details.manifestDigest],
    [trans.__('Architecture'), details.architecture],
    [trans.__('Added'), known && new Date(known.createdAt).toLocaleString()]
  ];
  const texts: readonly (readonly [string, string | undefined])[] = [
    [trans.__('Help'), details.helpfile],
    [trans.__('Run script'), details.runscript],
    [trans.__('Definition'), details.deffile]
  ];
  return (
    <>
      <FactTable rows={facts.filter((row): row is readonly [string, string] => row[1] !== undefined)} />
      {labels.length > 0 && (
        <section aria-label={trans.__('Labels')}>
          <h3>{trans.__('Labels')}</h3>
          <FactTable rows={labels} />
        </section>
      )}
      {texts.map(
        ([title, text]) =>
          text !== undefined &&
          text.trim() !== '' && (
            <section key={title} aria-label={title}>
              <h3>{title}</h3>
              <pre tabIndex={0}>{text}</pre>
            </section>
          )
      )}
    </>
  );
}

function FactTable({ rows }: { readonly rows: readonly (readonly [string, string])[] }): React.JSX.Element {
  return (
    <table className="jp-nbcontainer-Facts">
      <tbody>
        {rows.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
