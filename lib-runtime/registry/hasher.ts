// SPDX-License-Identifier: BSD-3-Clause
/** The digest of a file that is still being written: follows the run of finished bytes from its start. */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

const BLOCK = 1 << 20;

export class PrefixHasher {
  private readonly file: FileHandle;
  private readonly algorithm: string;
  private readonly hash: Hash;
  private readonly buffer = Buffer.allocUnsafe(BLOCK);
  private position = 0;
  private available = 0;
  private stopped = false;
  private running: Promise<void> | undefined;

  /** @param digest `sha256:...`: only its algorithm counts */
  constructor(file: FileHandle, digest: string) {
    this.file = file;
    this.algorithm = digest.slice(0, digest.indexOf(':'));
    this.hash = createHash(this.algorithm);
  }

  /** All bytes before `end` are in the file. */
  advance(end: number): void {
    this.available = Math.max(this.available, end);
    // Blocks that are still small wait for company.
    if (this.running === undefined && this.available - this.position >= BLOCK) {
      this.start();
    }
  }

  /** The digest of the first `size` bytes, all of which are in the file. */
  async finish(size: number): Promise<string> {
    this.available = size;
    while (this.position < size) {
      this.start();
      await this.running;
    }
    await this.running;
    return `${this.algorithm}:${this.hash.digest('hex')}`;
  }

  /** Ends the reading, so that the file can be closed. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.running?.catch(() => undefined);
  }

  private start(): void {
    this.running ??= this.read().finally(() => {
      this.running = undefined;
    });
    // Told by finish().
    this.running.catch(() => undefined);
  }

  private async read(): Promise<void> {
    while (this.position < this.available && !this.stopped) {
      const length = Math.min(BLOCK, this.available - this.position);
      const { bytesRead } = await this.file.read(this.buffer, 0, length, this.position);
      if (bytesRead === 0) {
        throw new Error('the file has become shorter while it was written');
      }
      this.hash.update(this.buffer.subarray(0, bytesRead));
      this.position += bytesRead;
    }
  }
}
