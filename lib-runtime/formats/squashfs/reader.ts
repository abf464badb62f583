// SPDX-License-Identifier: BSD-3-Clause
/**
 * Reads squashfs 4.0 images (gzip and zstd) without mounting them. Images come from anywhere, so nothing in them is
 * believed: each offset, length and count is checked, names cannot leave their directory, and a directory that is
 * reached twice is an error, so that every walk ends.
 */
import { setImmediate } from 'node:timers/promises';
import { ContainerError, printable } from '../../support/errors.ts';
import type { ITreeEntry } from '../tree.ts';
import { createDecompressor } from './compress.ts';
import { ContentReader, type IDataBlock } from './content.ts';
import { readInode, readListing, type IDirectoryItem, type IInode } from './inode-reader.ts';
import {
  compressionName,
  decodeSuperblock,
  MAX_BLOCK_SIZE,
  MAX_PATH,
  MIN_BLOCK_SIZE,
  NONE64,
  SUPERBLOCK_SIZE,
  type CompressionName,
  type ISuperblock
} from './layout.ts';
import { MetadataCursor, MetadataReader } from './metadata-reader.ts';
import { corruptImage, ImageSource, READ_STEP, safeNumber } from './source.ts';
import { LookupTables } from './tables-reader.ts';

export interface ISquashfsSuperblock {
  readonly compression: CompressionName;
  /** Bytes. */
  readonly blockSize: number;
  readonly bytesUsed: number;
  readonly inodes: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
}

export interface ISquashfsItem {
  readonly entry: ITreeEntry;
  /** For `file` entries: the content, in blocks. */
  readonly content?: () => AsyncIterable<Uint8Array>;
  /** For `file` entries: the same with holes marked. */
  readonly blocks?: () => AsyncIterable<IDataBlock>;
}

interface INode {
  readonly reference: number;
  readonly inode: IInode;
}

/** Listings kept for lookups; a start looks at a handful of directories. */
const CACHED_LISTINGS = 64;
/** A walk of more entries than this is refused: the largest known images have two million. */
const MAX_ENTRIES = 16_000_000;
/** Entries of a walk between two turns of the event loop. */
const TURN = 512;

export class SquashfsReader {
  readonly superblock: ISquashfsSuperblock;
  readonly #source: ImageSource;
  readonly #metadata: MetadataReader;
  readonly #tables: LookupTables;
  readonly #content: ContentReader;
  readonly #inodeTable: number;
  readonly #directoryTable: number;
  readonly #root: number;
  readonly #listings = new Map<number, IDirectoryItem[]>();

