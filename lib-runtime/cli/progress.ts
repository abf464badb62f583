// SPDX-License-Identifier: BSD-3-Clause
/** Draws progress: a bar on a terminal, JSON lines for a front end (the magics), nothing otherwise. */
import { ContainerError } from '../support/errors.ts';
import type { IProgress, ProgressListener } from '../support/progress.ts';
import { formatBytes } from './output.ts';

export type ProgressMode = 'auto' | 'bar' | 'json' | 'none';

export interface IProgressView {
  readonly listener: ProgressListener;
  /** Removes the bar; must be called before anything else is printed. */
  stop(): void;
}

const PHASES: Readonly<Record<IProgress['phase'], string>> = {
  resolve: 'Resolving',
  download: 'Downloading',
  convert: 'Converting',
  unpack: 'Unpacking',
  verify: 'Verifying',
  done: 'Done'
};

/** JSON lines are throttled to this many milliseconds; the last event of a phase always goes out. */
const INTERVAL_MS = 100;

export function parseProgressMode(text: string): ProgressMode {
  if (text === 'auto' || text === 'bar' || text === 'json' || text === 'none') {
    return text;
  }
  throw new ContainerError({
    code: 'usage',
    step: 'command line',
    message: `--progress does not know "${text}"`,
    fix: 'Use auto, bar, json or none'
  });
}

/** The view for a mode; `auto` draws a bar when standard error is a terminal. */
export function progressView(mode: ProgressMode): IProgressView {
  return mode === 'json' ? jsonView() : mode === 'none' ? SILENT : laterBarView(mode);
}

const SILENT: IProgressView = { listener: () => undefined, stop: () => undefined };

/** Made with the first event: most commands start a container, and neither look at the terminal nor draw a bar. */
function laterBarView(mode: 'auto' | 'bar'): IProgressView {
  let view: IProgressView | undefined;
  let latest: IProgress | undefined;
  return {
    listener: event => {
      if (view !== undefined) {
        view.listener(event);
        return;
      }
      if (latest === undefined) {
        void (mode === 'bar' || process.stderr.isTTY ? barView() : Promise.resolve(SILENT)).then(made => {
          view = made;
          if (latest !== undefined) {
            made.listener(latest);
          }
        });
      }
      latest = event;
    },
    stop: () => {
      latest = undefined;
      view?.stop();
    }
  };
}

function jsonView(): IProgressView {
  let last = 0;
  let phase = '';
  return {
    listener: event => {
      const now = Date.now();
      const final = event.total !== undefined && event.done >= event.total;
      if (event.phase === phase && !final && now - last < INTERVAL_MS) {
        return;
      }
      last = now;
      phase = event.phase;
      process.stderr.write(`${JSON.stringify(event)}\n`);
    },
    stop: () => undefined
  };
}

async function barView(): Promise<IProgressView> {
  const { default: progress } = await import('cli-progress');
  const bar = new progress.SingleBar(
    {
      format: (_options, { progress: part }, { phase, amount, known }: IPayload) =>
        [phase, ...(known ? [drawBar(part)] : []), amount].join(' '),
      hideCursor: true,
      clearOnComplete: true,
      stream: process.stderr,
      fps: 10
    },
    progress.Presets.shades_classic
  );
  let phase = '';
  let running = false;
  return {
    listener: event => {
      if (event.phase === 'done') {
        return;
      }
      const total = event.total ?? Math.max(event.done, 1);
      const payload: IPayload = {
        phase: PHASES[event.phase].padEnd(11),
        amount: amount(event),
        known: event.total !== undefined
      };
      if (event.phase !== phase) {
        if (running) {
          bar.stop();
        }
        bar.start(total, event.done, payload);
        running = true;
        phase = event.phase;
        return;
      }
      bar.setTotal(total);
      bar.update(event.done, payload);
    },
    stop: () => {
      if (running) {
        bar.stop();
        running = false;
      }
    }
  };
}

interface IPayload {
  readonly phase: string;
  readonly amount: string;
  /** Without a known total there is no bar to draw: the amount alone moves. */
  readonly known: boolean;
}

const BAR_WIDTH = 30;

/** @param part done, 0 to 1. */
function drawBar(part: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, part)) * BAR_WIDTH);
  return '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
}

function amount(event: IProgress): string {
  const show = (value: number): string => (event.unit === 'bytes' ? formatBytes(value) : `${value} files`);
  const text = event.total === undefined ? show(event.done) : `${show(event.done)} of ${show(event.total)}`;
  return event.detail === undefined ? text : `${text}  ${event.detail}`;
}
