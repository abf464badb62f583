// SPDX-License-Identifier: BSD-3-Clause
/**
 * Adds a partition to a SIF, at its end, as `apptainer overlay create` does. The file is replaced by a longer copy: the
 * store may have it under another name (a hard link), and an interrupted one leaves the old file as it was.
 */
import { constants } from 'node:fs';
import { chown, copyFile, open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { temporaryBeside } from '../../support/atomic.ts';
import { asContainerError, ContainerError } from '../../support/errors.ts';
import {
  encodePartitionExtra,
  encodeSifDescriptor,
  encodeSifHeader,
  SIF_DEFAULT_GROUP,
  SIF_DESCRIPTOR_SIZE,
  SIF_PARTITION_ALIGNMENT,
  SifType,
  type ISif,
  type ISifPartitionInfo
} from './layout.ts';
import { readSif } from './reader.ts';

const CHUNK = 4 << 20;

export interface IAppendOptions {
  /** Zeros of the partition take no space on the disk. */
  readonly sparse?: boolean;
  /** Seconds since the epoch; default now. */
  readonly time?: number;
}

/**
 * @param content file with the bytes of the partition.
 * @throws ContainerError of readSif, `unsupported` when the table of contents is full, `no-space`.
 */
export async function appendPartition(
  path: string,
  content: string,
  info: ISifPartitionInfo,
  options: IAppendOptions = {}
): Promise<void> {
  const sif = await readSif(path);
  const slot = freeSlot(sif);
  const temporary = temporaryBeside(path);
  try {
    await copyFile(path, temporary, constants.COPYFILE_FICLONE);
    const { uid, gid } = await stat(path);
    await chown(temporary, uid, gid).catch(() => undefined);
    const offset = Math.ceil(sif.size / SIF_PARTITION_ALIGNMENT) * SIF_PARTITION_ALIGNMENT;
    const file = await open(temporary, 'r+');
    try {
      const size = await copyInto(file, offset, content, options.sparse === true);
      const time = options.time ?? Math.floor(Date.now() / 1000);
      const { header } = sif;
      const descriptor = encodeSifDescriptor({
        id: slot + 1,
        type: SifType.partition,
        group: SIF_DEFAULT_GROUP,
        offset,
        size,
        sizeWithPadding: size + offset - sif.size,
        created: time,
        modified: time,
        name: '',
        extra: encodePartitionExtra(info),
        partition: info
      });
      const head = encodeSifHeader({
        ...header,
        modified: time,
        descriptorsFree: header.descriptorsFree - 1,
        dataSize: offset + size - header.dataOffset
      });
      await file.write(descriptor, 0, descriptor.length, header.descriptorsOffset + slot * SIF_DESCRIPTOR_SIZE);
      await file.write(head, 0, head.length, 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    throw asContainerError(error, 'write SIF', `cannot add a partition to ${path}`);
  } finally {
    await rm(temporary, { force: true });
  }
}

function freeSlot({ path, header, descriptors }: ISif): number {
  const used = new Set(descriptors.map(({ id }) => id - 1));
  for (let slot = 0; slot < header.descriptorsTotal; slot++) {
    if (!used.has(slot)) {
      return slot;
    }
  }
  throw new ContainerError({
    code: 'unsupported',
    step: 'write SIF',
    message: `${path} cannot hold another partition`,
    reason: `all ${header.descriptorsTotal} entries of its table of contents are in use`
  });
}

/** Returns the bytes copied. */
async function copyInto(target: FileHandle, offset: number, content: string, sparse: boolean): Promise<number> {
  const source = await open(content, 'r');
  try {
    const { size } = await source.stat();
    await target.truncate(offset + size);
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let at = 0; at < size;) {
      const { bytesRead } = await source.read(buffer, 0, CHUNK, at);
      if (bytesRead === 0) {
        break;
      }
      const part = buffer.subarray(0, bytesRead);
      if (!sparse || part.some(byte => byte !== 0)) {
        await target.write(part, 0, bytesRead, offset + at);
      }
      at += bytesRead;
    }
    return size;
  } finally {
    await source.close();
  }
}
