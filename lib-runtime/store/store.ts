// SPDX-License-Identifier: BSD-3-Clause
/**
 * The image store of one user: content-addressed plain files under one directory, changed by atomic renames only, so
 * that a kill at any point leaves it whole (DESIGN 4, Store).
 *
 *     blobs/sha256/HEX    compressed layers and configurations; HEX.part, HEX.part.json while they are fetched
 *     images/KEY.sif      finished images, hard-linked with the user's own copy where that is possible
 *     trees/KEY/VIEW      unpacked root file systems (on a local disk when the store is not on one)
 *     refs/HASH.json      one record per name
 *     tmp/                temporary directories, named after their process
 *     locks/              see support/lock.ts
 */
import { readdir } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { asContainerError, ContainerError } from '../support/errors.ts';
import { requireHome } from '../support/home.ts';
import { isHeld, sweepLocks, tryLock, withLock } from '../support/lock.ts';
import type { IHeldLock, ILockOptions } from '../support/lock.ts';
import type { IOwner } from '../support/owner.ts';
import { publishFile, publishTree, shareFile } from './files.ts';
import { blobName, checkKey, storeHome } from './layout.ts';
import type { Environment, TreeView } from './layout.ts';
import { canonicalName, markOf, readRecord, readRecords, removeRecord, stillMatches, writeRecord } from './records.ts';
import type { IReferenceRecord } from './records.ts';
import { removeImage, resolveImage } from './remove.ts';
import { assertSpaceAt, freeSpaceAt } from './space.ts';
import { makeTemporaryDirectory, sweep } from './temporary.ts';
import type { ITemporaryDirectory } from './temporary.ts';
import { locateTrees } from './trees.ts';
import { holdImage, liveUsers, sweepUsers, usersDirectory } from './users.ts';
import type { IHold } from './users.ts';
import { makeDirectory } from '../support/make-directory.ts';

export interface IStoreOptions {
  /** Directory of the store; default from the environment. */
  readonly home?: string;
  /** Default `process.env`. */
  readonly env?: Environment;
}

/** One image as `nbcontainer images` lists it. */
export interface IImageRecord {
  /** Canonical reference (`docker://docker.io/library/alpine:3`), path or URL; the key when it has no name. */
  readonly name: string;
  readonly key: string;
  readonly manifestDigest?: string;
  /** What told this version from others at its source, where that knows no digest (a web server). */
  readonly version?: string;
  /** The SIF, or the unpacked tree when there is no SIF. */
  readonly path: string;
  readonly sizeBytes: number;
  /** ISO 8601. */
  readonly createdAt: string;
  /** As the user wrote it. */
  readonly source: string;
  /** The file is the user's own, outside the store, and never removed by it. */
  readonly external: boolean;
}

/** What `putReference` takes. */
export interface INewReference {
  /** Reference, path or URL under which the image will be found. */
  readonly reference: string;
  readonly key: string;
  readonly manifestDigest?: string;
  readonly version?: string;
  /** The finished SIF (in the store or of the user), or the tree when there is no SIF. */
  readonly path: string;
  /** Default: size of the file. */
  readonly sizeBytes?: number;
  /** Default `reference`. */
  readonly source?: string;
}

/**
 * Opens the user's store and makes it when it is absent (mode 0700); leftovers of dead processes are swept.
 * @throws ContainerError when the directory cannot be made or read
 */
export async function openStore(options: IStoreOptions = {}): Promise<Store> {
  const env = options.env ?? process.env;
  const home = options.home === undefined ? storeHome(env, () => requireHome(env)) : resolve(options.home);
  try {
    await makeDirectory(home, 0o700);
    await Promise.all(
      ['blobs/sha256', 'images', 'refs', 'tmp', 'locks'].map(name => makeDirectory(join(home, name), 0o700))
    );
    const trees = await locateTrees(home, env);
    const store = new Store(home, trees.path, trees.reason);
    await store.sweep();
    return store;
  } catch (error) {
    const wrapped = asContainerError(error, 'store', `cannot open the image store ${home}`);
    throw wrapped.code === 'permission'
      ? new ContainerError({ ...wrapped.toJSON(), fix: 'Set NBCONTAINER_HOME to a directory that you can write' })
      : wrapped;
  }
}

export class Store {
  readonly home: string;
  /** Where unpacked trees lie; outside `home` when that is on a network file system. */
  readonly treesDirectory: string;
  /** Why the trees are not in the store, for `doctor`. */
  readonly treesReason: string | undefined;

  constructor(home: string, treesDirectory: string, treesReason?: string) {
    this.home = home;
    this.treesDirectory = treesDirectory;
    this.treesReason = treesReason;
  }

  /** Path of a blob, there or not. @throws ContainerError 'usage' for a text that is no digest. */
  blobPath(digest: string): string {
    return join(this.home, blobName(digest));
  }

