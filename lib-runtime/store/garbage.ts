// SPDX-License-Identifier: BSD-3-Clause
/** What the store can do without: blobs of finished pulls, trees of images that are gone. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { asContainerError, errnoOf } from '../support/errors.ts';
import { isHeld } from '../support/lock.ts';
import { removeTree } from '../support/remove-tree.ts';
import { removeContent } from './remove.ts';
import type { Store } from './store.ts';

export interface IGarbageOptions {
  /** Keep what was changed within this time, in milliseconds; default 0. */
  readonly olderThan?: number;
  /** Only count. */
  readonly dryRun?: boolean;
  /** Leave trees alone. */
  readonly blobsOnly?: boolean;
}

export interface IGarbage {
  readonly blobs: number;
  readonly trees: number;
  /** Bytes freed, or that would be. */
  readonly bytes: number;
}

/**
 * Removes downloaded blobs (they serve only to resume a pull and to share layers between pulls) and unpacked trees
 * without an image. What another process has locked is left alone.
 */
export async function collectGarbage(store: Store, options: IGarbageOptions = {}): Promise<IGarbage> {
  const before = Date.now() - (options.olderThan ?? 0);
  let [blobs, trees, bytes] = [0, 0, 0];
  try {
    for (const algorithm of await list(join(store.home, 'blobs'))) {
      const directory = join(store.home, 'blobs', algorithm);
      const digests = new Set((await list(directory)).map(name => /^[0-9a-f]+/.exec(name)?.[0]));
      for (const hex of digests) {
        if (hex !== undefined) {
          const freed = await removeUnlocked(store, `${algorithm}-${hex}`, before, options.dryRun, [
            join(directory, hex),
            join(directory, `${hex}.part`),
            join(directory, `${hex}.part.json`)
          ]);
          blobs += freed === undefined ? 0 : 1;
          bytes += freed ?? 0;
        }
      }
    }
    const known = new Set((await store.images()).map(image => image.key));
    const keys = options.blobsOnly ? [] : await list(store.treesDirectory);
    for (const key of keys.filter(name => !known.has(name))) {
      const freed = await removeOrphan(store, key, before, options.dryRun);
      trees += freed === undefined ? 0 : 1;
      bytes += freed ?? 0;
    }
    return { blobs, trees, bytes: bytes + (options.dryRun ? 0 : await store.sweep()) };
  } catch (error) {
    throw asContainerError(error, 'store', 'cannot clean the store');
  }
}

/** Bytes freed, or undefined when the files are locked or young. */
async function removeUnlocked(
  store: Store,
  key: string,
  before: number,
  dryRun: boolean | undefined,
  paths: readonly string[]
): Promise<number | undefined> {
  const lock = await store.tryLock(key);
  if (!isHeld(lock)) {
    return undefined;
  }
  try {
    let bytes = 0;
    const present: string[] = [];
    for (const path of paths) {
      const status = await stat(path).catch(() => undefined);
      if (status !== undefined) {
        if (status.mtimeMs > before) {
          return undefined;
        }
        present.push(path);
        bytes += status.blocks * 512;
      }
    }
    for (const path of dryRun ? [] : present) {
      await removeTree(path);
    }
    return bytes;
  } finally {
    await lock.release();
  }
}

async function removeOrphan(
  store: Store,
  key: string,
  before: number,
  dryRun: boolean | undefined
): Promise<number | undefined> {
  const lock = await store.tryLock(key);
  if (!isHeld(lock)) {
    return undefined;
  }
  try {
    const status = await stat(join(store.treesDirectory, key)).catch(() => undefined);
    if (status === undefined || status.mtimeMs > before || (await store.users(key)).length > 0) {
      return undefined;
    }
    const removed = dryRun ? 0 : await removeContent(store, key);
    return typeof removed === 'object' ? undefined : removed;
  } finally {
    await lock.release();
  }
}

async function list(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      return [];
    }
    throw error;
  }
}
