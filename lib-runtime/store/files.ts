// SPDX-License-Identifier: BSD-3-Clause
/** Putting finished files and trees in their place: links, reflinks and renames, never a half-written result. */
import { constants } from 'node:fs';
import { copyFile, link, lstat, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { temporaryBeside } from '../support/atomic.ts';
import { asContainerError, ContainerError, errnoOf } from '../support/errors.ts';
import { removeTree } from '../support/remove-tree.ts';
import { makeDirectory } from '../support/make-directory.ts';

/** Renames a finished file to its place, replacing what is there. */
export async function publishFile(temporary: string, place: string): Promise<string> {
  try {
    await makeDirectory(dirname(place), 0o700);
    await rename(temporary, place);
    return place;
  } catch (error) {
    throw asContainerError(error, 'store', `cannot put ${basename(place)} into the store`);
  }
}

/** Renames a complete tree to its place; when one is there already the new one is removed. */
export async function publishTree(temporary: string, place: string): Promise<string> {
  try {
    await makeDirectory(dirname(place), 0o700);
    await rename(temporary, place);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) {
      throw asContainerError(error, 'store', 'cannot put the unpacked image into the store');
    }
    await removeTree(temporary);
  }
  return place;
}

export interface IShareOptions {
  readonly overwrite?: boolean;
  /** Fail rather than copy. */
  readonly linkOnly?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Makes `destination` the same file as `source`: by a hard link, else by a reflink or copy. Atomic.
 * @throws ContainerError 'exists' when the destination is there and `overwrite` is not given
 */
export async function shareFile(source: string, destination: string, options: IShareOptions = {}): Promise<void> {
  const temporary = temporaryBeside(destination);
  try {
    if (await sameFile(source, destination)) {
      return;
    }
    if (!options.overwrite && (await present(destination))) {
      throw alreadyThere(destination);
    }
    try {
      await link(source, temporary);
    } catch (error) {
      if (options.linkOnly || ['ENOENT', 'EACCES', 'ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '')) {
        throw error;
      }
      // Another file system, or one without hard links.
      await copyFile(source, temporary, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    }
    options.signal?.throwIfAborted();
    await (options.overwrite ? rename(temporary, destination) : renameToFree(temporary, destination));
  } catch (error) {
    if (options.signal?.aborted) {
      throw new ContainerError({ code: 'cancelled', step: 'store', message: `cancelled writing ${destination}` });
    }
    throw asContainerError(error, 'store', `cannot write ${destination}`);
  } finally {
    // rename(2) of two links to one file does nothing and leaves both names.
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** rename(2) that fails on an existing file: link(2) does, atomically. */
async function renameToFree(temporary: string, destination: string): Promise<void> {
  try {
    await link(temporary, destination);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') {
      throw alreadyThere(destination);
    }
    // No hard links here (FUSE, vfat): its absence was checked a moment ago.
    await rename(temporary, destination);
  }
}

function alreadyThere(destination: string): ContainerError {
  return new ContainerError({
    code: 'exists',
    step: 'store',
    message: `${destination} exists already`,
    fix: 'Use --force to replace it or choose another name'
  });
}

async function present(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false
  );
}

async function sameFile(a: string, b: string): Promise<boolean> {
  try {
    // Numbers above 2^53, which Lustre and overlayfs have, would be rounded otherwise.
    const [first, second] = await Promise.all([stat(a, { bigint: true }), stat(b, { bigint: true })]);
    return first.ino === second.ino && first.dev === second.dev;
  } catch {
    return false;
  }
}
