// SPDX-License-Identifier: BSD-3-Clause
/**
 * Flattening in two passes: the first reads the names of all layers and applies them from the bottom up to a tree in
 * memory, symlinks followed inside the root; the second reads the layers for the content that is left.
 * Right for every order of entries, and the measure that tests hold the one-pass way to (flatten.ts).
 */
import type { ITreeEntry, ITreeSink } from '../formats/tree.ts';
import { throwIfCancelled } from './cancel.ts';
import { contradiction, hardlink, impliedDirectory, parentOf, parseWhiteout, type ILayer } from './layer.ts';

/** As the kernel's limit on symlinks in one path. */
const SYMLINK_LIMIT = 40;

interface IDirectory {
  readonly kind: 'directory';
  /** Undefined for the root as long as no layer has an entry for it. */
  entry?: ITreeEntry;
  /** The last layer that has it or something below it. */
  layer: number;
  readonly children: Map<string, Node>;
}

/** Anything but a directory; several paths hold the same one when they are hard links. */
interface ILeaf {
  readonly kind: 'leaf';
  readonly layer: number;
  readonly index: number;
  readonly entry: ITreeEntry;
}

/** Where a leaf stands in the tree: the layer of the name may be above the layer of the content. */
interface IName {
  readonly kind: 'name';
  readonly leaf: ILeaf;
  readonly layer: number;
}

type Node = IDirectory | IName;

/** On whose behalf a path is resolved. */
interface IUse {
  readonly layer: number;
  readonly entry: ITreeEntry;
}

/** See flattenLayers. */
export async function flattenExactly(
  layers: readonly ILayer[],
  sink: ITreeSink,
  signal: AbortSignal | undefined
): Promise<void> {
  const tree = new Tree();
  for (const [number, layer] of layers.entries()) {
    let index = 0;
    for await (const { entry } of layer.open()) {
      throwIfCancelled(signal, 'convert');
      tree.apply(entry, number, index++);
    }
  }
  const files = new Map<ILeaf, string[]>();
  for (const { path, node } of tree.walk()) {
    if (node.kind === 'directory') {
      if (node.entry) {
        await sink.add({ ...node.entry, path });
      }
    } else if (node.leaf.entry.type === 'file') {
      files.set(node.leaf, [...(files.get(node.leaf) ?? []), path]);
    } else {
      await sink.add({ ...node.leaf.entry, path });
    }
  }
  for (const [number, layer] of layers.entries()) {
    await addContents(number, layer, files, sink, signal);
  }
}

async function addContents(
  number: number,
  layer: ILayer,
  files: ReadonlyMap<ILeaf, readonly string[]>,
  sink: ITreeSink,
  signal: AbortSignal | undefined
): Promise<void> {
  const wanted = new Map([...files].filter(([leaf]) => leaf.layer === number).map(item => [item[0].index, item]));
  if (wanted.size === 0) {
    return;
  }
  let index = 0;
  for await (const { content } of layer.open()) {
    throwIfCancelled(signal, 'convert');
    const item = wanted.get(index);
    const [first, ...others] = item?.[1] ?? [];
    if (item && first !== undefined) {
      await sink.add({ ...item[0].entry, path: first }, content);
      for (const path of others) {
        await sink.add(hardlink(item[0].entry, path, first));
      }
      wanted.delete(index);
      if (wanted.size === 0) {
        return;
      }
    }
    index++;
  }
}

/** The tree in memory; paths are resolved as in a chroot. */
class Tree {
  readonly #root: IDirectory = { kind: 'directory', layer: 0, children: new Map() };

  apply(entry: ITreeEntry, layer: number, index: number): void {
    const whiteout = parseWhiteout(entry.path);
    if (whiteout) {
      this.#hide(whiteout.kind === 'opaque' ? whiteout.directory : whiteout.path, layer, whiteout.kind === 'opaque');
      return;
    }
    if (entry.path === '') {
      if (entry.type !== 'directory') {
        throw contradiction('a layer makes the root something else than a directory');
      }
      this.#root.entry = entry;
      return;
    }
    // Looked up first: the link may replace its own target.
    const leaf = entry.type === 'hardlink' ? this.#target(entry) : undefined;
    const parent = this.#directory(parentOf(entry.path), entry, layer);
    const name = entry.path.slice(entry.path.lastIndexOf('/') + 1);
    const existing = parent.children.get(name);
    if (entry.type === 'directory') {
      if (existing?.kind === 'directory') {
        existing.entry = entry;
        existing.layer = layer;
      } else {
        parent.children.set(name, { kind: 'directory', entry, layer, children: new Map() });
      }
      return;
    }
    parent.children.set(name, { kind: 'name', leaf: leaf ?? { kind: 'leaf', layer, index, entry }, layer });
  }

