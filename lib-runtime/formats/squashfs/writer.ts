// SPDX-License-Identifier: BSD-3-Clause
/**
 * Streams a tree into a squashfs 4.0 image. Data blocks are compressed and written as they arrive; only metadata waits
 * in memory for the end. Readable by the kernel, squashfuse and unsquashfs.
 */
import type { FileHandle } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { asContainerError, ContainerError } from '../../support/errors.ts';
import type { ITreeEntry, ITreeSink } from '../tree.ts';
import { BlockQueue } from './block-queue.ts';
import { createCompressor, type ICompressor } from './compress.ts';
import { ContentWriter } from './content-writer.ts';
import { writeInodes } from './inode-writer.ts';
import {
  compressionId,
  DEFAULT_BLOCK_SIZE,
  encodeSuperblock,
  Flag,
  MAX_BLOCK_SIZE,
  MIN_BLOCK_SIZE,
  NONE64,
  SUPERBLOCK_SIZE
} from './layout.ts';
import { indexedTable } from './metadata-writer.ts';
import { bad, nodeOf, NodeTree, ownership } from './nodes.ts';
import { XattrTable } from './xattr-writer.ts';

export interface ISquashfsTarget {
  readonly file: FileHandle;
  /** Where the image begins in the file, bytes. */
  readonly offset: number;
}

export interface ISquashfsWriterOptions {
  readonly compression: 'zstd' | 'gzip';
  /** Compression level; the default (compress.ts) is chosen for speed. */
  readonly level?: number;
  /** Bytes, a power of two from 4 KiB to 1 MiB; default 131072. */
  readonly blockSize?: number;
  /** Time of the file system and of directories that were never added, seconds since the epoch; default now. */
  readonly mtime?: number;
}

export interface ISquashfsResult {
  /** Bytes of the file system as its superblock says. */
  readonly bytesUsed: number;
  /** The same padded to 4 KiB: what was written. */
  readonly paddedSize: number;
  /** Directory entries incl. the root. */
  readonly entries: number;
  /** Extended attributes that squashfs has no place for and that were left out (ACLs in `system.`). */
  readonly droppedXattrs: number;
}

const PADDING = 4096;
const STEP = 'convert';

export class SquashfsWriter implements ITreeSink {
  readonly #target: ISquashfsTarget;
  readonly #compression: 'zstd' | 'gzip';
  readonly #compressor: ICompressor;
  readonly #blockSize: number;
  readonly #mtime: number;
  readonly #queue: BlockQueue;
  readonly #tree: NodeTree;
  readonly #xattrs = new XattrTable();
  readonly #content: ContentWriter;
  #state: 'open' | 'busy' | 'failed' | 'finished' = 'open';

  constructor(target: ISquashfsTarget, options: ISquashfsWriterOptions) {
    const blockSize = options.blockSize ?? DEFAULT_BLOCK_SIZE;
    if (!Number.isInteger(Math.log2(blockSize)) || blockSize < MIN_BLOCK_SIZE || blockSize > MAX_BLOCK_SIZE) {
      throw new ContainerError({
        code: 'usage',
        step: STEP,
        message: `${blockSize} is no block size of squashfs: powers of two from 4096 to 1048576 are`
      });
    }
    this.#target = target;
    this.#compression = options.compression;
    this.#compressor = createCompressor(options.compression, options.level);
    this.#blockSize = blockSize;
    this.#mtime = Math.min(Math.max(options.mtime ?? Math.floor(Date.now() / 1000), 0), 0xffffffff);
    const inFlight = Math.min(64, 4 * availableParallelism() + 8);
    this.#queue = new BlockQueue(target, SUPERBLOCK_SIZE, this.#compressor, blockSize, inFlight);
    this.#content = new ContentWriter(this.#queue, blockSize);
    this.#tree = new NodeTree(this.#mtime);
  }

  /**
   * Adds one entry; resolves when its content is taken (not yet on disk).
   * @throws ContainerError `corrupt` (duplicate or impossible path, content of another size), `no-space` and other
   *   write errors; after an error the image can only be given up with abort().
   */
  async add(entry: ITreeEntry, content?: AsyncIterable<Uint8Array>): Promise<void> {
    this.#enter();
    try {
      await this.#add(entry, content);
      this.#state = 'open';
    } catch (error) {
      this.#state = 'failed';
      throw error;
    }
  }

