// SPDX-License-Identifier: BSD-3-Clause
/**
 * The bytes of one squashfs image inside a file: bounded reads, and the error that every check of the reader throws.
 *
 * Opening and metadata are read synchronously: a start looks at a few dozen KiB of page cache, and one round through a
 * busy thread pool takes longer than all of that together. File content is read on the pool.
 */
import { close, closeSync, fstatSync, openSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { asContainerError, ContainerError } from '../../support/errors.ts';

export const READ_STEP = 'read squashfs';

export function corruptImage(message: string, cause?: unknown): ContainerError {
  return new ContainerError({
    code: 'corrupt',
    step: READ_STEP,
    message: `the squashfs image is damaged: ${message}`,
    fix: 'Pull or copy the image again',
    ...(cause !== undefined && { cause })
  });
}

const readAsync = promisify(read);
const closeAsync = promisify(close);

export class ImageSource {
  readonly path: string;
  readonly #descriptor: number;
  readonly #offset: number;
  /** Bytes of the image; nothing beyond is read. */
  limit: number;
  #pending = 0;
  #isClosed = false;
  #idle: (() => void) | undefined;

  /**
   * @param size of the partition; default up to the end of the file.
   * @throws ContainerError as a failing open() has it.
   */
  constructor(path: string, offset: number, size: number | undefined) {
    this.path = path;
    this.#offset = offset;
    let descriptor: number | undefined;
    try {
      descriptor = openSync(path, 'r');
      const stat = fstatSync(descriptor);
      const available = stat.isFile() || stat.size > 0 ? stat.size - offset : 0;
      this.limit = Math.max(0, Math.min(available, size ?? available));
    } catch (error) {
      if (descriptor !== undefined) {
        closeSync(descriptor);
      }
      throw asContainerError(error, READ_STEP, `cannot open ${path}`);
    }
    this.#descriptor = descriptor;
  }

  /** Exactly `length` bytes at `position` of the image. @throws ContainerError `corrupt` outside of the image. */
  readSync(position: number, length: number): Buffer {
    this.#check(position, length);
    const buffer = Buffer.allocUnsafeSlow(length);
    for (let filled = 0; filled < length;) {
      try {
        filled += demandBytes(
          readSync(this.#descriptor, buffer, filled, length - filled, this.#offset + position + filled)
        );
      } catch (error) {
        throw asContainerError(error, READ_STEP, `cannot read ${this.path}`);
      }
    }
    return buffer;
  }

  /** The same on the thread pool. */
  async read(position: number, length: number): Promise<Buffer> {
    this.#check(position, length);
    const buffer = Buffer.allocUnsafeSlow(length);
    this.#pending += 1;
    try {
      for (let filled = 0; filled < length;) {
        const place = this.#offset + position + filled;
        filled += demandBytes((await readAsync(this.#descriptor, buffer, filled, length - filled, place)).bytesRead);
      }
    } catch (error) {
      throw asContainerError(error, READ_STEP, `cannot read ${this.path}`);
    } finally {
      this.#pending -= 1;
      if (this.#pending === 0) {
        this.#idle?.();
      }
    }
    return buffer;
  }

  /** Closes the file when the reads under way are done: its number may belong to another file afterwards. */
  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    while (this.#pending > 0) {
      await new Promise<void>(resolve => (this.#idle = resolve));
    }
    await closeAsync(this.#descriptor);
  }

  #check(position: number, length: number): void {
    if (this.#isClosed) {
      throw new ContainerError({ code: 'internal', step: READ_STEP, message: `${this.path} is closed already` });
    }
    if (!Number.isSafeInteger(position) || position < 0 || length < 0 || position + length > this.limit) {
      throw corruptImage('a reference points outside of it');
    }
  }
}

function demandBytes(count: number): number {
  if (count === 0) {
    throw corruptImage('the file became shorter while it was read');
  }
  return count;
}

/** A u64 of the image as a number. @throws ContainerError `corrupt` above 2^53. */
export function safeNumber(value: bigint, what: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw corruptImage(`${what} is impossibly large`);
  }
  return Number(value);
}
