// SPDX-License-Identifier: BSD-3-Clause
/**
 * File content on its way into an image: cut into blocks, zeros left out, small files packed together in fragments,
 * equal files stored once (package metadata, licences and manuals are full of them: 27 % of an image with
 * /usr/share/doc).
 */
import { createHash, hash, type Hash } from 'node:crypto';
import type { BlockQueue } from './block-queue.ts';
import { bad, newFileData, type IFileData } from './nodes.ts';

interface IFragmentBlock {
  start: number;
  sizeField: number;
}

/** Files up to this size are compared with earlier ones; a second one of a size is held in memory for that. */
const MAX_COMPARED = 16 << 20;
/** Not for secrets, but an image may be hostile: 192 bits of a hash that nobody can find collisions of. */
const HASH = 'blake2b512';
const KEY_LENGTH = 32;

export class ContentWriter {
  readonly #queue: BlockQueue;
  readonly #blockSize: number;
  readonly #zeros: Buffer;
  readonly #fragments: IFragmentBlock[] = [];
  /** Files by the hash of their content. */
  readonly #known = new Map<string, IFileData>();
  /** Sizes of large files that were stored. */
  readonly #largeSizes = new Set<number>();
  #fragment: Buffer | undefined;
  #fragmentFill = 0;

  constructor(queue: BlockQueue, blockSize: number) {
    this.#queue = queue;
    this.#blockSize = blockSize;
    this.#zeros = Buffer.alloc(blockSize);
  }

  /** Stores one file; the result may be that of an earlier file, and is complete after the queue was drained. */
  async store(path: string, size: number, content: AsyncIterable<Uint8Array>): Promise<IFileData> {
    if (size === 0) {
      return newFileData(0);
    }
    if (size < this.#blockSize) {
      return this.#storeSmall(path, size, content);
    }
    if (size <= MAX_COMPARED && this.#largeSizes.has(size)) {
      return this.#storeCompared(path, size, content);
    }
    return this.#storeLarge(path, size, content);
  }

  /** Hands over the last fragment block; to be called once, before the queue is drained. */
  async flush(): Promise<void> {
    if (this.#fragment === undefined || this.#fragmentFill === 0) {
      return;
    }
    const block: IFragmentBlock = { start: 0, sizeField: 0 };
    this.#fragments.push(block);
    const buffer = this.#fragment;
    const fill = this.#fragmentFill;
    this.#fragment = undefined;
    this.#fragmentFill = 0;
    await this.#queue.submit(buffer, fill, (start, sizeField) => Object.assign(block, { start, sizeField }));
  }

  get fragmentCount(): number {
    return this.#fragments.length;
  }

  /** The fragment table, uncompressed. */
  fragmentRows(): Buffer {
    const rows = Buffer.alloc(16 * this.#fragments.length);
    this.#fragments.forEach(({ start, sizeField }, index) => {
      rows.writeBigUInt64LE(BigInt(start), 16 * index);
      rows.writeUInt32LE(sizeField, 16 * index + 8);
    });
    return rows;
  }

  async #storeSmall(path: string, size: number, content: AsyncIterable<Uint8Array>): Promise<IFileData> {
    if (this.#fragmentFill + size > this.#blockSize) {
      await this.flush();
    }
    this.#fragment ??= this.#queue.acquire();
    const start = this.#fragmentFill;
    let end = start;
    for await (const chunk of content) {
      if (end + chunk.length > start + size) {
        throw wrongSize(path, size);
      }
      this.#fragment.set(chunk, end);
      end += chunk.length;
    }
    if (end !== start + size) {
      throw wrongSize(path, size);
    }
    const key = hash(HASH, this.#fragment.subarray(start, end), 'base64').slice(0, KEY_LENGTH);
    const earlier = this.#known.get(key);
    if (earlier) {
      return earlier;
    }
    this.#fragmentFill = end;
    const data = { ...newFileData(size), fragment: this.#fragments.length, fragmentOffset: start };
    this.#known.set(key, data);
    return data;
  }

  async #storeLarge(path: string, size: number, content: AsyncIterable<Uint8Array>): Promise<IFileData> {
    const data = newFileData(size);
    const hasher = size <= MAX_COMPARED ? createHash(HASH) : undefined;
    for await (const { buffer, length } of this.#cut(path, size, content, hasher)) {
      await this.#storeBlock(data, buffer, length);
    }
    if (hasher) {
      this.#largeSizes.add(size);
      this.#known.set(hasher.digest('base64').slice(0, KEY_LENGTH), data);
    }
    return data;
  }

  /** A file of the size of an earlier one: read as a whole before any of it is stored. */
  async #storeCompared(path: string, size: number, content: AsyncIterable<Uint8Array>): Promise<IFileData> {
    const hasher = createHash(HASH);
    const blocks: { readonly buffer: Buffer; readonly length: number }[] = [];
    for await (const block of this.#cut(path, size, content, hasher)) {
      blocks.push(block);
    }
    const key = hasher.digest('base64').slice(0, KEY_LENGTH);
    const earlier = this.#known.get(key);
    if (earlier) {
      blocks.forEach(({ buffer }) => this.#queue.release(buffer));
      return earlier;
    }
    const data = newFileData(size);
    for (const { buffer, length } of blocks) {
      await this.#storeBlock(data, buffer, length);
    }
    this.#known.set(key, data);
    return data;
  }

  /** Content in acquired buffers of the block size; the last one may be shorter. */
  async *#cut(
    path: string,
    size: number,
    content: AsyncIterable<Uint8Array>,
    hasher: Hash | undefined
  ): AsyncGenerator<{ buffer: Buffer; length: number }, void, undefined> {
    let buffer = this.#queue.acquire();
    let fill = 0;
    let taken = 0;
    for await (const chunk of content) {
      taken += chunk.length;
      if (taken > size) {
        throw wrongSize(path, size);
      }
      hasher?.update(chunk);
      for (let at = 0; at < chunk.length;) {
        const part = chunk.subarray(at, at + this.#blockSize - fill);
        buffer.set(part, fill);
        fill += part.length;
        at += part.length;
        if (fill === this.#blockSize) {
          yield { buffer, length: fill };
          buffer = this.#queue.acquire();
          fill = 0;
        }
      }
    }
    if (taken !== size) {
      throw wrongSize(path, size);
    }
    if (fill > 0) {
      yield { buffer, length: fill };
    } else {
      this.#queue.release(buffer);
    }
  }

  async #storeBlock(data: IFileData, buffer: Buffer, length: number): Promise<void> {
    const index = data.blocks.push(0) - 1;
    if (buffer.compare(this.#zeros, 0, length, 0, length) === 0) {
      data.sparse += length;
      this.#queue.release(buffer);
      return;
    }
    const isFirst = data.start === 0;
    if (isFirst) {
      data.start = -1; // known when the block is placed
    }
    await this.#queue.submit(buffer, length, (start, sizeField) => {
      data.blocks[index] = sizeField;
      if (isFirst) {
        data.start = start;
      }
    });
  }
}

function wrongSize(path: string, size: number): Error {
  return bad(path, `has content of another size than the ${size} bytes announced`);
}