  /** Writes the tables and the superblock; the file may be cut at `offset + paddedSize`. */
  async finish(): Promise<ISquashfsResult> {
    this.#enter();
    this.#state = 'failed';
    try {
      const result = await this.#finish();
      this.#compressor.close();
      this.#state = 'finished';
      return result;
    } catch (error) {
      throw asContainerError(error, STEP, 'cannot write the squashfs image');
    }
  }

  /** Stops using the file, after an error or instead of finish(). */
  async abort(): Promise<void> {
    if (this.#state !== 'finished') {
      this.#state = 'failed';
      await this.#queue.settle();
      this.#compressor.close();
    }
  }

  #enter(): void {
    if (this.#state !== 'open') {
      throw new ContainerError({
        code: 'internal',
        step: STEP,
        message: `the squashfs writer is ${this.#state}, it takes nothing now`
      });
    }
    this.#state = 'busy';
  }

  async #add(entry: ITreeEntry, content: AsyncIterable<Uint8Array> | undefined): Promise<void> {
    const { path, type } = entry;
    if (type === 'directory') {
      Object.assign(this.#tree.directory(path), ownership(entry), { xattr: this.#xattrs.add(entry.xattrs) });
      return;
    }
    if (type === 'hardlink') {
      const linked = this.#tree.find(entry.linkTarget ?? '');
      if (linked === undefined || linked.children) {
        throw bad(path, `is a hard link to a file that is not in the image (${entry.linkTarget ?? ''})`);
      }
      this.#tree.insert(path, linked);
      return;
    }
    const node = nodeOf(entry, type, this.#xattrs.add(entry.xattrs));
    this.#tree.insert(path, node);
    if (type === 'file') {
      node.data = await this.#content.store(path, entry.size, content ?? nothing());
    }
  }

  async #finish(): Promise<ISquashfsResult> {
    await this.#content.flush();
    await this.#queue.drain();
    const compressor = this.#compressor;
    const tables = writeInodes(this.#tree.root, this.#tree.inodes, compressor);
    // This order, without gaps, is what the kernel's sanity checks expect.
    const inodeTable = this.#queue.position;
    const directoryTable = inodeTable + tables.inodes.length;
    const fragmentStart = directoryTable + tables.directories.length;
    const fragments = indexedTable(this.#content.fragmentRows(), fragmentStart, compressor);
    const exportStart = fragmentStart + fragments.bytes.length;
    const exported = indexedTable(u64Rows(tables.references), exportStart, compressor);
    const idStart = exportStart + exported.bytes.length;
    const ids = indexedTable(Buffer.from(Uint32Array.from(tables.ids).buffer), idStart, compressor);
    const xattrStart = idStart + ids.bytes.length;
    const xattrs = this.#xattrs.isEmpty ? undefined : this.#xattrs.finish(xattrStart, compressor);
    const bytesUsed = xattrStart + (xattrs?.bytes.length ?? 0);
    const paddedSize = Math.ceil(bytesUsed / PADDING) * PADDING;
    await this.#queue.append(
      Buffer.concat([
        tables.inodes,
        tables.directories,
        fragments.bytes,
        exported.bytes,
        ids.bytes,
        xattrs?.bytes ?? Buffer.alloc(0),
        Buffer.alloc(paddedSize - bytesUsed)
      ])
    );
    const superblock = encodeSuperblock({
      inodes: this.#tree.inodes,
      mtime: this.#mtime,
      blockSize: this.#blockSize,
      fragments: this.#content.fragmentCount,
      compression: compressionId(this.#compression),
      flags: Flag.exportable | Flag.duplicates | (xattrs ? 0 : Flag.noXattrs),
      ids: tables.ids.length,
      major: 4,
      minor: 0,
      rootInode: tables.root,
      bytesUsed: BigInt(bytesUsed),
      idTable: BigInt(ids.place),
      xattrTable: xattrs ? BigInt(xattrs.place) : NONE64,
      inodeTable: BigInt(inodeTable),
      directoryTable: BigInt(directoryTable),
      fragmentTable: BigInt(fragments.place),
      exportTable: BigInt(exported.place)
    });
    await this.#target.file.write(superblock, 0, SUPERBLOCK_SIZE, this.#target.offset);
    return { bytesUsed, paddedSize, entries: this.#tree.entries, droppedXattrs: this.#xattrs.dropped };
  }
}

function u64Rows(values: readonly bigint[]): Buffer {
  const rows = Buffer.alloc(8 * values.length);
  values.forEach((value, index) => rows.writeBigUInt64LE(value, 8 * index));
  return rows;
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // a file whose content was forgotten: its size will not fit
}
