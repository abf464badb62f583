// SPDX-License-Identifier: BSD-3-Clause
/**
 * Decompresses a whole zstd stream. Node's decompressor stops silently after the first frame and at a skippable frame,
 * and takes a cut-off frame for a short one; zstd:chunked and pzstd layers have thousands of frames. So the frames are
 * told apart here (RFC 8878 section 3.1) and given to it one by one.
 */
import { promisify } from 'node:util';
import { constants, createZstdDecompress, zstdDecompress } from 'node:zlib';
import { ContainerError, errnoOf } from '../../support/errors.ts';
import type { ByteSource } from './bytes.ts';
import { OUTPUT, through } from './through.ts';

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
/** Largest window that we give memory to (`zstd --ultra --long=27`, 128 MiB). */
const WINDOW_LOG = 27;
/** A frame that is packed into less than SMALL and unpacks to less than SMALL_OUTPUT goes through in one call. */
const SMALL = 256 << 10;
const SMALL_OUTPUT = 8 << 20;
const OPTIONS = { chunkSize: OUTPUT, params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG } };

const oneShot = promisify(zstdDecompress);

/** @throws ContainerError `truncated`, `corrupt`; errors of the source pass unchanged. */
export async function* decompressZstd(source: ByteSource): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) {
    const magic = await source.read(4);
    if (magic.length === 0) {
      return;
    }
    const value = magic.length < 4 ? 0 : magic.readUInt32LE(0);
    if ((value & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
      const size = (await exactly(source, 4)).readUInt32LE(0);
      if (!(await source.skip(size))) {
        throw zstdError('truncated');
      }
    } else if (value === FRAME_MAGIC) {
      yield* decompressFrame(frameBytes(source, magic));
    } else {
      throw zstdError(magic.length < 4 ? 'truncated' : 'corrupt');
    }
  }
}

async function* decompressFrame(frame: AsyncGenerator<Buffer, void, undefined>): AsyncGenerator<Uint8Array> {
  const gathered: Buffer[] = [];
  let size = 0;
  let ended = false;
  while (size < SMALL && !ended) {
    const next = await frame.next();
    if (next.done === true) {
      ended = true;
    } else {
      gathered.push(Buffer.from(next.value));
      size += next.value.length;
    }
  }
  if (ended) {
    try {
      yield await oneShot(Buffer.concat(gathered), { ...OPTIONS, maxOutputLength: SMALL_OUTPUT });
      return;
    } catch (error) {
      if (!(error instanceof RangeError)) {
        throw zstdError('corrupt', error);
      }
    }
  }
  async function* bytes(): AsyncGenerator<Buffer> {
    yield* gathered;
    yield* frame;
  }
  yield* through(createZstdDecompress(OPTIONS), bytes(), error =>
    errnoOf(error) === undefined ? zstdError('corrupt', error) : error
  );
}

/** The bytes of one frame, its magic number incl.; ends where the frame does. */
async function* frameBytes(source: ByteSource, magic: Buffer): AsyncGenerator<Buffer, void, undefined> {
  const descriptor = await exactly(source, 1);
  const flags = descriptor.readUInt8(0);
  const isSingleSegment = (flags & 0x20) !== 0;
  const contentSizeFlag = flags >>> 6;
  const contentSizeLength = contentSizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << contentSizeFlag;
  const dictionaryLength = [0, 1, 2, 4][flags & 3] ?? 0;
  const rest = await exactly(source, (isSingleSegment ? 0 : 1) + dictionaryLength + contentSizeLength);
  yield Buffer.concat([magic, descriptor, rest]);
  for (let isLast = false; !isLast;) {
    const head = await exactly(source, 3);
    const value = head.readUIntLE(0, 3);
    isLast = (value & 1) !== 0;
    const kind = (value >>> 1) & 3;
    if (kind === 3) {
      throw zstdError('corrupt');
    }
    yield head;
    const size = kind === 1 ? 1 : value >>> 3;
    for (let left = size; left > 0;) {
      const piece = await source.readSome(left);
      if (piece === undefined) {
        throw zstdError('truncated');
      }
      left -= piece.length;
      yield piece;
    }
  }
  if ((flags & 4) !== 0) {
    yield await exactly(source, 4);
  }
}

async function exactly(source: ByteSource, length: number): Promise<Buffer> {
  const bytes = await source.read(length);
  if (bytes.length < length) {
    throw zstdError('truncated');
  }
  return bytes;
}

function zstdError(code: 'truncated' | 'corrupt', cause?: unknown): ContainerError {
  return new ContainerError({
    code,
    step: 'read layer',
    message: code === 'truncated' ? 'the compressed layer ends too early' : 'the compressed layer is damaged',
    fix: 'Pull the image again',
    ...(cause !== undefined && { cause })
  });
}
