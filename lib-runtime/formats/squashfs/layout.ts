// SPDX-License-Identifier: BSD-3-Clause
/**
 * Squashfs 4.0 on disk: constants and the superblock (Linux Documentation/filesystems/squashfs.rst and
 * fs/squashfs/squashfs_fs.h; dr-emann.github.io/squashfs). Everything is little-endian.
 */

export const SUPERBLOCK_SIZE = 96;
export const SQUASHFS_MAGIC = 0x73717368;
/** Uncompressed size of the blocks that inode, directory and other tables are cut into. */
export const METADATA_SIZE = 8192;
/** In the u16 in front of a metadata block: the block is stored as it is. */
export const METADATA_RAW = 0x8000;
/** In the u32 size of a data block or fragment: the block is stored as it is. */
export const BLOCK_RAW = 0x1000000;
export const DEFAULT_BLOCK_SIZE = 131072;
export const MIN_BLOCK_SIZE = 4096;
export const MAX_BLOCK_SIZE = 1 << 20;
/** A file's fragment field, an inode's xattr field: none. */
export const NONE32 = 0xffffffff;
/** A table's place in the superblock: none. */
export const NONE64 = 0xffffffffffffffffn;
export const MAX_NAME = 255;
/** Longest symlink text that Linux takes. */
export const MAX_SYMLINK = 4095;
/** Longest path, in bytes, that we write or read (PATH_MAX). */
export const MAX_PATH = 4096;
/** A directory's listing is announced 3 bytes longer than it is ('.' and '..' of old versions). */
export const LISTING_EXTRA = 3;
export const MAX_RUN = 256;

/** Inode types; the extended form of each is 7 higher. */
export const InodeType = {
  directory: 1,
  file: 2,
  symlink: 3,
  block: 4,
  char: 5,
  fifo: 6,
  socket: 7
} as const;
export const EXTENDED = 7;

export type CompressionName = 'gzip' | 'lzma' | 'lzo' | 'xz' | 'lz4' | 'zstd';
const COMPRESSIONS: readonly CompressionName[] = ['gzip', 'lzma', 'lzo', 'xz', 'lz4', 'zstd'];

export const compressionName = (id: number): CompressionName | undefined => COMPRESSIONS[id - 1];
export const compressionId = (name: CompressionName): number => COMPRESSIONS.indexOf(name) + 1;

export const Flag = {
  noFragments: 0x10,
  /** Equal files were stored once. */
  duplicates: 0x40,
  exportable: 0x80,
  noXattrs: 0x200,
  compressorOptions: 0x400
} as const;

/** Prefixes of extended attribute names, by their number on disk. */
export const XATTR_PREFIXES: readonly string[] = ['user.', 'trusted.', 'security.'];
/** In an attribute's type: the value lies elsewhere, an 8 byte reference stands in its place. */
export const XATTR_OUT_OF_LINE = 0x100;

export interface ISuperblock {
  readonly inodes: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly blockSize: number;
  readonly fragments: number;
  /** Number of the compression (1 gzip .. 6 zstd). */
  readonly compression: number;
  readonly flags: number;
  readonly ids: number;
  readonly major: number;
  readonly minor: number;
  /** Reference: metadata block (relative to the inode table) << 16 | offset in it. */
  readonly rootInode: bigint;
  readonly bytesUsed: bigint;
  readonly idTable: bigint;
  readonly xattrTable: bigint;
  readonly inodeTable: bigint;
  readonly directoryTable: bigint;
  readonly fragmentTable: bigint;
  readonly exportTable: bigint;
}

export function encodeSuperblock(superblock: ISuperblock): Buffer {
  const bytes = Buffer.alloc(SUPERBLOCK_SIZE);
  bytes.writeUInt32LE(SQUASHFS_MAGIC, 0);
  bytes.writeUInt32LE(superblock.inodes, 4);
  bytes.writeUInt32LE(superblock.mtime, 8);
  bytes.writeUInt32LE(superblock.blockSize, 12);
  bytes.writeUInt32LE(superblock.fragments, 16);
  bytes.writeUInt16LE(superblock.compression, 20);
  bytes.writeUInt16LE(Math.log2(superblock.blockSize), 22);
  bytes.writeUInt16LE(superblock.flags, 24);
  bytes.writeUInt16LE(superblock.ids, 26);
  bytes.writeUInt16LE(superblock.major, 28);
  bytes.writeUInt16LE(superblock.minor, 30);
  const places = [
    superblock.rootInode,
    superblock.bytesUsed,
    superblock.idTable,
    superblock.xattrTable,
    superblock.inodeTable,
    superblock.directoryTable,
    superblock.fragmentTable,
    superblock.exportTable
  ];
  places.forEach((place, index) => bytes.writeBigUInt64LE(place, 32 + 8 * index));
  return bytes;
}

/** Decodes a superblock; undefined when the magic number is another. Does not judge the rest. */
export function decodeSuperblock(bytes: Buffer): (ISuperblock & { readonly blockLog: number }) | undefined {
  if (bytes.length < SUPERBLOCK_SIZE || bytes.readUInt32LE(0) !== SQUASHFS_MAGIC) {
    return undefined;
  }
  return {
    inodes: bytes.readUInt32LE(4),
    mtime: bytes.readUInt32LE(8),
    blockSize: bytes.readUInt32LE(12),
    fragments: bytes.readUInt32LE(16),
    compression: bytes.readUInt16LE(20),
    blockLog: bytes.readUInt16LE(22),
    flags: bytes.readUInt16LE(24),
    ids: bytes.readUInt16LE(26),
    major: bytes.readUInt16LE(28),
    minor: bytes.readUInt16LE(30),
    rootInode: bytes.readBigUInt64LE(32),
    bytesUsed: bytes.readBigUInt64LE(40),
    idTable: bytes.readBigUInt64LE(48),
    xattrTable: bytes.readBigUInt64LE(56),
    inodeTable: bytes.readBigUInt64LE(64),
    directoryTable: bytes.readBigUInt64LE(72),
    fragmentTable: bytes.readBigUInt64LE(80),
    exportTable: bytes.readBigUInt64LE(88)
  };
}

/** Linux's 32 bit form of a device number (`new_encode_dev`). */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

export function decodeDevice(device: number): { major: number; minor: number } {
  return { major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}
