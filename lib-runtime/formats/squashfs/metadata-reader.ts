// SPDX-License-Identifier: BSD-3-Clause
/** Metadata blocks on demand: read ahead, decompressed once, kept in a small cache. */
import type { IDecompressor } from './compress.ts';
import { METADATA_RAW, METADATA_SIZE } from './layout.ts';
import { corruptImage, type ImageSource } from './source.ts';

interface IBlock {
  readonly data: Buffer;
  /** Where the following block begins. */
  readonly next: number;
}

/** One read fetches the neighbours too: a walk visits them next. */
const READ_AHEAD = 64 << 10;
/** 2 MiB of metadata. */
const CACHED_BLOCKS = 256;

export class MetadataReader {
  readonly #source: ImageSource;
  readonly #decompressor: IDecompressor;
  readonly #cache = new Map<number, IBlock>();
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;

  constructor(source: ImageSource, decompressor: IDecompressor) {
    this.#source = source;
    this.#decompressor = decompressor;
  }

  /** The block at a place of the image; it must end at or before `end`. */
  block(position: number, end: number): IBlock {
    const known = this.#cache.get(position);
    if (known) {
      return known;
    }
    const head = this.#bytes(position, 2, end).readUInt16LE(0);
    const size = head & ~METADATA_RAW;
    if (size === 0 || size > METADATA_SIZE) {
      throw corruptImage('a metadata block has an impossible size');
    }
    const stored = this.#bytes(position + 2, size, end);
    const isRaw = (head & METADATA_RAW) !== 0;
    const block = { data: isRaw ? Buffer.from(stored) : this.#unpack(stored), next: position + 2 + size };
    if (this.#cache.size >= CACHED_BLOCKS) {
      const [oldest] = this.#cache.keys();
      this.#cache.delete(oldest ?? 0);
    }
    this.#cache.set(position, block);
    return block;
  }

  #unpack(stored: Buffer): Buffer {
    try {
      return this.#decompressor.decompressSync(stored, METADATA_SIZE);
    } catch (error) {
      throw corruptImage('a metadata block cannot be decompressed', error);
    }
  }

  #bytes(position: number, length: number, end: number): Buffer {
    if (position + length > end) {
      throw corruptImage('a table ends too early');
    }
    const at = position - this.#windowStart;
    if (at < 0 || at + length > this.#window.length) {
      const wanted = Math.max(length, Math.min(READ_AHEAD, this.#source.limit - position));
      this.#window = this.#source.readSync(position, wanted);
      this.#windowStart = position;
      return this.#window.subarray(0, length);
    }
    return this.#window.subarray(at, at + length);
  }
}

/** Reads on through the blocks of one table. */
export class MetadataCursor {
  readonly #reader: MetadataReader;
  readonly #end: number;
  #position: number;
  #offset: number;

  /** @param end where the table ends in the image. */
  constructor(reader: MetadataReader, position: number, offset: number, end: number) {
    this.#reader = reader;
    this.#position = position;
    this.#offset = offset;
    this.#end = end;
  }

  /** A second cursor at the same place. */
  clone(): MetadataCursor {
    return new MetadataCursor(this.#reader, this.#position, this.#offset, this.#end);
  }

  /** Exactly `length` bytes; the buffer may be part of the cache and is not to be changed. */
  read(length: number): Buffer {
    let block = this.#reader.block(this.#position, this.#end);
    if (this.#offset + length <= block.data.length) {
      const bytes = block.data.subarray(this.#offset, this.#offset + length);
      this.#offset += length;
      return bytes;
    }
    const parts: Buffer[] = [];
    for (let left = length; left > 0;) {
      if (this.#offset > block.data.length) {
        throw corruptImage('a reference points behind the end of a metadata block');
      }
      const part = block.data.subarray(this.#offset, this.#offset + left);
      parts.push(part);
      left -= part.length;
      this.#offset += part.length;
      if (left > 0) {
        this.#position = block.next;
        this.#offset = 0;
        block = this.#reader.block(this.#position, this.#end);
        if (block.data.length === 0) {
          throw corruptImage('a metadata block is empty');
        }
      }
    }
    return Buffer.concat(parts);
  }
}