  *walk(): Generator<{ path: string; node: Node }> {
    yield* walkBelow(this.#root, '');
  }

  #target(entry: ITreeEntry): ILeaf {
    const target = entry.linkTarget ?? '';
    const parent = this.#lookup(parentOf(target));
    const node = parent?.children.get(target.slice(target.lastIndexOf('/') + 1));
    if (node?.kind !== 'name') {
      throw contradiction(
        `a layer holds the hard link ${JSON.stringify(entry.path)} to ${JSON.stringify(target)}, which ` +
          (node ? 'is a directory' : 'does not exist')
      );
    }
    return node.leaf;
  }

  /** The directory at `path`, symlinks followed, made where it is missing. */
  #directory(path: string, forEntry: ITreeEntry, layer: number): IDirectory {
    const found = this.#resolve(path.split('/'), 0, { layer, entry: forEntry });
    if (!found) {
      throw contradiction(`a layer puts ${JSON.stringify(forEntry.path)} below something that is no directory`);
    }
    return found;
  }

  #lookup(path: string): IDirectory | undefined {
    return this.#resolve(path.split('/'), 0);
  }

  /** Walks `parts` from the root; with `use`, missing directories are made and the way is marked as used by a layer. */
  #resolve(parts: readonly string[], links: number, use?: IUse): IDirectory | undefined {
    const way: IDirectory[] = [this.#root];
    const names: string[] = [];
    for (const [at, part] of parts.entries()) {
      const directory = way.at(-1) ?? this.#root;
      if (part === '' || part === '.') {
        continue;
      }
      if (part === '..') {
        if (way.length > 1) {
          way.pop();
          names.pop();
        }
        continue;
      }
      let node = directory.children.get(part);
      if (!node) {
        if (!use) {
          return undefined;
        }
        const entry = impliedDirectory([...names, part].join('/'), use.entry);
        node = { kind: 'directory', entry, layer: use.layer, children: new Map() };
        directory.children.set(part, node);
      }
      if (node.kind === 'name') {
        const { entry } = node.leaf;
        if (entry.type !== 'symlink' || links >= SYMLINK_LIMIT) {
          return undefined;
        }
        const text = entry.linkTarget ?? '';
        const base = text.startsWith('/') ? [] : names;
        return this.#resolve([...base, ...text.split('/'), ...parts.slice(at + 1)], links + 1, use);
      }
      if (use) {
        node.layer = use.layer;
      }
      way.push(node);
      names.push(part);
    }
    return way.at(-1);
  }

  /** Removes what lower layers have at `path`, or only below it; what this layer has brought stays. */
  #hide(path: string, layer: number, onlyBelow: boolean): void {
    if (onlyBelow) {
      const directory = this.#lookup(path);
      if (directory) {
        prune(directory, layer);
      }
      return;
    }
    const parent = this.#lookup(parentOf(path));
    const name = path.slice(path.lastIndexOf('/') + 1);
    const node = parent?.children.get(name);
    if (parent && node && !survives(node, layer)) {
      parent.children.delete(name);
    }
  }
}

/** Drops what is not of `layer` below a directory. */
function prune(directory: IDirectory, layer: number): void {
  for (const [name, node] of directory.children) {
    if (!survives(node, layer)) {
      directory.children.delete(name);
    }
  }
}

function survives(node: Node, layer: number): boolean {
  if (node.kind === 'directory') {
    prune(node, layer);
  }
  return node.layer === layer;
}

function* walkBelow(directory: IDirectory, path: string): Generator<{ path: string; node: Node }> {
  yield { path, node: directory };
  for (const [name, node] of directory.children) {
    const below = path === '' ? name : `${path}/${name}`;
    if (node.kind === 'directory') {
      yield* walkBelow(node, below);
    } else {
      yield { path: below, node };
    }
  }
}
