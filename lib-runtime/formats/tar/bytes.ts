// SPDX-License-Identifier: BSD-3-Clause
/**
 * Pulls exact amounts of bytes out of a stream of chunks, without copying where one chunk has them all: what it hands out
 * is valid until it is asked for more.
 */

export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #current: Buffer = Buffer.alloc(0);
  #at = 0;
  #done = false;
  /** Bytes taken so far. */
  taken = 0;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** Exactly `length` bytes; fewer (or none) only when the stream ends. */
  async read(length: number): Promise<Buffer> {
    const first = await this.readSome(length);
    if (first === undefined || first.length === length) {
      return first ?? Buffer.alloc(0);
    }
    const parts = [Buffer.from(first)];
    let have = first.length;
    while (have < length) {
      const more = await this.readSome(length - have);
      if (more === undefined) {
        break;
      }
      parts.push(Buffer.from(more));
      have += more.length;
    }
    return Buffer.concat(parts);
  }

  /** Between 1 and `limit` bytes as they lie in the current chunk; undefined at the end of the stream. */
  async readSome(limit: number): Promise<Buffer | undefined> {
    while (this.#at >= this.#current.length) {
      if (this.#done) {
        return undefined;
      }
      const next = await this.#chunks.next();
      if (next.done === true) {
        this.#done = true;
        return undefined;
      }
      const { buffer, byteOffset, byteLength } = next.value;
      this.#current = Buffer.from(buffer, byteOffset, byteLength);
      this.#at = 0;
    }
    const piece = this.#current.subarray(this.#at, this.#at + limit);
    this.#at += piece.length;
    this.taken += piece.length;
    return piece;
  }

  /** Passes over `length` bytes; false when the stream ends before. */
  async skip(length: number): Promise<boolean> {
    for (let left = length; left > 0;) {
      const piece = await this.readSome(left);
      if (piece === undefined) {
        return false;
      }
      left -= piece.length;
    }
    return true;
  }

  /** Ends the stream early. */
  async close(): Promise<void> {
    this.#done = true;
    await this.#chunks.return?.();
  }
}
