// SPDX-License-Identifier: BSD-3-Clause
/** The log of a job: what it printed, followed while it runs and is looked at. */
import { Sanitizer } from '@jupyterlab/apputils';
import { renderText } from '@jupyterlab/rendermime';
import { type ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Poll } from '@lumino/polling';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { DaemonError } from '../../lib-runtime/api/client.ts';
import type { Job } from '../../lib-runtime/api/schema.ts';
import { formatBytes, formatElapsed } from '../panel/format.ts';
import type { ConnectionState, ContainersChange, IContainers } from '../tokens.ts';
import { blocksOf, changeOf, type ILogText, logText, openColours, settled } from './log-text.ts';
import { problemOf, problemSentences } from './problems.ts';

/** Milliseconds between two looks at a log that grows. */
const INTERVAL = 1000;

export interface ILogViewOptions {
  readonly id: string;
  readonly containers: IContainers;
  readonly trans: TranslationBundle;
  readonly translator: ITranslator | null;
}

export class LogView extends Widget {
  readonly id_: string;

  constructor(options: ILogViewOptions) {
    super();
    this.id_ = options.id;
    this._options = options;
    this.addClass('jp-nbcontainer-Log');
    const { trans } = options;
    this._state.className = 'jp-nbcontainer-LogState';
    this._state.setAttribute('role', 'status');
    this._line.className = 'jp-nbcontainer-LogLine';
    const top = document.createElement('div');
    top.className = 'jp-nbcontainer-LogTop';
    top.append(this._state, this._line);
    this._text.className = 'jp-nbcontainer-LogText';
    this._text.tabIndex = 0;
    this._text.setAttribute('role', 'region');
    this._text.setAttribute('aria-label', trans.__('Output'));
    this._gap.className = 'jp-nbcontainer-LogGap';
    this._gap.hidden = true;
    this._note.className = 'jp-nbcontainer-LogNote';
    this._head = new LogPart(options.translator);
    this._tail = new LogPart(options.translator);
    this._text.append(this._head.node, this._gap, this._tail.node, this._note);
    this.node.append(top, this._text);
    this._poll = new Poll({
      auto: false,
      factory: () => this._look(),
      frequency: { interval: INTERVAL, backoff: true, max: 30_000 },
      // Nothing runs while nobody has needed the daemon: a tab that was restored is no reason to start one.
      standby: () => !this.isVisible || ['idle', 'offline'].includes(options.containers.state) || 'when-hidden'
    });
    options.containers.changed.connect(this._onChanged, this);
  }

  /** Undefined when the daemon does not know it, or is not asked yet. */
  get job(): Job | undefined {
    const found = this._options.containers.jobs.find(job => job.id === this.id_);
    this._known = found ?? this._known;
    return found;
  }

