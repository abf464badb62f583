// SPDX-License-Identifier: BSD-3-Clause
/**
 * Tar archives as entries of a tree, in one pass. Written here rather than taken from the tar-stream library because
 * that one decodes pax records as UTF-8 text, which destroys binary attributes (security.capability of newuidmap) and
 * names that are not UTF-8; tests hold this reader against archives of tar-stream and GNU tar.
 */
import { ContainerError } from '../../support/errors.ts';
import { decodeName } from '../names.ts';
import type { EntryType, ITreeEntry } from '../tree.ts';
import { ByteSource } from './bytes.ts';
import {
  decodePax,
  decodeTarHeader,
  isZeroBlock,
  paxNumber,
  TAR_BLOCK,
  tarCorrupt,
  type ITarHeader,
  type PaxRecords
} from './header.ts';
import { normalisePath } from './paths.ts';

export interface ITarItem {
  readonly entry: ITreeEntry;
  /** Exactly `entry.size` bytes; what is not read before the next item is passed over. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** Long names and pax headers above this are refused: nothing real comes near, and they are held in memory. */
const MAX_EXTENSION = 4 << 20;
const XATTR = 'SCHILY.xattr.';

const TYPES: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo'
};

/**
 * Entries of an uncompressed tar stream (see decompressLayer), in archive order.
 * @throws ContainerError `corrupt` (damaged, or a path that leaves the root), `truncated`, `unsupported` (sparse files).
 *   Errors of the stream itself pass through unchanged.
 */
export async function* readTar(stream: AsyncIterable<Uint8Array>): AsyncGenerator<ITarItem, void, undefined> {
  const source = new ByteSource(stream);
  const extensions = new Extensions();
  try {
    for (;;) {
      const block = await source.read(TAR_BLOCK);
      if (block.length === 0 && source.taken > 0 && !extensions.pending) {
        return; // as GNU tar and Go do: the end marker may be missing
      }
      if (block.length < TAR_BLOCK) {
        throw truncated();
      }
      if (isZeroBlock(block)) {
        await drain(source);
        return;
      }
      const header = decodeTarHeader(block);
      if (header.size < 0) {
        throw tarCorrupt('the archive holds a file of negative size');
      }
      if (extensions.takes(header.type)) {
        extensions.add(header.type, await extension(source, header.size));
        continue;
      }
      const item = describe(header, extensions.finish());
      if (item === undefined) {
        await skip(source, padded(header.size));
        continue;
      }
      const body = new Body(source, item.entry.size);
      yield { entry: item.entry, content: body };
      await body.finish();
      await skip(source, padded(item.stored) - item.entry.size);
    }
  } finally {
    await source.close();
  }
}

/** Collects the headers that describe the next entry. */
class Extensions {
  #global: PaxRecords = new Map();
  #pax: Map<string, Buffer> = new Map();
  pending = false;

  takes(type: string): boolean {
    return 'xXgLK'.includes(type);
  }

  add(type: string, data: Buffer): void {
    if (type === 'g') {
      this.#global = new Map([...this.#global, ...decodePax(data)]);
      return;
    }
    this.pending = true;
    if (type === 'L' || type === 'K') {
      const end = data.indexOf(0);
      this.#pax.set(type === 'L' ? 'path' : 'linkpath', end < 0 ? data : data.subarray(0, end));
      return;
    }
    for (const [key, value] of decodePax(data)) {
      this.#pax.set(key, value);
    }
  }

  finish(): PaxRecords {
    const records = this.#global.size > 0 ? new Map([...this.#global, ...this.#pax]) : this.#pax;
    this.#pax = new Map();
    this.pending = false;
    return records;
  }
}

/** The entry of a header and the bytes stored for it; undefined for kinds that carry no file (volume labels ...). */
function describe(header: ITarHeader, pax: PaxRecords): { entry: ITreeEntry; stored: number } | undefined {
  if (header.type === 'S' || [...pax.keys()].some(key => key.startsWith('GNU.sparse.'))) {
    throw new ContainerError({
      code: 'unsupported',
      step: 'read layer',
      message: 'the archive stores sparse files in the GNU form, which container layers do not use',
      fix: 'Pack it again without --sparse'
    });
  }
  const name = nonEmpty(pax.get('path')) ?? header.name;
  const isOldDirectory = header.type === '0' && name.at(-1) === 0x2f;
  const type = isOldDirectory ? 'directory' : TYPES[header.type];
  if (type === undefined) {
    return undefined;
  }
  const stored = type === 'file' ? paxNumber(pax, 'size', header.size) : 0;
  if (stored < 0) {
    throw tarCorrupt('the archive holds a file of negative size');
  }
  const linkName = nonEmpty(pax.get('linkpath')) ?? header.linkName;
  const xattrs = extendedAttributes(pax);
  const entry: ITreeEntry = {
    path: normalisePath(decodeName(name)),
    type,
    mode: header.mode,
    uid: paxNumber(pax, 'uid', header.uid),
    gid: paxNumber(pax, 'gid', header.gid),
    mtime: paxNumber(pax, 'mtime', header.mtime),
    size: stored,
    ...(type === 'symlink' && { linkTarget: decodeName(linkName) }),
    ...(type === 'hardlink' && { linkTarget: normalisePath(decodeName(linkName)) }),
    ...((type === 'char' || type === 'block') && { major: header.major, minor: header.minor }),
    ...(xattrs && { xattrs })
  };
  return { entry, stored };
}

function extendedAttributes(pax: PaxRecords): Map<string, Uint8Array> | undefined {
  let xattrs: Map<string, Uint8Array> | undefined;
  for (const [key, value] of pax) {
    if (key.startsWith(XATTR)) {
      xattrs ??= new Map();
      xattrs.set(key.slice(XATTR.length), Buffer.from(value));
    }
  }
  return xattrs;
}

/** The bytes of one entry; counts what its reader leaves, so that the archive stays in step. */
class Body implements AsyncIterable<Uint8Array> {
  readonly #source: ByteSource;
  #left: number;

  constructor(source: ByteSource, size: number) {
    this.#source = source;
    this.#left = size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    while (this.#left > 0) {
      const piece = await this.#source.readSome(this.#left);
      if (piece === undefined) {
        throw truncated();
      }
      this.#left -= piece.length;
      yield piece;
    }
  }

  async finish(): Promise<void> {
    const left = this.#left;
    this.#left = 0;
    await skip(this.#source, left);
  }
}

async function extension(source: ByteSource, size: number): Promise<Buffer> {
  if (size > MAX_EXTENSION) {
    throw tarCorrupt('the archive has an extended header of absurd size');
  }
  // A copy: names and attributes taken from it outlive the chunk of the stream.
  const data = Buffer.from(await source.read(size));
  if (data.length < size) {
    throw truncated();
  }
  await skip(source, padded(size) - size);
  return data;
}

async function skip(source: ByteSource, length: number): Promise<void> {
  if (!(await source.skip(length))) {
    throw truncated();
  }
}

/** Reads what follows the end marker, so that a decompressor in front can check its own trailer. */
async function drain(source: ByteSource): Promise<void> {
  while ((await source.readSome(1 << 20)) !== undefined) {
    // nothing to do with padding
  }
}

const padded = (size: number): number => Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
const nonEmpty = (bytes: Buffer | undefined): Buffer | undefined =>
  bytes !== undefined && bytes.length > 0 ? bytes : undefined;

function truncated(): ContainerError {
  return new ContainerError({
    code: 'truncated',
    step: 'read layer',
    message: 'the archive ends in the middle of an entry',
    fix: 'Pull the image again'
  });
}
