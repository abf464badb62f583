// SPDX-License-Identifier: BSD-3-Clause
/** What JupyterLab's notifications say of a pull, and when. Pure. */
import type { Job } from '../../lib-runtime/api/schema.ts';

/** Each update moves a notification to the top of the list: not more often than this, in milliseconds. */
export const UPDATE_EVERY = 500;

/** The last that was said of a job. */
export interface INotice {
  readonly state: Job['state'];
  /** Milliseconds. */
  readonly at: number;
}

/**
 * `begin`: a first notification. `update`: progress. `later`: progress too soon after the last. `end`: a last word.
 */
export type NoticeStep = 'nothing' | 'begin' | 'update' | 'later' | 'end';

/** @param last undefined when nothing was said yet */
export function noticeStep(job: Job, last: INotice | undefined, now: number): NoticeStep {
  if (job.kind !== 'pull') {
    return 'nothing';
  }
  if (last === undefined) {
    // What ended before this page knew of it is no news.
    return job.state === 'running' ? 'begin' : 'nothing';
  }
  if (last.state !== 'running') {
    return 'nothing';
  }
  if (job.state !== 'running') {
    return 'end';
  }
  return now - last.at >= UPDATE_EVERY ? 'update' : 'later';
}
