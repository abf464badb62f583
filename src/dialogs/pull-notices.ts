// SPDX-License-Identifier: BSD-3-Clause
/** A notification for each pull: progress, then how it ended. */
import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { Job } from '../../lib-runtime/api/schema.ts';
import { CommandIDs } from '../commands.ts';
import { shortName } from '../panel/format.ts';
import { failureOf, progressView } from '../panel/pulls.ts';
import type { ContainersChange, IContainers } from '../tokens.ts';
import { type INotice, noticeStep } from './notices.ts';

/** Milliseconds that good news stay. */
const STAY = 5000;

export interface IPullNoticesOptions {
  readonly containers: IContainers;
  readonly commands: CommandRegistry;
  readonly trans: TranslationBundle;
}

export class PullNotices {
  constructor(options: IPullNoticesOptions) {
    this._options = options;
  }

  /** @param running pulls that were running a moment ago: some may have ended since */
  listen(running: readonly Job[]): void {
    const { containers } = this._options;
    for (const { id, state } of running) {
      this._shown.set(id, { last: { state, at: 0 }, id: '', queue: Promise.resolve() });
    }
    containers.changed.connect(this._onChanged, this);
    this._onChanged(containers, 'jobs');
  }

  private _onChanged(containers: IContainers, change: ContainersChange): void {
    if (change !== 'jobs') {
      return;
    }
    const now = Date.now();
    const { jobs } = containers;
    for (const job of jobs) {
      const shown = this._shown.get(job.id);
      const step = noticeStep(job, shown?.last, now);
      if (step === 'begin' || step === 'update' || step === 'end') {
        const entry = shown ?? { last: { state: job.state, at: now }, id: '', queue: Promise.resolve() };
        entry.last = { state: job.state, at: now };
        this._shown.set(job.id, entry);
        // One after the other: the words of a failure are fetched.
        entry.queue = entry.queue.then(() => this._tell(job, entry));
      }
    }
    for (const [id, entry] of this._shown) {
      if (!jobs.some(job => job.id === id)) {
        this._shown.delete(id);
        if (entry.last.state !== 'done') {
          Notification.dismiss(entry.id);
        }
      }
    }
  }

  private async _tell(job: Job, entry: IShown): Promise<void> {
    const { commands, containers, trans } = this._options;
    const name = shortName(job.title);
    const show = { label: trans.__('Show log'), callback: () => run(commands, CommandIDs.showLog, job.id) };
    switch (job.state) {
      case 'running': {
        const { phase, amount, fraction } = progressView(job.progress, trans);
        const cancel = { label: trans.__('Cancel'), callback: () => run(commands, CommandIDs.stopJob, job.id) };
        const message = trans.__('Pulling %1: %2', name, amount === '' ? phase : trans.__('%1, %2', phase, amount));
        this._put(entry, message, 'in-progress', {
          autoClose: false,
          actions: [cancel, show],
          ...(fraction !== undefined && { progress: fraction })
        });
        break;
      }
      case 'done':
        this._put(entry, trans.__('%1 is here', name), 'success', { autoClose: STAY, actions: [] });
        break;
      case 'cancelled':
        this._put(entry, trans.__('The pull of %1 was cancelled', name), 'info', { autoClose: STAY, actions: [] });
        break;
      case 'failed': {
        const why = await containers.client.jobLog(job.id).then(failureOf, () => '');
        const again = { label: trans.__('Try again'), callback: () => run(commands, CommandIDs.retryJob, job.id) };
        this._put(
          entry,
          why === '' ? trans.__('%1 could not be pulled', name) : trans.__('%1: %2', name, why),
          'error',
          {
            autoClose: false,
            actions: [again, show]
          }
        );
        break;
      }
    }
  }

  private _put(entry: IShown, message: string, type: Notification.TypeOptions, options: Options): void {
    if (entry.id !== '' && Notification.manager.has(entry.id)) {
      Notification.update({ id: entry.id, message, type, ...options });
    } else if (entry.id === '' || type !== 'in-progress') {
      // One that the user has closed does not come back for progress, but for the end.
      entry.id = Notification.emit(message, type, options);
    }
  }

  private readonly _options: IPullNoticesOptions;
  private readonly _shown = new Map<string, IShown>();
}

type Options = Notification.IOptions<null>;

/** What was last said of a job, and where. */
interface IShown {
  last: INotice;
  /** Of the notification. */
  id: string;
  queue: Promise<void>;
}

function run(commands: CommandRegistry, command: string, id: string): void {
  if (commands.hasCommand(command)) {
    void commands.execute(command, { id });
  }
}
