// SPDX-License-Identifier: BSD-3-Clause
/** The bytes of one squashfs image inside a file: bounded reads, and the error that every check of the reader throws. */
import { open, type FileHandle } from 'node:fs/promises';
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

export class ImageSource {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #offset: number;
  /** Bytes of the image; nothing beyond is read. */
  limit: number;

  private constructor(path: string, file: FileHandle, offset: number, limit: number) {
    this.path = path;
    this.#file = file;
    this.#offset = offset;
    this.limit = limit;
  }

  /** @param size of the partition; default up to the end of the file. */
  static async open(path: string, offset: number, size: number | undefined): Promise<ImageSource> {
    let file: FileHandle | undefined;
    try {
      file = await open(path, 'r');
      const available = (await file.stat()).size - offset;
      return new ImageSource(path, file, offset, Math.max(0, Math.min(available, size ?? available)));
    } catch (error) {
      await file?.close();
      throw asContainerError(error, READ_STEP, `cannot open ${path}`);
    }
  }

  /** Exactly `length` bytes at `position` of the image. @throws ContainerError `corrupt` outside of the image. */
  async read(position: number, length: number): Promise<Buffer> {
    if (!Number.isSafeInteger(position) || position < 0 || length < 0 || position + length > this.limit) {
      throw corruptImage('a reference points outside of it');
    }
    const buffer = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    while (filled < length) {
      const bytesRead = await this.#readOnce(buffer, filled, this.#offset + position + filled);
      if (bytesRead === 0) {
        throw corruptImage('the file became shorter while it was read');
      }
      filled += bytesRead;
    }
    return buffer;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #readOnce(buffer: Buffer, filled: number, position: number): Promise<number> {
    try {
      return (await this.#file.read(buffer, filled, buffer.length - filled, position)).bytesRead;
    } catch (error) {
      throw asContainerError(error, READ_STEP, `cannot read ${this.path}`);
    }
  }
}

/** A u64 of the image as a number. @throws ContainerError `corrupt` above 2^53. */
export function safeNumber(value: bigint, what: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw corruptImage(`${what} is impossibly large`);
  }
  return Number(value);
}
