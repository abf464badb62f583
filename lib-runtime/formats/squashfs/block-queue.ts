// SPDX-License-Identifier: BSD-3-Clause
/**
 * Data blocks on their way to the file: compressed side by side on the thread pool, written in the order in which they
 * were submitted (the blocks of a file must lie one after another), with a bound on what is in flight.
 */
import type { FileHandle } from 'node:fs/promises';
import { asContainerError } from '../../support/errors.ts';
import type { ICompressor } from './compress.ts';
import { BLOCK_RAW } from './layout.ts';

/** Where a block came to lie: bytes from the start of the image, and its u32 size field. */
export type Placed = (start: number, sizeField: number) => void;

interface ISlot {
  readonly placed: Placed;
  stored: Buffer | undefined;
  sizeField: number;
  /** To be recycled when the block is on disk. */
  buffer: Buffer | undefined;
}

/** Compressed data is gathered up to this many bytes for one system call. */
const WRITE_SIZE = 1 << 20;
const IOV_MAX = 512;

export class BlockQueue {
  readonly #file: FileHandle;
  readonly #base: number;
  readonly #compressor: ICompressor;
  readonly #blockSize: number;
  readonly #limit: number;
  readonly #slots: ISlot[] = [];
  readonly #pool: Buffer[] = [];
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #recycle: Buffer[] = [];
  #writing: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #failure: unknown;
  /** Where the next block goes, bytes from the start of the image. */
  position: number;

  /** @param limit how many blocks may be in flight (two buffers of the block size each). */
  constructor(
    target: { readonly file: FileHandle; readonly offset: number },
    position: number,
    compressor: ICompressor,
    blockSize: number,
    limit: number
  ) {
    this.#file = target.file;
    this.#base = target.offset;
    this.position = position;
    this.#compressor = compressor;
    this.#blockSize = blockSize;
    this.#limit = limit;
  }

  /** An uninitialised buffer of the block size; give it to submit() or release(). */
  acquire(): Buffer {
    return this.#pool.pop() ?? Buffer.allocUnsafeSlow(this.#blockSize);
  }

  release(buffer: Buffer): void {
    if (this.#pool.length < this.#limit) {
      this.#pool.push(buffer);
    }
  }

  /** Hands over the first `length` bytes of an acquired buffer; waits while too many blocks are in flight. */
  async submit(buffer: Buffer, length: number, placed: Placed): Promise<void> {
    while (this.#slots.length >= this.#limit || this.#pendingBytes >= 4 * WRITE_SIZE) {
      this.#throwFailure();
      await new Promise<void>(resolve => (this.#wake = resolve));
    }
    this.#throwFailure();
    const slot: ISlot = { placed, stored: undefined, sizeField: 0, buffer };
    this.#slots.push(slot);
    const data = buffer.subarray(0, length);
    this.#compressor.compress(data).then(
      packed => {
        if (packed.length < length) {
          slot.stored = packed;
          slot.sizeField = packed.length;
          this.release(buffer);
          slot.buffer = undefined;
        } else {
          slot.stored = data;
          slot.sizeField = length | BLOCK_RAW;
        }
        this.#advance();
      },
      (error: unknown) => this.#fail(error)
    );
  }

  /** Resolves when everything submitted is in the file. */
  async drain(): Promise<void> {
    while (this.#slots.length > 0 && this.#failure === undefined) {
      await new Promise<void>(resolve => (this.#wake = resolve));
    }
    this.#throwFailure();
    while (this.#writing !== undefined || this.#pending.length > 0) {
      this.#startWrite();
      await this.#writing;
      this.#throwFailure();
    }
  }

  /** Appends bytes as they are; only between drain() and the next submit(). */
  async append(data: Buffer): Promise<void> {
    this.#pending.push(data);
    this.#pendingBytes += data.length;
    this.position += data.length;
    await this.drain();
  }

  /** Resolves when nothing of this queue uses the file any more, whatever happened. */
  async settle(): Promise<void> {
    this.#fail(new Error('the image was given up'));
    await this.#writing;
  }

  /** Places the finished blocks at the head of the queue. */
  #advance(): void {
    let slot = this.#slots[0];
    while (slot?.stored !== undefined && this.#failure === undefined) {
      this.#slots.shift();
      slot.placed(this.position, slot.sizeField);
      this.position += slot.stored.length;
      this.#pending.push(slot.stored);
      this.#pendingBytes += slot.stored.length;
      if (slot.buffer) {
        this.#recycle.push(slot.buffer);
      }
      slot = this.#slots[0];
    }
    if (this.#pendingBytes >= WRITE_SIZE) {
      this.#startWrite();
    }
    this.#signal();
  }

  #startWrite(): void {
    if (this.#writing !== undefined || this.#pending.length === 0 || this.#failure !== undefined) {
      return;
    }
    const buffers = this.#pending;
    const bytes = this.#pendingBytes;
    const recycle = this.#recycle;
    const start = this.#base + this.position - bytes;
    this.#pending = [];
    this.#recycle = [];
    // pendingBytes still counts what is being written: submit() waits for the disk by it.
    this.#writing = this.#writeAll(buffers, start)
      .then(
        () => recycle.forEach(buffer => this.release(buffer)),
        (error: unknown) => this.#fail(error)
      )
      .then(() => {
        this.#writing = undefined;
        this.#pendingBytes -= bytes;
        if (this.#pendingBytes >= WRITE_SIZE) {
          this.#startWrite();
        }
        this.#signal();
      });
  }

  async #writeAll(buffers: Buffer[], start: number): Promise<void> {
    let position = start;
    for (let at = 0; at < buffers.length; at += IOV_MAX) {
      let rest = buffers.slice(at, at + IOV_MAX);
      while (rest.length > 0) {
        const { bytesWritten } = await this.#file.writev(rest, position);
        position += bytesWritten;
        rest = remaining(rest, bytesWritten);
      }
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#signal();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) {
      throw asContainerError(this.#failure, 'convert', 'cannot write the squashfs image');
    }
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** What is left of a list of buffers after its first `written` bytes. */
function remaining(buffers: Buffer[], written: number): Buffer[] {
  let left = written;
  let index = 0;
  for (let buffer = buffers[0]; buffer !== undefined && left >= buffer.length; buffer = buffers[index]) {
    left -= buffer.length;
    index += 1;
  }
  const [first, ...others] = buffers.slice(index);
  return first === undefined ? [] : [first.subarray(left), ...others];
}
