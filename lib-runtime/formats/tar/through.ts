// SPDX-License-Identifier: BSD-3-Clause
/** A stream through a decompressor of node:zlib, with memory that is given back at once. */
import type { Gunzip, ZstdDecompress } from 'node:zlib';

/** Bytes of an output buffer: large ones halve the rounds through the thread pool (performance.md 1.3). */
export const OUTPUT = 1 << 20;

/**
 * What `unpack`, made with OUTPUT as its chunkSize, makes of `input`. Each chunk is valid until the next one is asked
 * for: its memory is then taken away from it. An image passes by in hundreds of megabytes of buffers, and to leave them to
 * the garbage collector has V8 go through its whole heap again and again, for a quarter of the processor time.
 * A chunk of `input` is not used any more when the next one is asked for.
 * @param describe what to throw for an error of the decompressor; errors of `input` are thrown unchanged.
 */
export async function* through(
  unpack: Gunzip | ZstdDecompress,
  input: AsyncIterable<Uint8Array>,
  describe: (error: unknown) => unknown
): AsyncGenerator<Uint8Array, void, undefined> {
  let failure: { readonly error: unknown } | undefined;
  const closed = new Promise<void>(resolve => unpack.once('close', resolve));
  /** Never rejects. */
  const feed = async (): Promise<void> => {
    try {
      for await (const chunk of input) {
        const taken = new Promise<void>(resolve => unpack.write(chunk, () => resolve()));
        // Behind the end of the data nothing is taken any more.
        await Promise.race([taken, closed]);
        if (unpack.destroyed) {
          return;
        }
      }
      unpack.end();
    } catch (error) {
      failure = { error };
      unpack.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  };
  void feed();
  try {
    for await (const chunk of unpack as AsyncIterable<Buffer>) {
      yield chunk;
      release(chunk);
    }
  } catch (error) {
    throw failure ? failure.error : describe(error);
  } finally {
    unpack.destroy();
  }
}

/** Takes the memory of a buffer that the decompressor has filled to its end. */
function release({ buffer, byteOffset, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === OUTPUT && byteOffset + byteLength === OUTPUT) {
    buffer.transfer(0);
  }
}