  /** Path of an image's SIF, there or not. */
  imagePath(key: string): string {
    return join(this.home, 'images', `${checkKey(key)}.sif`);
  }

  /** Path of an unpacked tree; it exists only when it is complete. */
  treePath(key: string, view: TreeView): string {
    return join(this.treesDirectory, checkKey(key), view);
  }

  /**
   * Runs `task` while this process alone holds the lock of a key or digest. Not re-entrant.
   * @throws ContainerError 'cancelled' on abort while waiting
   */
  withLock<T>(key: string, task: () => Promise<T>, options: ILockOptions = {}): Promise<T> {
    return withLock(join(this.home, 'locks'), lockName(key), task, options);
  }

  /** Takes the lock of a key when it is free at once; otherwise says who holds it. */
  tryLock(key: string): Promise<IHeldLock | IOwner> {
    return tryLock(join(this.home, 'locks'), lockName(key));
  }

  /** See holdImage. */
  holdImage(key: string, pid?: number): Promise<IHold> {
    return holdImage(this.home, key, pid);
  }

  /** Live processes that use an image. */
  users(key: string): Promise<IOwner[]> {
    return liveUsers(usersDirectory(this.home, key));
  }

  /**
   * A fresh directory of this process; on the file system of the store, or of the trees. Swept by a later
   * `openStore` when this process dies without disposing of it.
   */
  async temporaryDirectory(
    prefix: string,
    options: { readonly near?: 'store' | 'trees' } = {}
  ): Promise<ITemporaryDirectory> {
    const parent = options.near === 'trees' ? this.treesTemporary : join(this.home, 'tmp');
    try {
      await makeDirectory(parent, 0o700);
      return await makeTemporaryDirectory(parent, prefix);
    } catch (error) {
      throw asContainerError(error, 'store', `cannot make a temporary directory in ${parent}`);
    }
  }

  /** Moves a complete tree (made in a `temporaryDirectory` near the trees) to its place; an existing one wins. */
  placeTree(temporary: string, key: string, view: TreeView): Promise<string> {
    return publishTree(temporary, this.treePath(key, view));
  }

  /**
   * Moves a finished SIF (made in a `temporaryDirectory`) to its place in the store; an existing one is replaced, and
   * its names go over to the new one. The caller holds the key's lock.
   */
  async placeImage(temporary: string, key: string): Promise<string> {
    const named = await this.recordsOf(key);
    const path = await publishFile(temporary, this.imagePath(key));
    const mark = await markOf(path);
    for (const record of named) {
      if (mark !== undefined && record.path === path) {
        await writeRecord(this.refs, { ...record, mark, sizeBytes: mark.size });
      }
    }
    return path;
  }

  /**
   * What the store itself has of a key, unchanged since it was recorded under whatever name: the SIF, else the tree.
   * The caller holds the key's lock.
   */
  async contentOf(key: string): Promise<IImageRecord | undefined> {
    const records = (await this.recordsOf(key)).filter(({ external }) => !external);
    const record = records.find(({ path }) => path === this.imagePath(key)) ?? records[0];
    return record && asImage(record);
  }

  /**
   * Gives the user a file of their own at `destination`: a hard link to the store's SIF, else a reflink or copy.
   * @throws ContainerError 'exists' unless `overwrite`; nothing half-written is left
   */
  exportImage(
    key: string,
    destination: string,
    options: { readonly overwrite?: boolean; readonly signal?: AbortSignal } = {}
  ): Promise<void> {
    return shareFile(this.imagePath(key), destination, options);
  }

  /**
   * Records an image under a name. A file outside the store is hard-linked into `images/` when that is possible (no
   * second copy), else recorded as external. The caller holds the key's lock while it made the file.
   */
  async putReference(entry: INewReference): Promise<IImageRecord> {
    const source = entry.source ?? entry.reference;
    try {
      let path = resolve(entry.path);
      let external = !this.holds(path);
      const stored = this.imagePath(entry.key);
      const has = async (): Promise<boolean> => (await this.contentOf(entry.key))?.path === stored;
      if (external && ((await has()) || (await linked(path, stored)))) {
        [path, external] = [stored, false];
      }
      const mark = await markOf(path);
      if (mark === undefined) {
        throw new ContainerError({ code: 'not-found', step: 'store', message: `there is no image at ${path}` });
      }
      const record: IReferenceRecord = {
        reference: canonicalName(entry.reference),
        key: entry.key,
        ...(entry.manifestDigest !== undefined && { manifestDigest: entry.manifestDigest }),
        ...(entry.version !== undefined && { version: entry.version }),
        path,
        sizeBytes: entry.sizeBytes ?? mark.size,
        createdAt: new Date().toISOString(),
        source,
        external,
        mark
      };
      await writeRecord(this.refs, record);
      return asImage(record);
    } catch (error) {
      throw asContainerError(error, 'store', `cannot record ${source}`);
    }
  }

