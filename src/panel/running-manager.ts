// SPDX-License-Identifier: BSD-3-Clause
/** What runs in containers, in JupyterLab's own list of running things. */
import { Notification } from '@jupyterlab/apputils';
import type { IRunningSessions } from '@jupyterlab/running';
import type { TranslationBundle } from '@jupyterlab/translation';
import { runIcon, terminalIcon } from '@jupyterlab/ui-components';
import { type ISignal, Signal } from '@lumino/signaling';
import type { CommandRegistry } from '@lumino/commands';
import type { Job, Shell } from '../../lib-runtime/api/schema.ts';
import { CommandIDs } from '../commands.ts';
import { containerIcon } from '../icons.ts';
import type { IContainers } from '../tokens.ts';
import { shortName } from './format.ts';
import { commandOf, runningByImage, runningKey } from './running.ts';

type Item = IRunningSessions.IRunningItem;

export class ContainerManager implements IRunningSessions.IManager {
  readonly name: string;
  readonly shutdownLabel: string;
  readonly shutdownAllLabel: string;
  readonly shutdownAllConfirmationText: string;
  readonly supportsMultipleViews = true;

  constructor(containers: IContainers, commands: CommandRegistry, trans: TranslationBundle) {
    this._containers = containers;
    this._commands = commands;
    this._trans = trans;
    this.name = trans.__('Containers');
    this.shutdownLabel = trans.__('Stop');
    this.shutdownAllLabel = trans.__('Stop All');
    this.shutdownAllConfirmationText = trans.__(
      'Stop everything that runs in a container? Shells end, and pulls are cancelled.'
    );
    containers.changed.connect(this._onChanged, this);
  }

  get runningChanged(): ISignal<this, void> {
    return this._runningChanged;
  }

  /** JupyterLab before 4.4 asks without options, and knows no tree. */
  running(options?: { mode: 'tree' | 'list' }): Item[] {
    const mode = options?.mode ?? 'list';
    const groups = runningByImage(this._containers.jobs, this._containers.shells);
    if (mode === 'list') {
      return groups.flatMap(group => group.rows.map(row => this._item(row, true)));
    }
    return groups.map(({ image, rows }) => ({
      label: () => shortName(image),
      labelTitle: () => image,
      icon: () => containerIcon,
      context: 'nbcontainer-image',
      shutdown: () => this._stop(rows),
      children: rows.map(row => this._item(row, false))
    }));
  }

  shutdownAll(): void {
    this._stop(runningByImage(this._containers.jobs, this._containers.shells).flatMap(group => group.rows));
  }

  /** Events keep the list as it is; nothing is asked for. */
  refreshRunning(): void {
    this._runningChanged.emit();
  }

  private _item(row: Job | Shell, alone: boolean): Item {
    const trans = this._trans;
    const shutdown = (): void => this._stop([row]);
    if ('kind' in row) {
      const title = shortName(row.title);
      const line = commandOf(row) || trans.__("the image's own program");
      return {
        label: () => (row.kind === 'pull' ? trans.__('Pull of %1', title) : line),
        labelTitle: () => row.commandLine,
        detail: () => (alone && row.kind === 'run' ? title : ''),
        icon: () => (row.kind === 'pull' ? containerIcon : runIcon),
        context: 'nbcontainer-job',
        open: () => this._open(CommandIDs.showLog, row.id),
        shutdown
      };
    }
    return {
      label: () => row.name,
      labelTitle: () => row.commandLine,
      detail: () => (alone ? shortName(row.image) : ''),
      icon: () => terminalIcon,
      context: 'nbcontainer-shell',
      open: () => this._open(CommandIDs.openShell, row.id),
      shutdown
    };
  }

  private _open(command: string, id: string): void {
    if (this._commands.hasCommand(command)) {
      this._commands.execute(command, { id }).catch(complain);
    }
  }

  private _stop(rows: readonly (Job | Shell)[]): void {
    const { client } = this._containers;
    for (const row of rows) {
      ('kind' in row ? client.removeJob(row.id) : client.removeShell(row.id)).catch(complain);
    }
  }

  private _onChanged(): void {
    const key = runningKey(this._containers.jobs, this._containers.shells);
    if (key !== this._key) {
      this._key = key;
      this._runningChanged.emit();
    }
  }

  private readonly _containers: IContainers;
  private readonly _commands: CommandRegistry;
  private readonly _trans: TranslationBundle;
  private readonly _runningChanged = new Signal<this, void>(this);
  private _key = '[]';
}

function complain(error: unknown): void {
  Notification.error(error instanceof Error ? error.message : String(error), { autoClose: false });
}
