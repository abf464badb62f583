// SPDX-License-Identifier: BSD-3-Clause
/** A reused encoder against node:zlib's own call for each block: byte for byte the same. */
import { createHash } from 'node:crypto';
import { constants, deflateSync, zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { createCompressor } from './compress.ts';
import { DEFLATE_MEMORY, deflateEncoder, zstdEncoder, type IEncoder } from './encoder.ts';

const LEVEL = 3;
const PARAMS = { [constants.ZSTD_c_compressionLevel]: LEVEL };
const KINDS = {
  zstd: {
    make: () => zstdEncoder(PARAMS),
    once: (data: Buffer) => zstdCompressSync(data, { params: PARAMS, pledgedSrcSize: data.length })
  },
  gzip: {
    make: () => deflateEncoder(LEVEL),
    once: (data: Buffer) => deflateSync(data, { level: LEVEL, memLevel: DEFLATE_MEMORY })
  }
} as const;

/** Bytes that do not compress, the same ones in every run. */
function noise(length: number, seed: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < length; at += 64) {
    parts.push(createHash('sha512').update(`${seed}:${at}`).digest());
  }
  return Buffer.concat(parts).subarray(0, length);
}

const text = (length: number): Buffer => Buffer.alloc(length, 'the quick brown fox jumps over the lazy dog, ');

let encoder: IEncoder | undefined;
afterEach(() => encoder?.close());

describe.each(['zstd', 'gzip'] as const)('%s', kind => {
  const { make, once } = KINDS[kind];

  it('packs blocks of all sizes as a call for each would', async () => {
    encoder = make();
    const sizes = [1, 2, 4096, 100_000, 131_072, 131_071, 300_000, 1 << 20];
    const blocks = sizes.flatMap((size, seed) => [
      noise(size, seed),
      text(size),
      Buffer.alloc(size),
      Buffer.concat([text(size >> 1), noise(size - (size >> 1), seed)])
    ]);
    for (const block of blocks) {
      expect((await encoder.encode(block)).equals(once(block)), `${block.length} bytes`).toBe(true);
    }
  });

  it('keeps blocks apart when one ends with the last byte of the output buffer', async () => {
    encoder = make();
    const whole = noise(131_072, 1);
    const filled = 7 * once(whole).length;
    // How much a block grows depends a little on its length: the one that ends there is looked for.
    const pairs = Array.from({ length: 400 }, (_, index) => {
      const first = noise(120_000 + 11 * (index % 20), 2);
      const left = (1 << 20) - filled - once(first).length;
      return { first, left, last: noise(left - 5 - Math.floor(index / 20), 3) };
    });
    const pair = pairs.find(({ last, left }) => once(last).length === left);
    if (pair === undefined) {
      throw new Error('no block of that packed size');
    }
    for (const block of [...Array.from({ length: 7 }, () => whole), pair.first, pair.last, whole, text(5000)]) {
      expect((await encoder.encode(block)).equals(once(block))).toBe(true);
    }
  });

  it('serves more blocks than it has lanes, each with its own bytes', async () => {
    const compressor = createCompressor(kind, LEVEL);
    const blocks = Array.from({ length: 60 }, (_, index) => Buffer.concat([text(index * 999), noise(index, index)]));
    const packed = await Promise.all(blocks.slice(1).map(block => compressor.compress(block)));
    expect(packed.map((bytes, index) => bytes.equals(once(blocks[index + 1] ?? text(1))))).not.toContain(false);
    compressor.close();
  });

  it('fails, and does not wait for ever, when it is closed in the middle', async () => {
    encoder = make();
    const lost = encoder.encode(noise(1 << 20, 3));
    encoder.close();
    await expect(lost).rejects.toThrow();
    await expect(encoder.encode(text(10))).rejects.toThrow();
  });
});
