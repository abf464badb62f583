// SPDX-License-Identifier: BSD-3-Clause
/** Removal of images. A kill in the middle leaves either the image or leftovers under a temporary name. */
import { rename, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { asContainerError, ContainerError, errnoOf, printable } from '../support/errors.ts';
import { isHeld } from '../support/lock.ts';
import type { IOwner } from '../support/owner.ts';
import { removeTree } from '../support/remove-tree.ts';
import { canonicalName, readRecords, removeRecord } from './records.ts';
import type { IImageRecord, Store } from './store.ts';
import { ownedName } from './temporary.ts';
import { makeDirectory } from '../support/make-directory.ts';

/** Fewest digits of a key that name an image. */
const SHORTEST_KEY = 8;

/** See `Store.resolveImage`; says also whether the image was meant by one of its names. */
export function resolveImage(
  images: readonly IImageRecord[],
  nameOrKey: string
): { readonly image: IImageRecord; readonly byName: boolean } {
  const names = ['', 'docker://', 'oras://'].map(scheme => canonicalName(scheme + nameOrKey));
  const named = images.find(
    image => image.name !== image.key && (names.includes(image.name) || image.source === nameOrKey)
  );
  if (named !== undefined) {
    return { image: named, byName: true };
  }
  const digits = nameOrKey.replace(/^sha256[-:]/, '');
  const fits = ({ key }: IImageRecord) =>
    key === nameOrKey || (digits.length >= SHORTEST_KEY && key.replace(/^sha256-/, '').startsWith(digits));
  const [first, ...others] = images.filter(image => image.path === resolve(nameOrKey) || fits(image));
  if (first === undefined) {
    throw new ContainerError({
      code: 'not-found',
      step: 'store',
      message: `there is no image '${printable(nameOrKey)}' in the store`,
      fix: 'nbcontainer images lists what is there'
    });
  }
  if (others.some(other => other.key !== first.key)) {
    throw new ContainerError({
      code: 'usage',
      step: 'store',
      message: `'${printable(nameOrKey)}' fits more than one image`,
      fix: 'Give more digits'
    });
  }
  return { image: first, byName: false };
}

/** See `Store.removeImage`. */
export async function removeImage(store: Store, nameOrKey: string): Promise<number> {
  const { image, byName } = resolveImage(await store.images(), nameOrKey);
  const lock = await store.tryLock(image.key);
  if (!isHeld(lock)) {
    throw inUse(image, lock, 'is being worked on');
  }
  try {
    const records = (await readRecords(store.refs)).filter(record => record.key === image.key);
    const going = byName ? records.filter(record => record.reference === image.name) : records;
    const forget = async (): Promise<void> => {
      for (const record of going) {
        await removeRecord(store.refs, record.reference);
      }
    };
    if (going.length < records.length) {
      await forget();
      return 0;
    }
    const removed = await removeContent(store, image.key, forget);
    if (typeof removed === 'object') {
      throw inUse(image, removed, 'is in use');
    }
    return removed;
  } catch (error) {
    throw asContainerError(error, 'store', `cannot remove ${image.name}`);
  } finally {
    await lock.release();
  }
}

/**
 * Removes the SIF and the trees of a key, unless somebody uses them. The caller holds its lock; a container that starts
 * does not wait for that: it says that it uses the image, and only then looks whether its tree is there.
 * @param forget called when it is certain that they go.
 * @returns bytes freed, or who uses the image.
 */
export async function removeContent(
  store: Store,
  key: string,
  forget: () => Promise<void> = () => Promise.resolve()
): Promise<number | IOwner> {
  const user = async (): Promise<IOwner | undefined> => (await store.users(key))[0];
  const present = await user();
  if (present !== undefined) {
    return present;
  }
  // A tree exists only when it is complete, so it leaves its place in one step.
  const trees = dirname(store.treePath(key, 'plain'));
  const gone = await moveAway(store, trees);
  const late = await user();
  if (late !== undefined) {
    await (gone && rename(gone, trees));
    return late;
  }
  await forget();
  let freed = 0;
  const sif = store.imagePath(key);
  try {
    const { nlink, blocks } = await stat(sif);
    await unlink(sif);
    // The user's own copy of the file may live on: then nothing is freed.
    freed += nlink === 1 ? blocks * 512 : 0;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') {
      throw error;
    }
  }
  return freed + (gone === undefined ? 0 : await removeTree(gone));
}

/** @returns where the trees of a key are then; undefined when there were none. */
async function moveAway(store: Store, trees: string): Promise<string | undefined> {
  const gone = join(store.treesTemporary, ownedName('gone'));
  try {
    await makeDirectory(store.treesTemporary, 0o700);
    await rename(trees, gone);
    return gone;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

function inUse(image: IImageRecord, holder: IOwner, how: string): ContainerError {
  return new ContainerError({
    code: 'locked',
    step: 'store',
    message: `${image.name} ${how}`,
    reason: `process ${holder.pid} holds it`,
    fix: 'End that process first, then try again'
  });
}
