// SPDX-License-Identifier: BSD-3-Clause
/** Inodes and directory listings of an image, with every field checked before it is used. */
import { decodeName } from '../names.ts';
import { decodeDevice, EXTENDED, InodeType, LISTING_EXTRA, MAX_NAME, MAX_RUN, MAX_SYMLINK, NONE32 } from './layout.ts';
import type { MetadataCursor } from './metadata-reader.ts';
import type { NodeType } from './nodes.ts';
import { corruptImage, safeNumber } from './source.ts';

export interface IInode {
  readonly type: NodeType;
  readonly mode: number;
  readonly uidIndex: number;
  readonly gidIndex: number;
  readonly mtime: number;
  readonly number: number;
  readonly links: number;
  readonly xattr: number;
  readonly target?: string;
  readonly device?: { readonly major: number; readonly minor: number };
  readonly file?: IFileInode;
  readonly listing?: { readonly block: number; readonly offset: number; readonly size: number };
}

export interface IFileInode {
  readonly size: number;
  /** Place of the first block. */
  readonly start: number;
  readonly fragment: number;
  readonly fragmentOffset: number;
  /** Stands at the list of block sizes. */
  readonly blocks: MetadataCursor;
}

export interface IDirectoryItem {
  readonly name: string;
  /** Reference of the inode: block << 16 | offset, as a number. */
  readonly reference: number;
  readonly type: NodeType;
}

/** A listing above this is no real directory (a million entries have about 30 MB). */
const MAX_LISTING = 64 << 20;
const MAX_ITEMS = 2_000_000;

const TYPES: readonly (NodeType | undefined)[] = [
  undefined,
  'directory',
  'file',
  'symlink',
  'block',
  'char',
  'fifo',
  'socket'
];

/** Decodes the inode at the cursor. */
export function readInode(cursor: MetadataCursor): IInode {
  const head = cursor.read(16);
  const code = head.readUInt16LE(0);
  const isExtended = code > EXTENDED;
  const type = code <= 2 * EXTENDED ? TYPES[isExtended ? code - EXTENDED : code] : undefined;
  if (type === undefined) {
    throw corruptImage(`it has an inode of unknown type ${code}`);
  }
  const common = {
    type,
    mode: head.readUInt16LE(2) & 0o7777,
    uidIndex: head.readUInt16LE(4),
    gidIndex: head.readUInt16LE(6),
    mtime: head.readUInt32LE(8),
    number: head.readUInt32LE(12)
  };
  switch (type) {
    case 'file':
      return { ...common, ...(isExtended ? longFile(cursor) : shortFile(cursor)) };
    case 'directory':
      return { ...common, ...(isExtended ? longDirectory(cursor) : shortDirectory(cursor)) };
    case 'symlink':
      return { ...common, ...symlink(cursor, isExtended) };
    default: {
      const links = cursor.read(4).readUInt32LE(0);
      const isDevice = type === 'char' || type === 'block';
      const device = isDevice ? decodeDevice(cursor.read(4).readUInt32LE(0)) : undefined;
      return { ...common, links, xattr: xattrOf(cursor, isExtended), ...(device && { device }) };
    }
  }
}

type Details = Pick<IInode, 'links' | 'xattr' | 'file' | 'listing' | 'target'>;

function shortFile(cursor: MetadataCursor): Details {
  const body = cursor.read(16);
  return {
    links: 1,
    xattr: NONE32,
    file: {
      start: body.readUInt32LE(0),
      fragment: body.readUInt32LE(4),
      fragmentOffset: body.readUInt32LE(8),
      size: body.readUInt32LE(12),
      blocks: cursor
    }
  };
}

function longFile(cursor: MetadataCursor): Details {
  const body = cursor.read(40);
  return {
    links: body.readUInt32LE(24),
    xattr: body.readUInt32LE(36),
    file: {
      start: safeNumber(body.readBigUInt64LE(0), 'the place of a file'),
      size: safeNumber(body.readBigUInt64LE(8), 'the size of a file'),
      fragment: body.readUInt32LE(28),
      fragmentOffset: body.readUInt32LE(32),
      blocks: cursor
    }
  };
}

