// SPDX-License-Identifier: BSD-3-Clause
/** Unpacked trees of the store, made once and shared by every later start. */
import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { extractSquashfs } from '../formats/squashfs/extract.ts';
import { SquashfsReader } from '../formats/squashfs/reader.ts';
import type { TreeView } from '../store/layout.ts';
import type { Store } from '../store/store.ts';
import { asContainerError, ContainerError, printable } from '../support/errors.ts';
import { removeTree } from '../support/remove-tree.ts';
import type { ProgressListener } from '../support/progress.ts';
import { throwIfCancelled } from './cancel.ts';
import { copyTree, sharesBlocks, surveyTree, type ITreeSurvey } from './copy-tree.ts';
import type { IImageFacts } from './image.ts';
import { makeMergedTree } from './merged-tree.ts';
import { actsAsRoot } from './privilege.ts';
import { sealTop, sealTree } from './seal-tree.ts';

export interface IUnpackOptions {
  readonly store: Store;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

export interface ITree {
  readonly directory: string;
  /** What could not be kept, said when the tree is made. */
  readonly notes: readonly string[];
}

/** Unpacked bytes per byte of squashfs, as seen on distributions (2.4 to 2.9). */
const TREE_RATIO = 2.9;

/**
 * Makes sure that a tree of the image exists. `plain` is the tree as recorded, `merged` has /bin, /sbin and /lib*
 * below /usr and shares its files with the plain one, `read-only` has an owner and modes that keep a container of the
 * caller from writing it.
 * @throws ContainerError `no-space`, `corrupt`, `truncated`, `cancelled` ...; no part of a tree is left then.
 */
export async function ensureTree(
  facts: Pick<IImageFacts, 'key' | 'source' | 'path'>,
  view: TreeView,
  options: IUnpackOptions
): Promise<ITree> {
  const { store, signal } = options;
  const { key } = facts;
  if (view === 'plain' && facts.source.kind === 'directory') {
    return { directory: facts.source.directory, notes: [] };
  }
  const directory = store.treePath(key, view);
  if (existsSync(directory)) {
    return { directory, notes: [] };
  }
  const plain = view === 'merged' ? await ensureTree(facts, 'plain', options) : undefined;
  const made = await store.withLock(
    key,
    async () => {
      if (existsSync(directory)) {
        return { directory, notes: [] };
      }
      return build(facts, options, view, plain?.directory);
    },
    signal ? { signal } : {}
  );
  return { directory: made.directory, notes: [...(plain?.notes ?? []), ...made.notes] };
}

async function build(
  facts: Pick<IImageFacts, 'key' | 'source' | 'path'>,
  options: IUnpackOptions,
  view: TreeView,
  plain: string | undefined
): Promise<ITree> {
  const { store, onProgress, signal } = options;
  const temporary = await store.temporaryDirectory('unpack', { near: 'trees' });
  const work = { asRoot: actsAsRoot(), ...(onProgress && { onProgress }), ...(signal && { signal }) };
  try {
    const tree = join(temporary.path, 'tree');
    let notes: readonly string[];
    if (plain !== undefined) {
      ({ notes } = await makeMergedTree(plain, tree, work));
    } else {
      notes = await extract(facts, tree, store, work);
    }
    throwIfCancelled(signal, 'unpack');
    if (view === 'read-only') {
      await sealTree(tree, work);
    }
    const directory = await store.placeTree(tree, facts.key, view);
    if (view === 'read-only') {
      sealTop(directory, work.asRoot);
    }
    return { directory, notes };
  } catch (error) {
    throw asContainerError(error, 'unpack', `cannot unpack ${facts.path}`);
  } finally {
    // What cannot be removed now is swept by a later start.
    await temporary.dispose().catch(() => undefined);
  }
}

interface IWork {
  readonly asRoot: boolean;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

async function extract(
  { source, path }: Pick<IImageFacts, 'source' | 'path'>,
  tree: string,
  store: Store,
  work: IWork
): Promise<readonly string[]> {
  if (source.kind === 'directory') {
    return copy(await surveyTree(source.directory, work.signal), tree, `the copy of ${path}`, store, work);
  }
  await store.assertSpace(Math.ceil(source.size * TREE_RATIO), `the unpacked image ${path}`, store.treesDirectory);
  const reader = await SquashfsReader.open(source.file, source.offset, source.size);
  try {
    const { notes } = await extractSquashfs(reader, tree, work);
    return notes;
  } finally {
    await reader.close();
  }
}

/** @param what a noun for messages. */
async function copy(
  survey: ITreeSurvey,
  target: string,
  what: string,
  store: Store,
  work: IWork
): Promise<readonly string[]> {
  if (!sharesBlocks(survey, dirname(target))) {
    await store.assertSpace(survey.bytes, what, store.treesDirectory);
  }
  return copyTree(survey, target, work);
}

/** A tree of one container, to be written to. */
export interface ITreeCopy extends ITree {
  /** Bytes of disk that it takes; those of shared blocks included. */
  readonly bytes: number;
  /** Removes it. */
  dispose(): Promise<void>;
}

/**
 * Makes a writable tree of an image for one container: from an unpacked tree when there is one (or for the merged
 * view), else straight from the squashfs. It lies beside the store's trees, named after this process: what a kill -9
 * leaves is swept by the next start.
 * @throws ContainerError as ensureTree; nothing is left then.
 */
export async function copyImage(
  facts: Pick<IImageFacts, 'key' | 'source' | 'path'>,
  view: 'plain' | 'merged',
  options: IUnpackOptions
): Promise<ITreeCopy> {
  const { store, onProgress, signal } = options;
  const merged = view === 'merged' ? await ensureTree(facts, 'merged', options) : undefined;
  const plain = facts.source.kind === 'directory' ? facts.source.directory : store.treePath(facts.key, 'plain');
  const from = merged?.directory ?? plain;
  const temporary = await store.temporaryDirectory('writable', { near: 'trees' });
  const directory = join(temporary.path, 'tree');
  const work: IWork = { asRoot: actsAsRoot(), ...(onProgress && { onProgress }), ...(signal && { signal }) };
  const dispose = (): Promise<void> => temporary.dispose();
  try {
    if (existsSync(from)) {
      const survey = await surveyTree(from, signal);
      const notes = await copy(survey, directory, `the writable copy of ${facts.path}`, store, work);
      return { directory, notes: [...(merged?.notes ?? []), ...notes], bytes: survey.bytes, dispose };
    }
    const notes = await extract(facts, directory, store, work);
    return { directory, notes, bytes: (await surveyTree(directory, signal)).bytes, dispose };
  } catch (error) {
    await dispose().catch(() => undefined);
    throw asContainerError(error, 'unpack', `cannot make a writable copy of ${facts.path}`);
  }
}

/**
 * Unpacks an image into a directory of the user's, a sandbox. It appears whole or not at all.
 * @throws ContainerError `exists` without `force`, `no-space`, `cancelled` and those of the readers
 */
export async function writeSandbox(
  facts: Pick<IImageFacts, 'key' | 'source' | 'path'>,
  target: string,
  options: IUnpackOptions & { readonly force?: boolean }
): Promise<ITree> {
  const { store, onProgress, signal } = options;
  const directory = target.replace(/\/+$/, '');
  if (existsSync(directory) && options.force !== true) {
    throw new ContainerError({
      code: 'exists',
      step: 'unpack',
      message: `${printable(directory)} exists already`,
      fix: 'Give another name, or --force to replace it'
    });
  }
  const temporary = `${directory}.${process.pid}.tmp`;
  const work: IWork = { asRoot: actsAsRoot(), ...(onProgress && { onProgress }), ...(signal && { signal }) };
  try {
    const notes = await extract(facts, temporary, store, work);
    throwIfCancelled(signal, 'unpack');
    await removeTree(directory);
    await rename(temporary, directory);
    return { directory, notes };
  } catch (error) {
    await removeTree(temporary).catch(() => undefined);
    throw asContainerError(error, 'unpack', `cannot unpack ${facts.path}`);
  }
}
