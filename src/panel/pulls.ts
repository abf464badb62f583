// SPDX-License-Identifier: BSD-3-Clause
/** What the Pulls section knows without a page: references, progress, speed, the words of a failure. Pure. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Job, JobLog } from '../../lib-runtime/api/schema.ts';
import { formatBytes } from './format.ts';

/** Sources that are no `scheme://`. */
const LOCAL = /^(?:oci|oci-archive|docker-archive|docker-daemon|dir):/;

/** What a person wrote as the command line wants it: a bare `alpine:3` is an image of a registry. */
export function asSource(text: string): string {
  const trimmed = text.trim();
  return trimmed === '' || /^[a-z][a-z0-9+.-]*:\/\//.test(trimmed) || LOCAL.test(trimmed) || trimmed.startsWith('/')
    ? trimmed
    : `docker://${trimmed}`;
}

/** Whether a registry is one that may speak HTTP without TLS (a port, an address, this machine), and likely does. */
export function plainHttpHint(source: string): { readonly possible: boolean; readonly likely: boolean } {
  const host = /^(?:docker|oras):\/\/([^/]+)\//.exec(source)?.[1] ?? '';
  const likely = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/.test(host);
  return { likely, possible: likely || /:\d+$/.test(host) };
}

export interface IProgressView {
  /** `Downloading` */
  readonly phase: string;
  /** `12.0 MiB of 45.9 MiB`; empty where nothing is counted. */
  readonly amount: string;
  /** 0 to 1; undefined where the total is not known. */
  readonly fraction: number | undefined;
}

/** A running pull in words. */
export function progressView(progress: Job['progress'], trans: TranslationBundle): IProgressView {
  if (!progress) {
    return { phase: trans.__('Starting'), amount: '', fraction: undefined };
  }
  const phases = {
    resolve: trans.__('Looking it up'),
    download: trans.__('Downloading'),
    convert: trans.__('Converting'),
    unpack: trans.__('Unpacking'),
    verify: trans.__('Checking'),
    done: trans.__('Finishing')
  };
  const { done, total, unit } = progress;
  const show = (value: number): string => (unit === 'bytes' ? formatBytes(value) : String(value));
  const known = total !== undefined && total > 0;
  return {
    phase: phases[progress.phase],
    amount: known ? trans.__('%1 of %2', show(done), show(total)) : done > 0 ? show(done) : '',
    fraction: known ? Math.min(1, Math.max(0, done / total)) : undefined
  };
}

interface ISample {
  readonly at: number;
  readonly done: number;
}

/** Bytes per second over the last seconds of one phase of one pull. */
export class SpeedMeter {
  /** Milliseconds that count. */
  private static readonly WINDOW = 4000;

  /**
   * @param now milliseconds, of a clock that does not jump
   * @returns bytes per second; undefined until half a second has been seen, and where no bytes are counted
   */
  add(progress: Job['progress'], now: number): number | undefined {
    if (progress?.unit !== 'bytes') {
      this._samples = [];
      return undefined;
    }
    const last = this._samples.at(-1);
    if (progress.phase !== this._phase || (last && progress.done < last.done)) {
      this._samples = [];
      this._phase = progress.phase;
    }
    this._samples.push({ at: now, done: progress.done });
    // One sample before the window is kept, so that a rare report does not look like none.
    while (this._samples.length > 2 && now - (this._samples[1]?.at ?? now) > SpeedMeter.WINDOW) {
      this._samples.shift();
    }
    const first = this._samples[0];
    return first && now - first.at >= 500 ? ((progress.done - first.done) * 1000) / (now - first.at) : undefined;
  }

  private _samples: ISample[] = [];
  private _phase = '';
}

/** The sentences of a failed job: what its log says last as an error (message, reason and fix), else its last line. */
export function failureOf(log: JobLog): string {
  const lines = `${log.head}${log.tail}`
    .split(/[\r\n]+/)
    .map(line => line.trim())
    .filter(Boolean);
  const fatal = lines.filter(line => line.startsWith('FATAL:')).at(-1);
  const sentence = (fatal ?? lines.at(-1) ?? '').replace(/^FATAL:\s*/, '');
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

/** What a screen reader is told of the pulls: changes of state and quarters, not every percent. */
export function announcement(jobs: readonly Job[], name: (title: string) => string, trans: TranslationBundle): string {
  return jobs
    .filter(job => job.kind === 'pull' && job.state === 'running')
    .map(job => {
      const { phase, fraction } = progressView(job.progress, trans);
      const quarter = fraction === undefined ? 0 : Math.floor(fraction * 4) * 25;
      return quarter > 0
        ? trans.__('%1: %2, %3 %', name(job.title), phase, quarter)
        : trans.__('%1: %2', name(job.title), phase);
    })
    .join('; ');
}
