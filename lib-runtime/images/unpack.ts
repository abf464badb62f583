// SPDX-License-Identifier: BSD-3-Clause
/** Unpacked trees of the store, made once and shared by every later start. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { extractSquashfs } from '../formats/squashfs/extract.ts';
import { SquashfsReader } from '../formats/squashfs/reader.ts';
import type { TreeView } from '../store/layout.ts';
import type { Store } from '../store/store.ts';
import { asContainerError } from '../support/errors.ts';
import type { ProgressListener } from '../support/progress.ts';
import { throwIfCancelled } from './cancel.ts';
import type { IImageFacts } from './image.ts';
import { makeMergedTree } from './merged-tree.ts';
import { actsAsRoot } from './privilege.ts';

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
 * below /usr and shares its files with the plain one.
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
    return { directory: await store.placeTree(tree, facts.key, view), notes };
  } catch (error) {
    throw asContainerError(error, 'unpack', `cannot unpack ${facts.path}`);
  } finally {
    await temporary.dispose();
  }
}

async function extract(
  { source, path }: Pick<IImageFacts, 'source' | 'path'>,
  tree: string,
  store: Store,
  work: { readonly asRoot: boolean; readonly onProgress?: ProgressListener; readonly signal?: AbortSignal }
): Promise<readonly string[]> {
  if (source.kind === 'directory') {
    return [];
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
