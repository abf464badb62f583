// SPDX-License-Identifier: BSD-3-Clause
/**
 * Flattens the layers of an image into one tree.
 *
 * The usual way reads the layers once, the topmost first, so that what is hidden is never compressed and nothing
 * touches the disk. The result is what `umoci unpack` yields, which applies the layers from the bottom up. A few
 * layers do not let themselves be read that way: an entry that reaches its place through a symlink of a lower layer,
 * a hard link to a file of a lower layer, the same path twice in one archive. Then flattenLayers says `ambiguous`
 * and the caller begins anew with `exact`, which reads all names first (flatten-exact.ts).
 */
import type { ITreeEntry, ITreeSink } from '../formats/tree.ts';
import { throwIfCancelled } from './cancel.ts';
import { flattenExactly } from './flatten-exact.ts';
import {
  contradiction,
  hardlink,
  impliedDirectory,
  parentOf,
  parseWhiteout,
  type ILayer,
  type ILayerEntry,
  type Whiteout
} from './layer.ts';

export interface IFlattenOptions {
  /** Read all layers for their names first, then for their content: slower, right for every order of entries. */
  readonly exact?: boolean;
  readonly signal?: AbortSignal;
}

export type FlattenResult =
  | { readonly kind: 'done' }
  /** The sink holds a part of the tree and must be thrown away; begin anew with `exact`. */
  | { readonly kind: 'ambiguous'; readonly path: string; readonly reason: string };

/**
 * Adds the tree that `layers` (bottom to top) make to `sink`; hard links follow their file, other entries come in any
 * order. Content is read one file at a time.
 * @throws ContainerError `corrupt` for layers that contradict themselves, `cancelled`, and what layers and sink throw.
 */
export async function flattenLayers(
  layers: readonly ILayer[],
  sink: ITreeSink,
  options: IFlattenOptions = {}
): Promise<FlattenResult> {
  if (options.exact) {
    await flattenExactly(layers, sink, options.signal);
    return { kind: 'done' };
  }
  const cover = new Cover();
  for (const [level, layer] of [...layers].reverse().entries()) {
    const pass = new LayerPass(layer, cover, sink);
    const ambiguous = await pass.run(options.signal);
    if (ambiguous) {
      return ambiguous;
    }
    await pass.addHiddenTargets(options.signal);
    // Nothing lies below the last one, usually the largest.
    if (level < layers.length - 1) {
      cover.merge(pass.change, level);
    } else {
      cover.settle(pass.change);
    }
  }
  for (const entry of cover.made()) {
    await sink.add(entry);
  }
  return { kind: 'done' };
}

/**
 * What the layers above hide and expect of the layers below. Levels count downwards from the topmost layer, 0: the
 * higher of two levels is the layer that is applied first.
 */
class Cover {
  /** Paths that are settled: nothing below may add an entry there. */
  readonly #taken = new Map<string, number>();
  /** Paths below which nothing of the lower layers shows. */
  readonly #blocked = new Map<string, number>();
  /** Directories that an upper layer uses without having an entry for them. */
  readonly #implied = new Map<string, number>();
  /** Those of them that it makes when they are missing, as they will be then. */
  readonly #made = new Map<string, ITreeEntry>();

  hides(path: string): boolean {
    return this.#level(path) >= 0;
  }

  /**
   * True when a layer above reaches through `path` and no layer in between has made a directory of it; that counts
   * even when what it put there is hidden by now, for it may have put it elsewhere.
   */
  implies(path: string): boolean {
    const implied = this.#implied.get(path);
    return implied !== undefined && implied >= this.#level(path);
  }

