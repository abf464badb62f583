// SPDX-License-Identifier: BSD-3-Clause
/** Compression of single blocks: data blocks on libuv's thread pool, the small metadata blocks at once. */
import { promisify } from 'node:util';
import {
  constants,
  deflateSync,
  inflate,
  inflateSync,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync
} from 'node:zlib';
import { DEFLATE_MEMORY, deflateEncoder, zstdEncoder, type IEncoder } from './encoder.ts';

export interface ICompressor {
  /** Compresses on the thread pool; the result may be larger than the input, and part of a larger buffer. */
  compress(data: Buffer): Promise<Buffer>;
  compressSync(data: Buffer): Buffer;
  /** Frees the memory; nothing may be compressed any more. What is on its way comes to its end or fails. */
  close(): void;
}

export interface IDecompressor {
  /** At most `limit` bytes come out. @throws what zlib throws when the data is damaged or larger. */
  decompress(data: Buffer, limit: number): Promise<Buffer>;
  decompressSync(data: Buffer, limit: number): Buffer;
}

/**
 * Measured on a Debian 12 with Python and numpy (the base layer of bench/image.ts, blocks of 128 KiB, one thread;
 * seconds, and bytes against those of gzip 9, which is what Apptainer makes):
 *
 * | zstd 1      | zstd 2      | zstd 3      | gzip 4      | gzip 5      | gzip 6      | gzip 9       |
 * |-------------|-------------|-------------|-------------|-------------|-------------|--------------|
 * | 0.7 s, 1.07 | 0.8 s, 1.04 | 0.9 s, 1.02 | 3.3 s, 1.03 | 4.5 s, 1.01 | 5.6 s, 1.01 | 20 s, 1      |
 */
export const DEFAULT_LEVEL = { zstd: 3, gzip: 5 } as const;

/** Room for the frame of an incompressible block: with it one call to the thread pool is always enough. */
const SLACK = 4096;
/** Largest window that a block's zstd frame may ask for: 2 MiB is above the largest block. */
const ZSTD_WINDOW_LOG = 21;

const unzstdAsync = promisify(zstdDecompress);
const inflateAsync = promisify(inflate);

/** Blocks compressed side by side: as many as libuv has threads, so that none waits for the event loop. */
const LANES = 4;

export function createCompressor(
  compression: 'zstd' | 'gzip',
  level: number = DEFAULT_LEVEL[compression]
): ICompressor {
  if (compression === 'zstd') {
    const params = { [constants.ZSTD_c_compressionLevel]: level };
    return new Lanes(
      () => zstdEncoder(params),
      // The exact size keeps the window within the block, which the kernel's decompressor demands.
      data => zstdCompressSync(data, { params, chunkSize: data.length + SLACK, pledgedSrcSize: data.length })
    );
  }
  return new Lanes(
    () => deflateEncoder(level),
    data => deflateSync(data, { level, memLevel: DEFLATE_MEMORY, chunkSize: data.length + SLACK })
  );
}

/** Hands each block to an encoder that is free; they are made when needed. */
class Lanes implements ICompressor {
  readonly compressSync: (data: Buffer) => Buffer;
  readonly #make: () => IEncoder;
  readonly #encoders: IEncoder[] = [];
  readonly #free: IEncoder[] = [];
  readonly #waiting: ((encoder: IEncoder) => void)[] = [];

  constructor(make: () => IEncoder, compressSync: (data: Buffer) => Buffer) {
    this.#make = make;
    this.compressSync = compressSync;
  }

  async compress(data: Buffer): Promise<Buffer> {
    const encoder = this.#take() ?? (await new Promise<IEncoder>(resolve => this.#waiting.push(resolve)));
    try {
      return await encoder.encode(data);
    } finally {
      const next = this.#waiting.shift();
      if (next) {
        next(encoder);
      } else {
        this.#free.push(encoder);
      }
    }
  }

  close(): void {
    this.#encoders.forEach(encoder => encoder.close());
  }

  #take(): IEncoder | undefined {
    const free = this.#free.pop();
    if (free === undefined && this.#encoders.length < LANES) {
      const made = this.#make();
      this.#encoders.push(made);
      return made;
    }
    return free;
  }
}

export function createDecompressor(compression: 'zstd' | 'gzip'): IDecompressor {
  if (compression === 'zstd') {
    const options = (limit: number): object => ({
      params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG },
      chunkSize: Math.max(limit, 64),
      maxOutputLength: limit
    });
    return {
      decompress: (data, limit) => unzstdAsync(data, options(limit)),
      decompressSync: (data, limit) => zstdDecompressSync(data, options(limit))
    };
  }
  const options = (limit: number): object => ({ chunkSize: Math.max(limit, 64), maxOutputLength: limit });
  return {
    decompress: (data, limit) => inflateAsync(data, options(limit)),
    decompressSync: (data, limit) => inflateSync(data, options(limit))
  };
}