  /** The last that was heard of it: also of one that is forgotten, or whose daemon is gone. */
  get lastKnown(): Job | undefined {
    return this.job ?? this._known;
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._poll.dispose();
      window.clearInterval(this._clock);
      Signal.clearData(this);
      super.dispose();
    }
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._wake();
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this._wake();
  }

  protected override onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    this._text.focus();
  }

  private _wake(): void {
    this._tell();
    if (!this._complete) {
      void this._poll.refresh();
    }
  }

  private _onChanged(_sender: IContainers, change: ContainersChange): void {
    if (change !== 'jobs' && change !== 'state') {
      return;
    }
    const state = this.job?.state;
    const connected = this._options.containers.state === 'connected';
    const news = state !== this._lastState || (change === 'state' && connected);
    this._lastState = state;
    if (news) {
      this._tell();
      if (this.isVisible && !this._complete) {
        void this._poll.refresh();
      }
    }
  }

  /** One look; the last one is the one that was begun after the end. */
  private async _look(): Promise<void> {
    const { containers, trans } = this._options;
    const ended = this.job !== undefined && this.job.state !== 'running';
    try {
      const log = await containers.client.jobLog(this.id_);
      if (this.isDisposed) {
        return;
      }
      this._draw(logText(log));
      const nothing = log.head === '' && log.tail === '';
      this._say(nothing ? (ended ? trans.__('It printed nothing.') : trans.__('It has printed nothing yet.')) : '');
      if (ended) {
        this._finish();
      }
    } catch (error) {
      if (this.isDisposed) {
        return;
      }
      if (error instanceof DaemonError && error.status === 404) {
        this._say(trans.__('This log is gone: it was forgotten, or the daemon that kept it has ended.'));
        this._finish();
        return;
      }
      this._say(problemSentences(problemOf(error, trans)).join(' '));
      // The poll waits longer after each failure.
      throw error;
    } finally {
      if (!this.isDisposed) {
        this._tell();
      }
    }
  }

  private _finish(): void {
    this._complete = true;
    void this._poll.stop();
  }

  private _say(text: string): void {
    this._note.textContent = text;
    this._note.hidden = text === '';
  }

  private _draw(text: ILogText): void {
    const { trans } = this._options;
    const view = this._text;
    // Who reads further up is left there.
    const follows = view.scrollHeight - view.scrollTop - view.clientHeight < 40;
    this._head.update(text.head);
    this._tail.update(text.tail);
    this._gap.hidden = text.droppedBytes === 0;
    this._gap.textContent = trans.__('… %1 left out (%2 bytes) …', formatBytes(text.droppedBytes), text.droppedBytes);
    if (follows) {
      view.scrollTop = view.scrollHeight;
    }
  }

  /** The line of state, and the clock behind it. */
  private _tell(): void {
    const { containers, trans } = this._options;
    const { job } = this;
    const running = job?.state === 'running';
    this.node.dataset['state'] = job?.state ?? 'unknown';
    this._line.textContent = this._line.title = this.lastKnown?.commandLine ?? '';
    const unknown: Readonly<Record<ConnectionState, string>> = {
      idle: trans.__('The daemon that kept this log is not running'),
      connecting: trans.__('Connecting…'),
      connected: trans.__('No longer known'),
      offline: trans.__('Not connected')
    };
    this._state.textContent = job === undefined ? unknown[containers.state] : stateText(job, Date.now(), trans);
    if (running && this._clock === 0) {
      this._clock = window.setInterval(() => this.isVisible && this._tell(), 1000);
    } else if (!running) {
      window.clearInterval(this._clock);
      this._clock = 0;
    }
  }

  private readonly _options: ILogViewOptions;
  private readonly _poll: Poll;
  private readonly _state = document.createElement('div');
  private readonly _line = document.createElement('code');
  private readonly _text = document.createElement('div');
  private readonly _gap = document.createElement('div');
  private readonly _note = document.createElement('div');
  private readonly _head: LogPart;
  private readonly _tail: LogPart;
  private _known: Job | undefined;
  private _lastState: Job['state'] | undefined;
  private _clock = 0;
  private _complete = false;
}

/** How a job is doing, in a line. */
export function stateText(job: Job, now: number, trans: TranslationBundle): string {
  const from = Date.parse(job.startedAt);
  const passed = (job.endedAt === undefined ? now : Date.parse(job.endedAt)) - from;
  const time =
    job.endedAt !== undefined && passed < 10_000 ? trans.__('%1 s', (passed / 1000).toFixed(1)) : formatElapsed(passed);
  switch (job.state) {
    case 'running':
      return trans.__('Running, %1', time);
    case 'done':
      return trans.__('Ended with status %1 after %2', job.status ?? 0, time);
    case 'failed':
      return trans.__('Failed with status %1 after %2', job.status ?? -1, time);
    case 'cancelled':
      return trans.__('Stopped after %1', time);
  }
}

/** A part of the log as blocks of lines: a block that is drawn is not touched again, and costs nothing out of sight. */
class LogPart {
  readonly node = document.createElement('div');

  constructor(translator: ITranslator | null) {
    this._translator = translator ?? nullTranslator;
  }

  update(text: string): void {
    const change = changeOf(this._drawn, text);
    this._drawn = text;
    if (change.kind === 'same') {
      return;
    }
    if (change.kind === 'anew') {
      this.node.replaceChildren();
      this._open = '';
      this._colours = '';
      this._last = undefined;
    }
    const { blocks, open } = blocksOf(this._open + (change.kind === 'more' ? change.text : text));
    this._last?.remove();
    this._last = undefined;
    for (const block of blocks) {
      this._render(block);
      this._colours = openColours(block, this._colours);
    }
    this._open = open;
    this._last = open === '' ? undefined : this._render(open);
  }

  private _render(text: string): HTMLElement {
    const host = document.createElement('div');
    host.className = 'jp-RenderedText jp-nbcontainer-LogBlock';
    host.dataset['mimeType'] = 'text/plain';
    this.node.append(host);
    // Its promise is settled by the time it is given; what could fail has failed by then.
    void renderText({
      host,
      sanitizer: SANITIZER,
      source: this._colours + settled(text),
      translator: this._translator
    });
    return host;
  }

  private readonly _translator: ITranslator;
  private _drawn = '';
  private _open = '';
  private _colours = '';
  private _last: HTMLElement | undefined;
}

const SANITIZER = new Sanitizer();