  private constructor(source: ImageSource, raw: ISuperblock, compression: 'zstd' | 'gzip') {
    this.#source = source;
    const decompressor = createDecompressor(compression);
    this.#metadata = new MetadataReader(source, decompressor);
    this.#inodeTable = Number(raw.inodeTable);
    this.#directoryTable = Number(raw.directoryTable);
    this.#root = safeNumber(raw.rootInode, 'the root');
    this.#tables = new LookupTables(source, this.#metadata, {
      ids: raw.ids,
      idTable: Number(raw.idTable),
      fragments: raw.fragments,
      fragmentTable: raw.fragments === 0 ? 0 : safeNumber(raw.fragmentTable, 'a table'),
      xattrTable: raw.xattrTable === NONE64 ? undefined : safeNumber(raw.xattrTable, 'a table')
    });
    this.#content = new ContentReader(source, decompressor, this.#tables, raw.blockSize);
    const { blockSize, inodes, mtime } = raw;
    this.superblock = { compression, blockSize, inodes, mtime, bytesUsed: Number(raw.bytesUsed) };
  }

  /**
   * Opens an image; `offset` and `size` (bytes) select a partition of a SIF.
   * @throws ContainerError `not-an-image`, `truncated`, `unsupported` (version, compression), `corrupt`, `not-found`.
   */
  static async open(path: string, offset = 0, size?: number): Promise<SquashfsReader> {
    const source = new ImageSource(path, offset, size);
    try {
      const { superblock, compression } = readSuperblock(source);
      return await Promise.resolve(new SquashfsReader(source, superblock, compression));
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  /** Metadata of a path (`''` = root), symlinks not followed; undefined when there is none. */
  async lstat(path: string): Promise<ITreeEntry | undefined> {
    const node = this.#find(path);
    return Promise.resolve(node && this.#entry(clean(path), node.inode));
  }

  /** Entries of a directory sorted by the bytes of their names; undefined when there is no such directory. */
  async list(directory: string): Promise<ITreeEntry[] | undefined> {
    const node = this.#find(directory);
    if (node?.inode.listing === undefined) {
      return undefined;
    }
    const parent = clean(directory);
    const items = this.#listing(node);
    return Promise.resolve(items.map(item => this.#entry(join(parent, item.name), this.#inode(item))));
  }

  /** Content of a regular file, symlinks not followed; undefined when there is none. Refuses files over `maxBytes`. */
  async readFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
    const file = this.#find(path)?.inode.file;
    if (file === undefined) {
      return undefined;
    }
    if (file.size > maxBytes) {
      throw corruptImage(`${printable(path)} has ${file.size} bytes where at most ${maxBytes} are expected`);
    }
    const parts: Buffer[] = [];
    for await (const { data } of this.#content.blocks(file)) {
      parts.push(data);
    }
    return Buffer.concat(parts);
  }

  /** Every entry, depth first, parents before children; the second sight of an inode is a `hardlink`. */
  async *entries(): AsyncGenerator<ISquashfsItem, void, undefined> {
    const linked = new Map<number, string>();
    const visited = new Set<number>();
    let count = 0;
    const root: INode = { reference: this.#root, inode: this.#rootInode() };
    const stack: { path: string; node: INode }[] = [{ path: '', node: root }];
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      const { path, node } = top;
      if (++count > MAX_ENTRIES) {
        throw corruptImage('it has more entries than any real image');
      }
      if (count % TURN === 0) {
        await setImmediate(); // a walk reads synchronously; others get their turn
      }
      yield this.#item(path, node, linked);
      if (node.inode.listing) {
        if (visited.has(node.reference)) {
          throw corruptImage('a directory contains itself');
        }
        visited.add(node.reference);
        const items = this.#readListing(node);
        for (const item of items.reverse()) {
          const child = { reference: item.reference, inode: this.#inode(item) };
          stack.push({ path: join(path, item.name), node: child });
        }
      }
    }
  }

  async close(): Promise<void> {
    await this.#source.close();
  }

  #item(path: string, { reference, inode }: INode, linked: Map<number, string>): ISquashfsItem {
    const entry = this.#entry(path, inode);
    if (inode.links > 1 && inode.type !== 'directory') {
      const first = linked.get(reference);
      if (first !== undefined) {
        return { entry: { ...entry, type: 'hardlink', size: 0, linkTarget: first } };
      }
      linked.set(reference, path);
    }
    const { file } = inode;
    if (file === undefined) {
      return { entry };
    }
    const blocks = (): AsyncIterable<IDataBlock> => this.#content.blocks(file);
    return { entry, blocks, content: () => dataOf(blocks()) };
  }

  #entry(path: string, inode: IInode): ITreeEntry {
    const xattrs = this.#tables.xattrs(inode.xattr);
    return {
      path,
      type: inode.type,
      mode: inode.mode,
      uid: this.#tables.id(inode.uidIndex),
      gid: this.#tables.id(inode.gidIndex),
      mtime: inode.mtime,
      size: inode.file?.size ?? 0,
      ...(inode.target !== undefined && { linkTarget: inode.target }),
      ...inode.device,
      ...(xattrs && { xattrs })
    };
  }

  #find(path: string): INode | undefined {
    let node: INode = { reference: this.#root, inode: this.#rootInode() };
    for (const part of clean(path).split('/')) {
      if (part === '') {
        continue;
      }
      const items = node.inode.listing ? this.#listing(node) : [];
      const item = items.find(({ name }) => name === part);
      if (item === undefined) {
        return undefined;
      }
      node = { reference: item.reference, inode: this.#inode(item) };
    }
    return node;
  }

  #rootInode(): IInode {
    const inode = readInode(this.#cursor(this.#root));
    if (inode.listing === undefined) {
      throw corruptImage('its root is no directory');
    }
    return inode;
  }

  #inode(item: IDirectoryItem): IInode {
    const inode = readInode(this.#cursor(item.reference));
    if (inode.type !== item.type) {
      throw corruptImage('a directory entry and its inode disagree');
    }
    return inode;
  }

  #cursor(reference: number): MetadataCursor {
    const position = this.#inodeTable + Math.floor(reference / 65536);
    return new MetadataCursor(this.#metadata, position, reference % 65536, this.#directoryTable);
  }

  #listing(node: INode): IDirectoryItem[] {
    const known = this.#listings.get(node.reference);
    if (known) {
      return known;
    }
    const items = this.#readListing(node);
    if (this.#listings.size >= CACHED_LISTINGS) {
      this.#listings.clear();
    }
    this.#listings.set(node.reference, items);
    return items;
  }

  #readListing({ inode }: INode): IDirectoryItem[] {
    const { block, offset, size } = inode.listing ?? { block: 0, offset: 0, size: 0 };
    const cursor = new MetadataCursor(this.#metadata, this.#directoryTable + block, offset, this.#source.limit);
    return readListing(cursor, size);
  }
}

function readSuperblock(source: ImageSource): { superblock: ISuperblock; compression: 'zstd' | 'gzip' } {
  if (source.limit < SUPERBLOCK_SIZE) {
    throw failure('not-an-image', `${source.path} is too short for a squashfs image`);
  }
  const superblock = decodeSuperblock(source.readSync(0, SUPERBLOCK_SIZE));
  if (superblock === undefined) {
    throw failure('not-an-image', `${source.path} holds no squashfs file system`);
  }
  const { major, minor, blockSize, blockLog } = superblock;
  if (major !== 4 || minor !== 0) {
    throw failure(
      'unsupported',
      `${source.path} is squashfs ${major}.${minor}; only 4.0 is read`,
      'Pull or copy the image again: it is damaged, or was made before 2009'
    );
  }
  const compression = compressionName(superblock.compression);
  if (compression !== 'gzip' && compression !== 'zstd') {
    throw failure(
      'unsupported',
      `${source.path} is compressed with ${compression ?? `method ${superblock.compression}`}, which is not read here`,
      'Convert it with unsquashfs and mksquashfs -comp zstd, or use it where the kernel or squashfuse can mount it'
    );
  }
  if (blockSize < MIN_BLOCK_SIZE || blockSize > MAX_BLOCK_SIZE || blockSize !== 2 ** blockLog) {
    throw corruptImage('its block size is impossible');
  }
  const bytesUsed = safeNumber(superblock.bytesUsed, 'its size');
  if (bytesUsed > source.limit) {
    const missing = bytesUsed - source.limit;
    throw failure('truncated', `${source.path} is incomplete: ${missing} bytes are missing`, 'Pull or copy it again');
  }
  source.limit = bytesUsed;
  const { inodeTable, directoryTable, idTable, fragmentTable, fragments, ids } = superblock;
  const places = [inodeTable, directoryTable, idTable, ...(fragments > 0 ? [fragmentTable] : [])];
  const isOutside = places.some(place => place < SUPERBLOCK_SIZE || place > bytesUsed);
  if (isOutside || inodeTable >= directoryTable || ids === 0) {
    throw corruptImage('its tables cannot be where its superblock says');
  }
  return { superblock, compression };
}

function failure(code: 'not-an-image' | 'unsupported' | 'truncated', message: string, fix?: string): ContainerError {
  return new ContainerError({ code, step: READ_STEP, message, ...(fix !== undefined && { fix }) });
}

/** `/a//b/` -> `a/b`. */
function clean(path: string): string {
  return path.split('/').filter(Boolean).join('/');
}

function join(parent: string, name: string): string {
  const path = parent === '' ? name : `${parent}/${name}`;
  if (path.length > MAX_PATH) {
    throw corruptImage('its directories are nested too deeply');
  }
  return path;
}

async function* dataOf(blocks: AsyncIterable<IDataBlock>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { data } of blocks) {
    yield data;
  }
}
