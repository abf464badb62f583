// SPDX-License-Identifier: BSD-3-Clause
/** An image on this machine: a SIF, a bare squashfs file or a directory, told apart by what it is, not by its name. */
import { createHash } from 'node:crypto';
import { open, realpath, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isSif, primaryPartition, readSif } from '../formats/sif/reader.ts';
import type { ISif } from '../formats/sif/layout.ts';
import type { Store } from '../store/store.ts';
import { asContainerError, ContainerError, printable } from '../support/errors.ts';
import type { IOciConfig, RootfsSource } from './image.ts';
import { squashfsOffset } from './image-head.ts';

const STEP = 'open image';
const SUPERBLOCK = 96;
/** squashfs compression ids (kernel fs/squashfs/squashfs_fs.h). */
const COMPRESSIONS = ['unknown', 'gzip', 'lzma', 'lzo', 'xz', 'lz4', 'zstd'];

export interface ILocalImage {
  /** What the user wrote. */
  readonly name: string;
  /** Absolute path of the SIF, squashfs file or directory. */
  readonly path: string;
  /** Key in the store: the one it was pulled under, else one made from the file's identity. */
  readonly key: string;
  readonly source: RootfsSource;
  readonly sif?: ISif;
  /** Known for trees of the store, which have no SIF to read it from. */
  readonly config?: IOciConfig;
}

/**
 * @param path as the user gave it, relative to the working directory.
 * @throws ContainerError `not-found`, `not-an-image`, `truncated`, `corrupt`, `unsupported` (encrypted, ext3).
 */
export async function identifyImage(path: string, store: Store, name: string = path): Promise<ILocalImage> {
  const absolute = resolve(path);
  try {
    const info = await stat(absolute, { bigint: true });
    if (info.isDirectory()) {
      const real = await realpath(absolute);
      const key = `dir-${digest([real, String(info.dev), String(info.ino)])}`;
      return { name, path: absolute, key, source: { kind: 'directory', directory: absolute } };
    }
    if (!info.isFile()) {
      throw notAnImage(absolute, 'it is neither a file nor a directory');
    }
    const sif = (await isSif(absolute)) ? await readSif(absolute) : undefined;
    const source = sif ? sifSource(sif) : await squashfsSource(absolute, Number(info.size));
    const superblock = await readAt(absolute, source.offset, SUPERBLOCK);
    const compression = COMPRESSIONS[superblock.length < SUPERBLOCK ? 0 : superblock.readUInt16LE(20)] ?? 'unknown';
    const known = await pulledKey(store, info.dev, info.ino);
    const identity = [sif?.header.uuid ?? '', superblock.toString('hex'), String(info.size), String(info.mtimeNs)];
    const key = known ?? `sif-${digest(identity)}`;
    return { name, path: absolute, key, source: { ...source, compression }, ...(sif && { sif }) };
  } catch (error) {
    throw asContainerError(error, STEP, `cannot open ${printable(absolute)}`);
  }
}

type SquashfsSource = Extract<RootfsSource, { kind: 'squashfs' }>;

function sifSource(sif: ISif): SquashfsSource {
  const { offset, size, partition } = primaryPartition(sif);
  if (partition.fstype !== 'squashfs') {
    const encrypted = partition.fstype.includes('encrypted') || partition.fstype.includes('gocryptfs');
    throw new ContainerError({
      code: 'unsupported',
      step: STEP,
      message: `${printable(sif.path)} holds a root file system of the kind ${partition.fstype}`,
      reason: encrypted ? 'encrypted images are not supported yet' : 'only squashfs is supported',
      fix: encrypted ? 'Build it again without --encrypt' : 'Build it again as an ordinary SIF'
    });
  }
  return { kind: 'squashfs', file: sif.path, offset, size, compression: 'unknown' };
}

async function squashfsSource(path: string, size: number): Promise<SquashfsSource> {
  const offset = squashfsOffset(await readAt(path, 0, SUPERBLOCK));
  if (offset === undefined) {
    // Says what the file looks like instead.
    await readSif(path);
    throw notAnImage(path, 'it is neither a SIF nor a squashfs file');
  }
  return { kind: 'squashfs', file: path, offset, size: size - offset, compression: 'unknown' };
}

/** The key of the pulled image that this very file (by whatever name) is. */
async function pulledKey(store: Store, dev: bigint, ino: bigint): Promise<string | undefined> {
  for (const image of await store.images()) {
    const info = await stat(image.path, { bigint: true }).catch(() => undefined);
    if (info?.dev === dev && info.ino === ino) {
      return image.key;
    }
  }
  return undefined;
}

async function readAt(path: string, position: number, length: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 40);
}

function notAnImage(path: string, reason: string): ContainerError {
  return new ContainerError({
    code: 'not-an-image',
    step: STEP,
    message: `${printable(path)} is no image`,
    reason,
    fix: 'Give a SIF file, a squashfs file or a directory with a root file system'
  });
}
