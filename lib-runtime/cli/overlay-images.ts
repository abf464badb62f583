// SPDX-License-Identifier: BSD-3-Clause
/** Which paths of --overlay are images: told by what they begin with, not by their names. */
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { IOverlay, IRunSpec } from '../run/spec.ts';

/** Where an ext2, ext3 or ext4 superblock has its magic number (fs/ext4/ext4.h). */
const EXT_OFFSET = 1024 + 56;
const EXT_MAGIC = 0xef53;
/** The first bytes of a little-endian squashfs (fs/squashfs/squashfs_fs.h). */
const SQUASHFS_MAGIC = 'hsqs';
/** Where a SIF has its magic number (formats/sif/layout.ts). */
const SIF_OFFSET = 32;
const SIF_MAGIC = 'SIF_MAGIC';

/** The spec with the kind of each overlay that is an image; what cannot be read is left to the planner. */
export async function withOverlayImages(spec: IRunSpec): Promise<IRunSpec> {
  if (spec.overlays.length === 0) {
    return spec;
  }
  const overlays = await Promise.all(
    spec.overlays.map(async overlay => {
      const image = await imageOf(resolve(overlay.path));
      return image === undefined ? overlay : { ...overlay, image };
    })
  );
  return { ...spec, overlays };
}

async function imageOf(path: string): Promise<IOverlay['image']> {
  const head = await headOf(path);
  if (isExtHead(head)) {
    return { fileSystem: 'ext3', offset: 0, size: 0 };
  }
  if (head.toString('latin1', 0, SQUASHFS_MAGIC.length) === SQUASHFS_MAGIC) {
    return { fileSystem: 'squashfs', offset: 0, size: 0 };
  }
  return head.toString('latin1', SIF_OFFSET, SIF_OFFSET + SIF_MAGIC.length) === SIF_MAGIC ? sifLayer(path) : undefined;
}

/** The overlay partition of a SIF as Apptainer takes it; of one without, its data or its root file system. */
async function sifLayer(path: string): Promise<IOverlay['image']> {
  const { readSif } = await import('../formats/sif/reader.ts');
  const { descriptors } = await readSif(path);
  for (const wanted of ['overlay', 'data', 'primary']) {
    for (const { partition, offset, size } of descriptors) {
      const fileSystem = partition?.fstype;
      if (partition?.parttype === wanted && (fileSystem === 'squashfs' || fileSystem === 'ext3')) {
        return { fileSystem, offset, size };
      }
    }
  }
  return undefined;
}

/** Whether a file holds a file system of the ext family. */
export async function isExt(path: string): Promise<boolean> {
  return isExtHead(await headOf(path));
}

function isExtHead(head: Buffer): boolean {
  return head.length >= EXT_OFFSET + 2 && head.readUInt16LE(EXT_OFFSET) === EXT_MAGIC;
}

/** The first two kilobytes; none of a directory, or of nothing at all. */
async function headOf(path: string): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(2048), 0, 2048, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return Buffer.alloc(0);
  }
}