function shortDirectory(cursor: MetadataCursor): Details {
  const body = cursor.read(16);
  const size = Math.max(0, body.readUInt16LE(8) - LISTING_EXTRA);
  return {
    links: body.readUInt32LE(4),
    xattr: NONE32,
    listing: { block: body.readUInt32LE(0), offset: body.readUInt16LE(10), size }
  };
}

function longDirectory(cursor: MetadataCursor): Details {
  const body = cursor.read(24);
  const size = Math.max(0, body.readUInt32LE(4) - LISTING_EXTRA);
  return {
    links: body.readUInt32LE(0),
    xattr: body.readUInt32LE(20),
    listing: { block: body.readUInt32LE(8), offset: body.readUInt16LE(18), size }
  };
}

function symlink(cursor: MetadataCursor, isExtended: boolean): Details {
  const body = cursor.read(8);
  const length = body.readUInt32LE(4);
  if (length === 0 || length > MAX_SYMLINK) {
    throw corruptImage('it has a symbolic link of impossible length');
  }
  const text = cursor.read(length);
  if (text.includes(0)) {
    throw corruptImage('a symbolic link holds a NUL character');
  }
  return { links: body.readUInt32LE(0), target: decodeName(text), xattr: xattrOf(cursor, isExtended) };
}

function xattrOf(cursor: MetadataCursor, isExtended: boolean): number {
  return isExtended ? cursor.read(4).readUInt32LE(0) : NONE32;
}

/**
 * Decodes a listing of `size` bytes at the cursor. Names are checked: they come sorted (lookups of the kernel rely on
 * it), so none can be there twice, and none can lead out of its directory.
 */
export function readListing(cursor: MetadataCursor, size: number): IDirectoryItem[] {
  if (size > MAX_LISTING) {
    throw corruptImage('a directory has a listing of impossible size');
  }
  const items: IDirectoryItem[] = [];
  if (size === 0) {
    return items;
  }
  const bytes = cursor.read(size);
  let previous: Buffer | undefined;
  for (let at = 0; at < size;) {
    demand(bytes, at, 12);
    const count = bytes.readUInt32LE(at) + 1;
    const block = bytes.readUInt32LE(at + 4);
    at += 12;
    if (count > MAX_RUN || items.length + count > MAX_ITEMS) {
      throw corruptImage('a directory has too many entries');
    }
    for (let index = 0; index < count; index++) {
      demand(bytes, at, 8);
      const length = bytes.readUInt16LE(at + 6) + 1;
      demand(bytes, at + 8, length);
      const name = bytes.subarray(at + 8, at + 8 + length);
      checkName(name, previous);
      const type = TYPES[bytes.readUInt16LE(at + 4)];
      if (type === undefined) {
        throw corruptImage('a directory entry has an unknown type');
      }
      items.push({ name: decodeName(name), reference: block * 65536 + bytes.readUInt16LE(at), type });
      previous = name;
      at += 8 + length;
    }
  }
  return items;
}

function demand(bytes: Buffer, at: number, length: number): void {
  if (at + length > bytes.length) {
    throw corruptImage('a directory listing ends in the middle of an entry');
  }
}

function checkName(name: Buffer, previous: Buffer | undefined): void {
  const isDots = name.readUInt8(0) === 0x2e && (name.length === 1 || (name.length === 2 && name.readUInt8(1) === 0x2e));
  if (isDots || name.length > MAX_NAME || name.includes(0) || name.includes(0x2f)) {
    throw corruptImage('a directory holds a name that no file can have');
  }
  if (previous !== undefined && Buffer.compare(previous, name) >= 0) {
    throw corruptImage('the names of a directory are not in order');
  }
}

export const basicType = (type: NodeType): number => InodeType[type];
