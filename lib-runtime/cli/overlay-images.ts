// SPDX-License-Identifier: BSD-3-Clause
/** Which paths of --overlay are images: told by what they begin with, not by their names. */
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { IRunSpec } from '../run/spec.ts';

/** Where an ext2, ext3 or ext4 superblock has its magic number (fs/ext4/ext4.h). */
const MAGIC_OFFSET = 1024 + 56;
const MAGIC = 0xef53;

/** The spec with the kind of each overlay that is an image; what cannot be read is left to the planner. */
export async function withOverlayImages(spec: IRunSpec): Promise<IRunSpec> {
  if (spec.overlays.length === 0) {
    return spec;
  }
  const overlays = await Promise.all(
    spec.overlays.map(async overlay =>
      (await isExt(resolve(overlay.path))) ? { ...overlay, image: 'ext3' as const } : overlay
    )
  );
  return { ...spec, overlays };
}

/** Whether a file holds a file system of the ext family. */
export async function isExt(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, MAGIC_OFFSET);
      return bytesRead === 2 && buffer.readUInt16LE() === MAGIC;
    } finally {
      await file.close();
    }
  } catch {
    return false; // a directory, or nothing at all
  }
}
