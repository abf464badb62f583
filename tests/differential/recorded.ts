// SPDX-License-Identifier: BSD-3-Clause
/** What the real Apptainer 1.4.5 answered, written by apptainer.test.ts and compared with it by the same. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface IRecorded {
  /** With @SCRATCH@ for the directory and `ours-` for the maker of an image. */
  readonly stdout: string;
  readonly status: number;
}

export const RECORDED = fileURLToPath(new URL('recorded.json', import.meta.url));

/** By the name of the case; errors as `error: NAME`. */
export function readRecorded(): Record<string, IRecorded> {
  return JSON.parse(readFileSync(RECORDED, 'utf8')) as Record<string, IRecorded>;
}
