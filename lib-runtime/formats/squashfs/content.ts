// SPDX-License-Identifier: BSD-3-Clause
/** File content: data blocks and fragments, decompressed on the thread pool a few blocks ahead of the consumer. */
import type { IDecompressor } from './compress.ts';
import type { IFileInode } from './inode-reader.ts';
import { BLOCK_RAW, NONE32 } from './layout.ts';
import { corruptImage, type ImageSource } from './source.ts';
import type { LookupTables } from './tables-reader.ts';

export interface IDataBlock {
  readonly data: Buffer;
  /** True for a block that is not stored because it is all zeros. */
  readonly hole: boolean;
}

/** Blocks of one file that are fetched before they are asked for. */
const AHEAD = 4;
/** List of block sizes: so many entries are read at once. */
const SIZES_AT_ONCE = 512;
const CACHED_FRAGMENTS = 16;

export class ContentReader {
  readonly #source: ImageSource;
  readonly #decompressor: IDecompressor;
  readonly #tables: LookupTables;
  readonly #blockSize: number;
  readonly #zeros: Buffer;
  readonly #fragments = new Map<number, Promise<Buffer>>();

  constructor(source: ImageSource, decompressor: IDecompressor, tables: LookupTables, blockSize: number) {
    this.#source = source;
    this.#decompressor = decompressor;
    this.#tables = tables;
    this.#blockSize = blockSize;
    this.#zeros = Buffer.alloc(blockSize);
  }

  /** The blocks of a file in order; their lengths add up to its size. */
  async *blocks(file: IFileInode): AsyncGenerator<IDataBlock, void, undefined> {
    const waiting: Promise<IDataBlock>[] = [];
    for (const start of this.#starts(file)) {
      const block = start();
      // A consumer that stops early leaves these alone; their failure is then nobody's business.
      block.catch(() => undefined);
      waiting.push(block);
      const next = waiting.length > AHEAD ? waiting.shift() : undefined;
      if (next) {
        yield await next;
      }
    }
    for (const block of waiting) {
      yield await block;
    }
  }

  /** The last part of a file, in a fragment shared with other files. */
  async #tail(file: IFileInode): Promise<Buffer> {
    const length = file.size % this.#blockSize;
    const fragment = await this.#fragment(file.fragment);
    if (file.fragmentOffset + length > fragment.length) {
      throw corruptImage('a file reaches behind the end of its fragment');
    }
    return fragment.subarray(file.fragmentOffset, file.fragmentOffset + length);
  }

  *#starts(file: IFileInode): Generator<() => Promise<IDataBlock>, void, undefined> {
    const hasTail = file.fragment !== NONE32 && file.size % this.#blockSize > 0;
    const full = Math.floor(file.size / this.#blockSize);
    const count = hasTail ? full : Math.ceil(file.size / this.#blockSize);
    const sizes = file.blocks.clone();
    let position = file.start;
    for (let index = 0; index < count;) {
      const batch = Math.min(SIZES_AT_ONCE, count - index);
      const fields = sizes.read(4 * batch);
      for (let row = 0; row < batch; row++, index++) {
        const field = fields.readUInt32LE(4 * row);
        const length = Math.min(this.#blockSize, file.size - index * this.#blockSize);
        const place = position;
        position += field & (BLOCK_RAW - 1);
        yield () => this.#block(place, field, length);
      }
    }
    if (hasTail) {
      yield async () => ({ data: await this.#tail(file), hole: false });
    }
  }

  async #block(place: number, field: number, length: number): Promise<IDataBlock> {
    if (field === 0) {
      return { data: this.#zeros.subarray(0, length), hole: true };
    }
    const data = await this.#load(place, field, length);
    if (data.length !== length) {
      throw corruptImage('a data block has another size than its file says');
    }
    return { data, hole: false };
  }

  /** Reads and unpacks what a u32 size field describes; at most `limit` bytes. */
  async #load(place: number, field: number, limit: number): Promise<Buffer> {
    const stored = field & (BLOCK_RAW - 1);
    if (stored === 0 || stored > this.#blockSize || field >= 2 * BLOCK_RAW) {
      throw corruptImage('a data block has an impossible size');
    }
    const bytes = await this.#source.read(place, stored);
    if ((field & BLOCK_RAW) !== 0) {
      return bytes;
    }
    try {
      return await this.#decompressor.decompress(bytes, limit);
    } catch (error) {
      throw corruptImage('a data block cannot be decompressed', error);
    }
  }

  #fragment(index: number): Promise<Buffer> {
    const known = this.#fragments.get(index);
    if (known) {
      return known;
    }
    const { start, sizeField } = this.#tables.fragment(index);
    const loading = this.#load(start, sizeField, this.#blockSize);
    loading.catch(() => this.#fragments.delete(index));
    if (this.#fragments.size >= CACHED_FRAGMENTS) {
      const [oldest] = this.#fragments.keys();
      this.#fragments.delete(oldest ?? 0);
    }
    this.#fragments.set(index, loading);
    return loading;
  }
}
