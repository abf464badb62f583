// SPDX-License-Identifier: BSD-3-Clause
/** Jobs and shells: what runs in containers, and what has run. */
import { closeIcon, editIcon, listIcon, stopIcon, terminalIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { Job, Shell } from '../../lib-runtime/api/schema.ts';
import { CommandIDs } from '../commands.ts';
import type { IPanelContext } from './context.ts';
import { formatElapsed, shortName } from './format.ts';
import { Button, ImageName, Notice, perform, RowButton, useContainers, useNow, waitingNotice } from './parts.tsx';
import { commandOf, hasEnded, runningRows } from './running.ts';

export function RunningView({ context }: { readonly context: IPanelContext }): React.JSX.Element {
  useContainers(context, 'jobs', 'shells');
  const { containers, commands, trans } = context;
  const rows = runningRows(containers.jobs, containers.shells);
  const now = useNow(
    1000,
    rows.some(row => !hasEnded(row))
  );
  const waiting = rows.length === 0 ? waitingNotice(context) : undefined;
  if (waiting) {
    return waiting;
  }
  if (rows.length === 0) {
    return (
      <Notice text={trans.__('Nothing runs in a container.')}>
        {commands.hasCommand(CommandIDs.runImage) && (
          <Button label={trans.__('Run…')} onClick={() => void perform(context, CommandIDs.runImage, {})} />
        )}
      </Notice>
    );
  }
  return (
    <ul className="jp-nbcontainer-List" aria-label={trans.__('Running')}>
      {rows.map(row =>
        'kind' in row ? (
          <JobRow key={row.id} context={context} job={row} now={now} />
        ) : (
          <ShellRow key={row.id} context={context} shell={row} now={now} />
        )
      )}
    </ul>
  );
}

interface IJobRowProps {
  readonly context: IPanelContext;
  readonly job: Job;
  readonly now: number;
}

function JobRow({ context, job, now }: IJobRowProps): React.JSX.Element {
  const { trans } = context;
  const name = shortName(job.title);
  const button = { context, args: { id: job.id }, subject: name };
  const running = job.state === 'running';
  const words = {
    running: trans.__('Running'),
    done: trans.__('Done'),
    failed: trans.__('Ended with status %1', job.status ?? '?'),
    cancelled: trans.__('Stopped')
  };
  return (
    <li
      className="jp-nbcontainer-Row jp-nbcontainer-JobRow"
      data-nbcontainer-job={job.id}
      data-nbcontainer-kind="run"
      data-nbcontainer-state={job.state}
      title={job.commandLine}
    >
      <div className="jp-nbcontainer-RowText">
        <ImageName name={job.title} />
        <div className="jp-nbcontainer-RowLine">{commandOf(job) || trans.__("the image's own program")}</div>
        <Facts state={words[job.state]} kind={job.state} elapsed={elapsed(job, now)} />
      </div>
      <div className="jp-nbcontainer-RowButtons jp-mod-always">
        <RowButton {...button} command={CommandIDs.showLog} icon={listIcon} label={trans.__('Log')} />
        <RowButton
          {...button}
          command={CommandIDs.stopJob}
          icon={running ? stopIcon : closeIcon}
          label={running ? trans.__('Stop') : trans.__('Forget')}
        />
      </div>
    </li>
  );
}

interface IShellRowProps {
  readonly context: IPanelContext;
  readonly shell: Shell;
  readonly now: number;
}

function ShellRow({ context, shell, now }: IShellRowProps): React.JSX.Element {
  const { trans } = context;
  const button = { context, args: { id: shell.id }, subject: shell.name };
  const running = shell.state === 'running';
  const state = running
    ? shell.clients > 0
      ? trans.__('Shell')
      : trans.__('Shell, no window')
    : trans.__('Shell, ended');
  return (
    <li
      className="jp-nbcontainer-Row jp-nbcontainer-ShellRow"
      data-nbcontainer-shell={shell.id}
      data-nbcontainer-state={shell.state}
      title={shell.commandLine}
    >
      <div className="jp-nbcontainer-RowText">
        <div className="jp-nbcontainer-RowName">{shell.name}</div>
        <div className="jp-nbcontainer-RowLine">{shell.title ?? shortName(shell.image)}</div>
        <Facts state={state} kind={running ? 'running' : 'done'} elapsed={elapsed(shell, now)} />
      </div>
      <div className="jp-nbcontainer-RowButtons jp-mod-always">
        <RowButton {...button} command={CommandIDs.openShell} icon={terminalIcon} label={trans.__('Open')} />
        <RowButton {...button} command={CommandIDs.renameShell} icon={editIcon} label={trans.__('Rename…')} />
        <RowButton
          {...button}
          command={CommandIDs.stopShell}
          icon={running ? stopIcon : closeIcon}
          label={running ? trans.__('End') : trans.__('Forget')}
        />
      </div>
    </li>
  );
}

interface IFactsProps {
  readonly state: string;
  readonly kind: Job['state'];
  readonly elapsed: string;
}

function Facts({ state, kind, elapsed }: IFactsProps): React.JSX.Element {
  return (
    <div className="jp-nbcontainer-RowFacts">
      <span className={`jp-nbcontainer-State jp-mod-${kind}`}>{state}</span>
      <span>{elapsed}</span>
    </div>
  );
}

function elapsed(row: Job | Shell, now: number): string {
  return formatElapsed((row.endedAt === undefined ? now : Date.parse(row.endedAt)) - Date.parse(row.startedAt));
}
