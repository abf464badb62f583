// SPDX-License-Identifier: BSD-3-Clause
/** Pulls: the box for a reference, and every pull with its progress or its end. */
import { closeIcon, listIcon, refreshIcon, stopIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { Job } from '../../lib-runtime/api/schema.ts';
import { CommandIDs } from '../commands.ts';
import type { IPanelContext } from './context.ts';
import { formatAge, formatBytes, shortName } from './format.ts';
import { Button, ImageName, Notice, perform, RowButton, useContainers, useNow } from './parts.tsx';
import { announcement, asSource, failureOf, plainHttpHint, progressView, SpeedMeter } from './pulls.ts';

/** Id of the box, for whoever wants the caret in it. */
export const REFERENCE_BOX = 'jp-nbcontainer-reference';

export function PullsView({ context }: { readonly context: IPanelContext }): React.JSX.Element {
  useContainers(context, 'jobs');
  const { containers, trans } = context;
  const pulls = containers.jobs.filter(job => job.kind === 'pull');
  const now = useNow(30_000, pulls.length > 0);
  return (
    <>
      <PullForm context={context} />
      {pulls.length === 0 && containers.state === 'connected' && <Notice text={trans.__('Nothing is being pulled.')} />}
      <ul className="jp-nbcontainer-List" aria-label={trans.__('Pulls')}>
        {pulls.map(job => (
          <PullRow key={job.id} context={context} job={job} now={now} />
        ))}
      </ul>
      <div className="jp-nbcontainer-Spoken" role="status">
        {announcement(pulls, shortName, trans)}
      </div>
    </>
  );
}

function PullForm({ context }: { readonly context: IPanelContext }): React.JSX.Element {
  const { commands, containers, recent, trans } = context;
  const [text, setText] = React.useState('');
  const [plainHttp, setPlainHttp] = React.useState<boolean>();
  const [known, setKnown] = React.useState<readonly string[]>([]);
  React.useEffect(() => {
    let there = true;
    void recent.list().then(list => there && setKnown(list));
    return () => {
      there = false;
    };
  }, [recent]);

  const source = asSource(text);
  const hint = plainHttpHint(source);
  const unencrypted = hint.possible && (plainHttp ?? hint.likely);
  const offered = [...new Set([...known, ...containers.jobs.filter(job => job.kind === 'pull').map(job => job.title)])];
  const submit = async (event: React.FormEvent): Promise<void> => {
    event.preventDefault();
    await perform(context, CommandIDs.pullImage, { source, ...(unencrypted && { plainHttp: true }) });
    await recent.add(source);
    setKnown(await recent.list());
    setText('');
    setPlainHttp(undefined);
  };
  return (
    <form className="jp-nbcontainer-PullForm" onSubmit={event => void submit(event)}>
      <div className="jp-nbcontainer-PullBox">
        <input
          id={REFERENCE_BOX}
          className="jp-mod-styled"
          list={`${REFERENCE_BOX}-recent`}
          placeholder={trans.__('ubuntu:24.04')}
          aria-label={trans.__('Image to pull')}
          title={trans.__('An image of a registry, or an oras://, library:// or https:// address')}
          autoComplete="off"
          spellCheck={false}
          value={text}
          onChange={event => setText(event.currentTarget.value)}
        />
        <datalist id={`${REFERENCE_BOX}-recent`}>
          {offered.map(one => (
            <option key={one} value={one} />
          ))}
        </datalist>
        <button
          type="submit"
          className="jp-mod-styled jp-mod-accept"
          disabled={source === '' || containers.state === 'offline' || !commands.hasCommand(CommandIDs.pullImage)}
        >
          {trans.__('Pull')}
        </button>
      </div>
      {hint.possible && (
        <label className="jp-nbcontainer-Check">
          <input type="checkbox" checked={unencrypted} onChange={event => setPlainHttp(event.currentTarget.checked)} />
          {trans.__('This registry has no TLS (plain HTTP)')}
        </label>
      )}
    </form>
  );
}

interface IPullRowProps {
  readonly context: IPanelContext;
  readonly job: Job;
  readonly now: number;
}

function PullRow({ context, job, now }: IPullRowProps): React.JSX.Element {
  const { trans } = context;
  const name = shortName(job.title);
  const button = { context, args: { id: job.id }, subject: name };
  const running = job.state === 'running';
  return (
    <li
      className="jp-nbcontainer-Row jp-nbcontainer-PullRow"
      data-nbcontainer-job={job.id}
      data-nbcontainer-kind="pull"
      data-nbcontainer-state={job.state}
      title={job.commandLine}
    >
      <div className="jp-nbcontainer-RowText">
        <ImageName name={job.title} />
        {running ? <PullProgress context={context} job={job} /> : <PullEnd context={context} job={job} now={now} />}
      </div>
      <div className="jp-nbcontainer-RowButtons jp-mod-always">
        {(job.state === 'failed' || job.state === 'cancelled') && (
          <RowButton {...button} command={CommandIDs.retryJob} icon={refreshIcon} label={trans.__('Try again')} />
        )}
        <RowButton {...button} command={CommandIDs.showLog} icon={listIcon} label={trans.__('Log')} />
        <RowButton
          {...button}
          command={CommandIDs.stopJob}
          icon={running ? stopIcon : closeIcon}
          label={running ? trans.__('Cancel') : trans.__('Forget')}
        />
      </div>
      {job.state === 'failed' && <PullFailure context={context} job={job} />}
    </li>
  );
}

function PullProgress({ context, job }: { readonly context: IPanelContext; readonly job: Job }): React.JSX.Element {
  const { trans } = context;
  const meter = React.useRef(new SpeedMeter());
  const [speed, setSpeed] = React.useState<number>();
  React.useEffect(() => setSpeed(meter.current.add(job.progress, performance.now())), [job.progress]);
  const { phase, amount, fraction } = progressView(job.progress, trans);
  const percent = fraction === undefined ? undefined : Math.floor(fraction * 100);
  return (
    <>
      <div
        className={`jp-nbcontainer-Bar${fraction === undefined ? ' jp-mod-unknown' : ''}`}
        role="progressbar"
        aria-label={trans.__('%1: %2', shortName(job.title), phase)}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        aria-valuetext={amount === '' ? undefined : amount}
      >
        <div style={fraction === undefined ? undefined : { width: `${fraction * 100}%` }} />
      </div>
      <div className="jp-nbcontainer-RowFacts">
        <span>{phase}</span>
        {amount !== '' && <span>{amount}</span>}
        {speed !== undefined && <span>{trans.__('%1/s', formatBytes(speed))}</span>}
      </div>
    </>
  );
}

function PullEnd({ context, job, now }: IPullRowProps): React.JSX.Element {
  const { trans } = context;
  const words = { running: '', done: trans.__('Pulled'), cancelled: trans.__('Cancelled'), failed: trans.__('Failed') };
  return (
    <div className="jp-nbcontainer-RowFacts">
      <span className={`jp-nbcontainer-State jp-mod-${job.state}`}>{words[job.state]}</span>
      <span>{formatAge(Date.parse(job.endedAt ?? job.startedAt), now, trans)}</span>
    </div>
  );
}

/** Why it failed, from its log: below the row, over its whole width. */
function PullFailure({ context, job }: { readonly context: IPanelContext; readonly job: Job }): React.JSX.Element {
  const { containers, trans } = context;
  const [failure, setFailure] = React.useState('');
  React.useEffect(() => {
    let there = true;
    containers.client.jobLog(job.id).then(
      log => there && setFailure(failureOf(log)),
      // The daemon is away: the row still says that it failed.
      () => undefined
    );
    return () => {
      there = false;
    };
  }, [containers, job.id]);
  return (
    <div className="jp-nbcontainer-Failure">
      {failure}{' '}
      <Button
        minimal
        label={trans.__('Show log')}
        onClick={() => void perform(context, CommandIDs.showLog, { id: job.id })}
      />
    </div>
  );
}
