// SPDX-License-Identifier: BSD-3-Clause
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './errors.ts';

/**
 * Makes a directory with its parents, all with `mode`; one that is there is fine.
 * In place of `mkdir(path, { recursive: true })`, which in Node 24 never returns where mkdir(2) says ENOENT although
 * the parent exists, as automounted and kernel file systems do (seen with /proc).
 * @throws the system error
 */
export async function makeDirectory(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, { mode });
    return;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') {
      await requireDirectory(path, error);
      return;
    }
    const parent = dirname(path);
    if (errnoOf(error) !== 'ENOENT' || parent === path) {
      throw error;
    }
    await makeDirectory(parent, mode);
  }
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') {
      throw error;
    }
    await requireDirectory(path, error);
  }
}

async function requireDirectory(path: string, otherwise: unknown): Promise<void> {
  if (!(await stat(path)).isDirectory()) {
    throw otherwise;
  }
}
