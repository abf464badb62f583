// SPDX-License-Identifier: BSD-3-Clause
/** References that a pull may be asked for again. Pure. */
import type { Image, Job, NewJob } from '../../lib-runtime/api/schema.ts';
import { asSource } from '../panel/pulls.ts';

/** The newest pulls first, then what the store's images came from. */
export function recentSources(jobs: readonly Job[], images: readonly Image[], limit = 20): string[] {
  const pulled = jobs.filter(job => job.kind === 'pull').map(job => job.title);
  return [...new Set([...pulled, ...images.map(image => image.source)])]
    .filter(source => /^[A-Za-z][\w+-]*:/.test(source))
    .slice(0, limit);
}

export type SourceProblem = 'missing' | 'dash' | 'blank';

export function sourceProblem(text: string): SourceProblem | undefined {
  const source = text.trim();
  return source === '' ? 'missing' : source.startsWith('-') ? 'dash' : /[\s\0]/.test(source) ? 'blank' : undefined;
}

export interface IPullForm {
  readonly source: string;
  /** Absolute directory on the server for a SIF; undefined: into the store. */
  readonly directory: string | undefined;
  readonly force: boolean;
  readonly plainHttp: boolean;
}

export function pullOf({ source, directory, force, plainHttp }: IPullForm): NewJob {
  return {
    kind: 'pull',
    source: asSource(source),
    ...(directory !== undefined && { directory }),
    ...(directory !== undefined && force && { force }),
    ...(plainHttp && { plainHttp })
  };
}
