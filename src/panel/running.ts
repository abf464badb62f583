// SPDX-License-Identifier: BSD-3-Clause
/** What runs, as the panel, the status bar and JupyterLab's own list of running things count it. Pure. */
import type { Job, Shell } from '../../lib-runtime/api/schema.ts';

export function hasEnded(row: Job | Shell): boolean {
  return row.state !== 'running';
}

/** Runs and shells, those that run first, each group newest first; pulls have a section of their own. */
export function runningRows(jobs: readonly Job[], shells: readonly Shell[]): readonly (Job | Shell)[] {
  const rows = [...jobs.filter(job => job.kind === 'run'), ...shells];
  const newestFirst = (a: Job | Shell, b: Job | Shell): number =>
    a.startedAt < b.startedAt ? 1 : a.startedAt > b.startedAt ? -1 : 0;
  return [...rows.filter(row => !hasEnded(row)).sort(newestFirst), ...rows.filter(hasEnded).sort(newestFirst)];
}

/** What a run does in its image: the words behind the image's name; empty for the image's own program. */
export function commandOf(job: Pick<Job, 'title' | 'commandLine'>): string {
  const at = job.commandLine.indexOf(` ${job.title}`);
  return at < 0 ? job.commandLine : job.commandLine.slice(at + job.title.length + 1).trim();
}

export interface IActivity {
  /** Runs and shells. */
  readonly containers: number;
  readonly pulls: number;
  /** Of all pulls together, 0 to 1; undefined where a total is not known. */
  readonly pulled: number | undefined;
}

/** What the status bar counts. */
export function activity(jobs: readonly Job[], shells: readonly Shell[]): IActivity {
  const running = jobs.filter(job => job.state === 'running');
  const pulls = running.filter(job => job.kind === 'pull');
  let done = 0;
  let known = pulls.length > 0;
  for (const { progress } of pulls) {
    if (progress?.total === undefined || progress.total <= 0) {
      known = false;
    } else {
      done += Math.min(1, progress.done / progress.total);
    }
  }
  return {
    containers: running.length - pulls.length + shells.filter(shell => shell.state === 'running').length,
    pulls: pulls.length,
    pulled: known ? done / pulls.length : undefined
  };
}

export interface IImageGroup {
  readonly image: string;
  readonly rows: readonly (Job | Shell)[];
}

/** What runs now, pulls too, by image; images in the order in which their newest row began. */
export function runningByImage(jobs: readonly Job[], shells: readonly Shell[]): readonly IImageGroup[] {
  const groups = new Map<string, (Job | Shell)[]>();
  const rows = [...runningRows(jobs, shells), ...jobs.filter(job => job.kind === 'pull')];
  for (const row of rows.filter(one => !hasEnded(one))) {
    const image = 'kind' in row ? row.title : row.image;
    groups.set(image, [...(groups.get(image) ?? []), row]);
  }
  return [...groups].map(([image, list]) => ({ image, rows: list }));
}

/** Changes when a list of what runs would look different: not with every report of progress. */
export function runningKey(jobs: readonly Job[], shells: readonly Shell[]): string {
  return JSON.stringify(
    runningByImage(jobs, shells).map(group => group.rows.map(row => [row.id, 'name' in row && row.name]))
  );
}