  /** The image recorded under a name, undefined when there is none or its file has changed or gone. */
  async findReference(text: string): Promise<IImageRecord | undefined> {
    const record = await readRecord(this.refs, canonicalName(text));
    if (record === undefined) {
      return undefined;
    }
    if (await stillMatches(record)) {
      return asImage(record);
    }
    await this.forget(record);
    return undefined;
  }

  /** All images, by name; also those in `images/` that have lost their name. */
  async images(): Promise<IImageRecord[]> {
    const listed: IImageRecord[] = [];
    for (const record of await readRecords(this.refs)) {
      if (await stillMatches(record)) {
        listed.push(asImage(record));
      } else {
        await this.forget(record);
      }
    }
    const named = new Set(listed.map(image => image.path));
    for (const file of await readdir(join(this.home, 'images'))) {
      const path = join(this.home, 'images', file);
      const mark = file.endsWith('.sif') && !file.startsWith('.') && !named.has(path) ? await markOf(path) : undefined;
      if (mark !== undefined) {
        const key = file.slice(0, -4);
        const createdAt = new Date(mark.mtimeMs).toISOString();
        listed.push({ name: key, key, path, sizeBytes: mark.size, createdAt, source: key, external: false });
      }
    }
    return listed.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  /**
   * The image that a person means by a reference (with or without `docker://`), a path, a key or the first 8 or more
   * digits of one.
   * @throws ContainerError 'not-found', or 'usage' when the digits fit several
   */
  async resolveImage(nameOrKey: string): Promise<IImageRecord> {
    return resolveImage(await this.images(), nameOrKey).image;
  }

  /**
   * Removes a name, and with the last name of a key its SIF and trees. Given a key, removes all its names. A user's
   * own file is never touched.
   * @returns bytes of disk freed
   * @throws ContainerError 'not-found'; 'locked' while the image is in use
   */
  removeImage(nameOrKey: string): Promise<number> {
    return removeImage(this, nameOrKey);
  }

  /** Bytes free for the store, or at another path. */
  freeSpace(path: string = this.home): Promise<number> {
    return freeSpaceAt(path);
  }

  /** @throws ContainerError 'no-space' when `bytes` are not free; `what` is a noun (`the image`). */
  assertSpace(bytes: number, what: string, path: string = this.home): Promise<void> {
    return assertSpaceAt(path, bytes, what);
  }

  /** Removes what dead processes have left behind. @returns bytes freed. Never throws. */
  async sweep(): Promise<number> {
    const locks = join(this.home, 'locks');
    const freed = await Promise.all([
      sweep(join(this.home, 'tmp')),
      sweep(this.treesTemporary),
      sweep(locks, name => name.startsWith('.take-')),
      ...['refs', 'images', 'blobs/sha256'].map(name => sweep(join(this.home, name), other => other.startsWith('.'))),
      sweepUsers(locks),
      sweepLocks(locks)
    ]);
    return freed.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Directory of the records. */
  get refs(): string {
    return join(this.home, 'refs');
  }

  /** Beside the trees, on their file system. */
  get treesTemporary(): string {
    return join(dirname(this.treesDirectory), this.treesDirectory === join(this.home, 'trees') ? 'tmp' : 'trees-tmp');
  }

  /** The names of a key whose file is still the one that was recorded. */
  private async recordsOf(key: string): Promise<IReferenceRecord[]> {
    const records = (await readRecords(this.refs)).filter(record => record.key === key);
    const matches = await Promise.all(records.map(stillMatches));
    return records.filter((_, at) => matches[at]);
  }

  private holds(path: string): boolean {
    return [this.home, this.treesDirectory].some(directory => path.startsWith(directory + sep));
  }

  /** Forgets a record whose file is another now; skipped when someone is at work on the image. */
  private async forget(record: IReferenceRecord): Promise<void> {
    const lock = await this.tryLock(record.key);
    if (!isHeld(lock)) {
      return;
    }
    try {
      const now = await readRecord(this.refs, record.reference);
      if (now !== undefined && !(await stillMatches(now))) {
        await removeRecord(this.refs, now.reference);
      }
    } finally {
      await lock.release();
    }
  }
}

async function linked(path: string, stored: string): Promise<boolean> {
  return shareFile(path, stored, { overwrite: true, linkOnly: true }).then(
    () => true,
    () => false
  );
}

/** Locks are named after keys; a digest is as good. */
function lockName(key: string): string {
  return checkKey(key.replace(':', '-'));
}

function asImage(record: IReferenceRecord): IImageRecord {
  const { reference, key, manifestDigest, version, path, sizeBytes, createdAt, source, external } = record;
  return {
    name: reference,
    key,
    ...(manifestDigest !== undefined && { manifestDigest }),
    ...(version !== undefined && { version }),
    path,
    sizeBytes,
    createdAt,
    source,
    external
  };
}