  merge(change: ICoverChange, level: number): void {
    change.taken.forEach(path => this.#taken.set(path, level));
    change.blocked.forEach(path => this.#blocked.set(path, level));
    change.implied.forEach(path => this.#implied.set(path, level));
    this.settle(change);
  }

  /** The part of merge() that counts when no layer follows. */
  settle(change: ICoverChange): void {
    change.made.forEach(entry => this.#made.set(entry.path, entry));
    change.added.forEach(path => this.#made.delete(path));
  }

  /** Directories that are in the tree although no layer has an entry for them. */
  made(): Iterable<ITreeEntry> {
    return this.#made.values();
  }

  /** The last level that hides `path`, -1 for none. */
  #level(path: string): number {
    let level = this.#taken.get(path) ?? -1;
    if (this.#blocked.size > 0) {
      for (let at = path; at !== '';) {
        at = parentOf(at);
        level = Math.max(level, this.#blocked.get(at) ?? -1);
      }
    }
    return level;
  }
}

interface ICoverChange {
  readonly taken: string[];
  readonly blocked: string[];
  readonly implied: string[];
  readonly made: ITreeEntry[];
  /** Directories that the sink has got. */
  readonly added: string[];
}

/** A file, symlink ... of the layer being read; hard links share it. */
interface IInode {
  readonly index: number;
  readonly entry: ITreeEntry;
  /** Path under which the sink has it. */
  added?: string;
  /** Visible hard links to a path that an upper layer hides. */
  wanted?: string[];
}

/** `implied`: a whiteout lies below it; `made`: an entry does. */
type Own = 'directory' | 'implied' | 'made' | IInode;

class LayerPass {
  readonly change: ICoverChange = { taken: [], blocked: [], implied: [], made: [], added: [] };
  readonly #layer: ILayer;
  readonly #cover: Cover;
  readonly #sink: ITreeSink;
  readonly #own = new Map<string, Own>();
  readonly #waiting = new Set<IInode>();
  /** Directories that an entry needs and that have none themselves, so far. */
  readonly #made = new Set<string>();
  /** Whiteouts read so far. */
  readonly #cut = new Set<string>();
  readonly #opaque = new Set<string>();

  constructor(layer: ILayer, cover: Cover, sink: ITreeSink) {
    this.#layer = layer;
    this.#cover = cover;
    this.#sink = sink;
  }

  async run(signal: AbortSignal | undefined): Promise<Extract<FlattenResult, { kind: 'ambiguous' }> | undefined> {
    let index = 0;
    for await (const item of this.#layer.open()) {
      throwIfCancelled(signal, 'convert');
      const reason = await this.#take(item, index++);
      if (reason !== undefined) {
        return { kind: 'ambiguous', path: item.entry.path, reason };
      }
    }
    return undefined;
  }

  /**
   * A file may be hidden by an upper layer while a hard link to it is not (an upgrade replaces one of two names):
   * its content was skipped and is fetched by reading this layer once more.
   */
  async addHiddenTargets(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.size === 0) {
      return;
    }
    const byIndex = new Map([...this.#waiting].map(inode => [inode.index, inode]));
    let index = 0;
    for await (const { content } of this.#layer.open()) {
      throwIfCancelled(signal, 'convert');
      const inode = byIndex.get(index++);
      const [first, ...others] = inode?.wanted ?? [];
      if (inode && first !== undefined) {
        await this.#sink.add({ ...inode.entry, path: first }, content);
        for (const path of others) {
          await this.#sink.add(hardlink(inode.entry, path, first));
        }
        byIndex.delete(index - 1);
        if (byIndex.size === 0) {
          break;
        }
      }
    }
  }

  /** Returns why this layer cannot be read from the top, if so. */
  async #take({ entry, content }: ILayerEntry, index: number): Promise<string | undefined> {
    const { path } = entry;
    const whiteout = parseWhiteout(path);
    const reason = this.#imply(entry, whiteout === undefined);
    if (reason !== undefined) {
      return reason;
    }
    if (whiteout) {
      return this.#takeWhiteout(whiteout);
    }
    return entry.type === 'directory' ? this.#takeDirectory(entry) : this.#takeLeaf(entry, index, content);
  }

  #takeWhiteout(whiteout: Whiteout): string | undefined {
    const hidden = whiteout.kind === 'opaque' ? whiteout.directory : whiteout.path;
    for (const path of this.#made) {
      // What is in use by then is kept as the lower layers have it.
      if (path !== hidden && path.startsWith(hidden === '' ? '' : `${hidden}/`)) {
        return 'a whiteout follows what the layer has below it';
      }
    }
    if (whiteout.kind === 'opaque') {
      this.#opaque.add(whiteout.directory);
      this.change.blocked.push(whiteout.directory);
      return undefined;
    }
    const { path } = whiteout;
    const own = this.#own.get(path);
    if (own === 'implied' || own === 'made') {
      return 'a whiteout follows what the layer has below it';
    }
    this.#cut.add(path);
    this.change.taken.push(path);
    this.change.blocked.push(path);
    return undefined;
  }

  /** Notes the directories that an entry needs; an ordinary one makes them, a whiteout does not. */
  #imply(entry: ITreeEntry, makes: boolean): string | undefined {
    for (let at = entry.path; at !== '';) {
      at = parentOf(at);
      const own = this.#own.get(at);
      if (typeof own === 'object') {
        return 'it lies below something that is no directory in the same layer';
      }
      if (own === 'directory' || own === 'made' || (own === 'implied' && !makes)) {
        return undefined;
      }
      this.#own.set(at, makes ? 'made' : 'implied');
      if (makes) {
        this.#made.add(at);
      }
      if (makes && !this.#cover.hides(at)) {
        this.change.made.push(impliedDirectory(at, entry));
      }
      if (own === undefined && !this.#isCut(at)) {
        this.change.implied.push(at);
      }
    }
    return undefined;
  }

  /** True when this layer has already removed what lower layers have at `path`. */
  #isCut(path: string): boolean {
    if (this.#cut.has(path)) {
      return true;
    }
    for (let at = path; at !== '';) {
      at = parentOf(at);
      if (this.#cut.has(at) || this.#opaque.has(at)) {
        return true;
      }
    }
    return false;
  }

  async #takeDirectory(entry: ITreeEntry): Promise<string | undefined> {
    if (typeof this.#own.get(entry.path) === 'object') {
      return 'the layer holds it twice';
    }
    this.#own.set(entry.path, 'directory');
    this.#made.delete(entry.path);
    this.change.taken.push(entry.path);
    if (!this.#cover.hides(entry.path)) {
      this.change.added.push(entry.path);
      await this.#sink.add(entry);
    }
    return undefined;
  }

  async #takeLeaf(
    entry: ITreeEntry,
    index: number,
    content: AsyncIterable<Uint8Array> | undefined
  ): Promise<string | undefined> {
    const { path } = entry;
    if (path === '') {
      throw contradiction('a layer makes the root something else than a directory');
    }
    if (this.#own.has(path)) {
      return 'the layer holds it twice';
    }
    const hidden = this.#cover.hides(path);
    if (this.#cover.implies(path)) {
      return 'an upper layer reaches a directory through it';
    }
    const inode = entry.type === 'hardlink' ? this.#own.get(entry.linkTarget ?? '') : { index, entry };
    if (typeof inode !== 'object') {
      return 'it is a hard link to a file of a lower layer';
    }
    this.#own.set(path, inode);
    this.change.taken.push(path);
    this.change.blocked.push(path);
    if (hidden) {
      return undefined;
    }
    if (inode.entry.type !== 'file') {
      await this.#sink.add({ ...inode.entry, path });
    } else if (inode.index === index) {
      inode.added = path;
      await this.#sink.add(entry, content);
    } else if (inode.added !== undefined) {
      await this.#sink.add(hardlink(inode.entry, path, inode.added));
    } else {
      inode.wanted = [...(inode.wanted ?? []), path];
      this.#waiting.add(inode);
    }
    return undefined;
  }
}
