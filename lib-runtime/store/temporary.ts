// SPDX-License-Identifier: BSD-3-Clause
/** Temporary directories named after their process, and the sweep of those whose process is dead. */
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ContainerError, errnoOf } from '../support/errors.ts';
import { formatOwner, ownerOf, ownerState, parseOwner } from '../support/owner.ts';
import { removeTree } from '../support/remove-tree.ts';

export interface ITemporaryDirectory {
  readonly path: string;
  /** Removes the directory with all it holds; a directory that was renamed away is fine. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Leftovers of which nothing can be said (other machine, odd name) go after this time, in milliseconds. */
const UNKNOWN_AGE = 7 * 24 * 3600 * 1000;

/** `PREFIX-PID-START-PLACE-RANDOM` for this process. */
export function ownedName(prefix: string): string {
  const self = ownerOf();
  if (self === undefined) {
    throw new ContainerError({ code: 'internal', step: 'store', message: '/proc does not show this process' });
  }
  return `${prefix}-${formatOwner(self)}-${randomBytes(6).toString('hex')}`;
}

export async function makeTemporaryDirectory(parent: string, prefix: string): Promise<ITemporaryDirectory> {
  const path = join(parent, ownedName(prefix.replace(/[^A-Za-z0-9_.]/g, '_')));
  await mkdir(path, { mode: 0o700 });
  const dispose = async () => {
    await removeTree(path);
  };
  return { path, dispose, [Symbol.asyncDispose]: dispose };
}

/**
 * Removes the entries of `directory` that are `ours` and whose owner is dead. Never throws: what cannot be removed is left for later.
 * @returns bytes freed
 */
export async function sweep(directory: string, ours: (name: string) => boolean = () => true): Promise<number> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch {
    return 0;
  }
  let freed = 0;
  for (const name of names.filter(ours)) {
    const path = join(directory, name);
    try {
      if (await abandoned(path, name)) {
        freed += await removeTree(path);
      }
    } catch {
      // Someone else may be sweeping too.
    }
  }
  return freed;
}

async function abandoned(path: string, name: string): Promise<boolean> {
  const owner = parseOwner(name);
  const state = owner === undefined ? 'elsewhere' : ownerState(owner);
  if (state !== 'elsewhere') {
    return state === 'dead';
  }
  try {
    return Date.now() - (await lstat(path)).mtimeMs > UNKNOWN_AGE;
  } catch (error) {
    return errnoOf(error) !== 'ENOENT';
  }
}
