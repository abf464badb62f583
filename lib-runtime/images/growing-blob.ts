// SPDX-License-Identifier: BSD-3-Clause
/** A blob that is read while it is still being fetched. Whoever reads it to its end knows that its digest was right. */
import { open, type FileHandle } from 'node:fs/promises';
import { errnoOf } from '../support/errors.ts';

const READ_SIZE = 1 << 20;

export class GrowingBlob {
  /** Resolves with the whole file, its digest checked. */
  readonly finished: Promise<FileHandle>;
  readonly #part: string;
  #available = 0;
  #settled = false;
  readonly #waiting = new Set<() => void>();

  /**
   * @param part where the bytes lie as long as the blob is not finished
   * @param fetch fetches the blob; tells how many bytes from the start are in `part`
   */
  constructor(part: string, fetch: (grown: (bytes: number) => void) => Promise<FileHandle>) {
    this.#part = part;
    this.finished = fetch(bytes => {
      this.#available = bytes;
      this.#wake();
    });
    const settle = (): void => {
      this.#settled = true;
      this.#wake();
    };
    // Its reader reports a failure, perhaps much later or, after another failure, never.
    this.finished.then(settle, settle);
  }

  /**
   * The bytes from the first one on; a chunk is valid until the next one is asked for. The end comes when the blob is
   * finished.
   * @throws what the fetching throws
   */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, void, undefined> {
    let stopped = false;
    const bytes = this.#read(() => stopped);
    return {
      next: () => bytes.next(),
      return: () => {
        // A reader that waits for more bytes is not to wait for them.
        stopped = true;
        this.#wake();
        return bytes.return();
      }
    };
  }

  async *#read(isStopped: () => boolean): AsyncGenerator<Uint8Array, void, undefined> {
    let position = 0;
    const part = await this.#openPart(isStopped);
    try {
      while (part && !this.#settled && !isStopped()) {
        for await (const chunk of readChunks(part, position, () => this.#available)) {
          position += chunk.length;
          yield chunk;
        }
        await this.#growth(position, isStopped);
      }
    } finally {
      await part?.close();
    }
    if (!isStopped()) {
      yield* readChunks(await this.finished, position);
    }
  }

  /** The unfinished file, or undefined when there is no need of it. */
  async #openPart(isStopped: () => boolean): Promise<FileHandle | undefined> {
    await this.#growth(0, isStopped);
    if (this.#settled) {
      return undefined;
    }
    try {
      return await open(this.#part, 'r');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') {
        return undefined; // finished in this moment
      }
      throw error;
    }
  }

  /** Waits until there are bytes behind `position`, or all. */
  async #growth(position: number, isStopped: () => boolean): Promise<void> {
    while (this.#available <= position && !this.#settled && !isStopped()) {
      await new Promise<void>(resolve => this.#waiting.add(resolve));
    }
  }

  #wake(): void {
    this.#waiting.forEach(resolve => resolve());
    this.#waiting.clear();
  }
}

/**
 * The bytes of a file, in two buffers by turns: one is filled while the other is read. A chunk is valid until the next one
 * is asked for.
 * @param start first byte
 * @param end tells, again and again, where to stop; by default where the file does
 */
export async function* readChunks(
  file: FileHandle,
  start = 0,
  end: () => number = () => Infinity
): AsyncGenerator<Uint8Array, void, undefined> {
  const buffers = [Buffer.allocUnsafeSlow(READ_SIZE), Buffer.allocUnsafeSlow(READ_SIZE)] as const;
  let position = start;
  const read = async (buffer: Buffer): Promise<Buffer> => {
    const length = Math.max(0, Math.min(READ_SIZE, end() - position));
    const { bytesRead } = length === 0 ? { bytesRead: 0 } : await file.read(buffer, 0, length, position);
    position += bytesRead;
    return buffer.subarray(0, bytesRead);
  };
  let next = read(buffers[0]);
  try {
    for (let turn = 1; ; turn = 1 - turn) {
      const chunk = await next;
      if (chunk.length === 0) {
        return;
      }
      next = read(turn === 1 ? buffers[1] : buffers[0]);
      // Told when it is waited for.
      next.catch(() => undefined);
      yield chunk;
    }
  } finally {
    await next.catch(() => undefined);
  }
}
