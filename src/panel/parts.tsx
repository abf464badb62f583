// SPDX-License-Identifier: BSD-3-Clause
/** Parts that the sections of the panel share. */
import { Notification } from '@jupyterlab/apputils';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import * as React from 'react';
import type { ContainersChange } from '../tokens.ts';
import type { IPanelContext } from './context.ts';
import { nameParts } from './format.ts';

/** Draws again whenever the model tells one of these changes; gives the model. */
export function useContainers(context: IPanelContext, ...changes: readonly ContainersChange[]): void {
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  const wanted = changes.join(' ');
  React.useEffect(() => {
    const { changed } = context.containers;
    const receive = (_sender: unknown, change: ContainersChange): void => {
      if (change === 'state' || wanted.includes(change)) {
        draw();
      }
    };
    changed.connect(receive);
    // What happened between the first drawing and this.
    draw();
    return () => {
      changed.disconnect(receive);
    };
  }, [context, wanted]);
}

/** The time in milliseconds, new every `interval` milliseconds while `running` and the page is looked at. */
export function useNow(interval: number, running: boolean): number {
  const [now, setNow] = React.useState(() => Date.now());
  React.useEffect(() => {
    if (!running) {
      return;
    }
    setNow(Date.now());
    const timer = window.setInterval(() => {
      if (document.visibilityState === 'visible') {
        setNow(Date.now());
      }
    }, interval);
    return () => window.clearInterval(timer);
  }, [interval, running]);
  return now;
}

/** Runs a command; a failure that it did not tell by itself is told. */
export function perform(context: IPanelContext, command: string, args: ReadonlyPartialJSONObject): Promise<unknown> {
  return context.commands.execute(command, args).catch((error: unknown) => {
    Notification.error(error instanceof Error ? error.message : String(error), { autoClose: false });
  });
}

interface IRowButtonProps {
  readonly context: IPanelContext;
  readonly command: string;
  readonly args: ReadonlyPartialJSONObject;
  readonly icon: LabIcon;
  /** What it does. */
  readonly label: string;
  /** To what: screen readers meet the same button in every row. */
  readonly subject: string;
}

/** One action of a row. It is not there when its plugin is switched off. */
export function RowButton(props: IRowButtonProps): React.JSX.Element | null {
  const { context, command, args, icon, label, subject } = props;
  const [busy, setBusy] = React.useState(false);
  const { commands, trans } = context;
  if (!commands.hasCommand(command) || !commands.isVisible(command, args)) {
    return null;
  }
  return (
    <button
      type="button"
      className="jp-nbcontainer-IconButton"
      title={label}
      aria-label={trans.__('%1: %2', label, subject)}
      disabled={busy || !commands.isEnabled(command, args)}
      onClick={() => {
        setBusy(true);
        void perform(context, command, args).then(() => setBusy(false));
      }}
    >
      <icon.react tag="span" width="16px" height="16px" aria-hidden="true" />
    </button>
  );
}

/** The first line of a row: an image's name, of which the beginning is cut when there is no room. */
export function ImageName({ name }: { readonly name: string }): React.JSX.Element {
  const { from, last } = nameParts(name);
  return (
    <div className="jp-nbcontainer-RowName">
      {from !== '' && <span className="jp-nbcontainer-NameFrom">{from}</span>}
      <span className="jp-nbcontainer-NameLast">{last}</span>
    </div>
  );
}

interface INoticeProps {
  readonly text: string;
  readonly children?: React.ReactNode;
  /** A failure is told by screen readers at once. */
  readonly failure?: boolean;
}

/** Words in the place of a list: empty, loading, failed. */
export function Notice({ text, children, failure }: INoticeProps): React.JSX.Element {
  return (
    <div className="jp-nbcontainer-Notice" role={failure ? 'alert' : undefined}>
      <p>{text}</p>
      {children}
    </div>
  );
}

interface IButtonProps {
  readonly label: string;
  readonly onClick: () => void;
  readonly minimal?: boolean;
}

export function Button({ label, onClick, minimal }: IButtonProps): React.JSX.Element {
  return (
    <button
      type="button"
      className={minimal ? 'jp-nbcontainer-LinkButton' : 'jp-nbcontainer-Button jp-mod-styled jp-mod-minimal'}
      onClick={onClick}
    >
      {label}
    </button>
  );
}

/** Why there is nothing to see yet, when the daemon has not answered; undefined when it has. */
export function waitingNotice(context: IPanelContext): React.JSX.Element | undefined {
  const { containers, trans } = context;
  if (containers.state === 'offline') {
    return <Notice text={trans.__('Not connected.')} />;
  }
  return containers.images === undefined ? <Notice text={trans.__('Loading…')} /> : undefined;
}
