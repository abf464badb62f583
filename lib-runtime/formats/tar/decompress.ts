// SPDX-License-Identifier: BSD-3-Clause
/** Layer blobs -> plain tar streams. The first bytes decide, not the media type: registries carry wrong ones. */
import { createGunzip } from 'node:zlib';
import { ContainerError } from '../../support/errors.ts';
import { ByteSource } from './bytes.ts';
import { OUTPUT, through } from './through.ts';
import { decompressZstd } from './zstd.ts';

export type LayerCompression = 'gzip' | 'zstd' | 'none';

const LONGEST_MAGIC = 6;

/**
 * How a layer that starts with these bytes is packed.
 * @param mediaType named in the error only.
 * @throws ContainerError `unsupported` for xz and bzip2.
 */
export function detectCompression(head: Uint8Array, mediaType?: string): LayerCompression {
  const hex = Buffer.from(head.subarray(0, LONGEST_MAGIC)).toString('hex');
  if (hex.startsWith('1f8b')) {
    return 'gzip';
  }
  // A zstd frame, or a skippable frame (0x184D2A5?) in front of one.
  if (hex.startsWith('28b52ffd') || /^5.2a4d18/.test(hex)) {
    return 'zstd';
  }
  const other = hex === 'fd377a585a00' ? 'xz' : hex.startsWith('425a68') ? 'bzip2' : undefined;
  if (other !== undefined) {
    throw new ContainerError({
      code: 'unsupported',
      step: 'read layer',
      message: `the layer${mediaType === undefined ? '' : ` (${mediaType})`} is packed with ${other}`,
      reason: 'container layers are gzip, zstd or plain tar',
      fix: `Convert the image first, for example with skopeo copy`
    });
  }
  return 'none';
}

/**
 * The plain tar stream of a layer blob. Each chunk is valid until the next one is asked for, as those of `stream` may be.
 * @throws (while read) ContainerError `truncated`, `corrupt`, `unsupported`; errors of `stream` pass unchanged.
 */
export async function* decompressLayer(
  stream: AsyncIterable<Uint8Array>,
  mediaType?: string
): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks = stream[Symbol.asyncIterator]();
  try {
    const head = await firstBytes(chunks);
    const whole = rejoin(head, chunks);
    const compression = detectCompression(head, mediaType);
    if (compression === 'none') {
      yield* whole;
    } else if (compression === 'zstd') {
      yield* decompressZstd(new ByteSource(whole));
    } else {
      yield* through(createGunzip({ chunkSize: OUTPUT }), whole, gzipError);
      // Whoever compares a digest at the end of the stream has to come to it.
      while ((await chunks.next()).done !== true) {
        // Bytes behind the compressed data mean nothing, as to gzip(1).
      }
    }
  } finally {
    await chunks.return?.();
  }
}

async function firstBytes(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < LONGEST_MAGIC) {
    const next = await chunks.next();
    if (next.done === true) {
      break;
    }
    // A copy: the chunk is valid only until the next one is asked for.
    head = Buffer.concat([head, next.value]);
  }
  return head;
}

async function* rejoin(
  head: Uint8Array,
  chunks: AsyncIterator<Uint8Array>
): AsyncGenerator<Uint8Array, void, undefined> {
  yield head;
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
    yield next.value;
  }
}

function gzipError(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!code.startsWith('Z_')) {
    return error;
  }
  const isShort = code === 'Z_BUF_ERROR';
  return new ContainerError({
    code: isShort ? 'truncated' : 'corrupt',
    step: 'read layer',
    message: isShort ? 'the compressed layer ends too early' : 'the compressed layer is damaged',
    fix: 'Pull the image again',
    cause: error
  });
}
