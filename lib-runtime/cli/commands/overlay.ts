// SPDX-License-Identifier: BSD-3-Clause
/** overlay create: an ext3 file system for --overlay in a file or in a SIF, laid out as Apptainer does. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, open, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, normalize, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type ISif, SifType } from '../../formats/sif/layout.ts';
import { temporaryBeside } from '../../support/atomic.ts';
import { asContainerError, ContainerError } from '../../support/errors.ts';
import { isExt } from '../overlay-images.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const LEAST = 64;

export interface IOverlayValues {
  /** MiB. */
  readonly size: string;
  readonly sparse?: boolean;
  readonly createDir?: readonly string[];
}

/** @throws ContainerError `usage`, `exists`, `unsupported` without mkfs.ext3, `no-space`; leaves nothing half-made */
export async function overlayCreateCommand(path: string, values: IOverlayValues): Promise<number> {
  const size = sizeOf(values.size);
  const image = resolve(path);
  const sif = await sifToExtend(image);
  // A user's PATH often lacks the directories of an administrator.
  const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  const mkfs = directories.map(directory => join(directory, 'mkfs.ext3')).find(existsSync);
  if (mkfs === undefined) {
    throw new ContainerError({
      code: 'unsupported',
      step: 'overlay',
      message: 'overlay images cannot be made here',
      reason: 'there is no mkfs.ext3 on PATH',
      fix: 'Install e2fsprogs, or use a directory for --overlay'
    });
  }
  const content = await mkdtemp(join(tmpdir(), 'nbcontainer-overlay-'));
  const temporary = temporaryBeside(image);
  try {
    for (const name of ['upper', 'work', ...(values.createDir ?? []).map(insideUpper)]) {
      await mkdir(join(content, name), { recursive: true, mode: 0o755 });
    }
    await chmod(content, 0o755);
    await fill(temporary, size, values.sparse === true);
    await run(mkfs, ['-q', '-F', '-d', content, temporary]);
    if (sif === undefined) {
      await rename(temporary, image);
    } else {
      const { appendPartition } = await import('../../formats/sif/append.ts');
      const info = { fstype: 'ext3', parttype: 'overlay', arch: sif.header.arch } as const;
      await appendPartition(image, temporary, info, { sparse: values.sparse === true });
    }
  } catch (error) {
    throw asContainerError(error, 'overlay', `cannot write ${path}`);
  } finally {
    await rm(temporary, { force: true });
    await rm(content, { recursive: true, force: true });
  }
  return 0;
}

function sizeOf(text: string): number {
  const size = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (Number.isNaN(size)) {
    throw usage('flag', `invalid argument "${text}" for --size: it is no number of MiB`);
  }
  if (size < LEAST) {
    throw usage('overlay', `image size must be equal or greater than ${LEAST} MiB`);
  }
  return size;
}

function usage(step: string, message: string): ContainerError {
  return new ContainerError({ code: 'usage', step, message, fix: 'Write --size 1024 for a gibibyte' });
}

/** The SIF that gets the partition; undefined for a name that is free. */
async function sifToExtend(image: string): Promise<ISif | undefined> {
  const found = await stat(image).catch(() => undefined);
  if (found === undefined) {
    return undefined;
  }
  const { isSif, readSif } = await import('../../formats/sif/reader.ts');
  if (!found.isFile() || !(await isSif(image))) {
    const ext = await isExt(image);
    throw refused(
      ext ? `EXT3 overlay image ${image} already exists` : `${image} already exists`,
      'nothing is overwritten, and of images only a SIF can hold an overlay',
      'Give another name'
    );
  }
  const sif = await readSif(image);
  const own = sif.descriptors.find(({ partition }) => partition?.parttype === 'overlay');
  if (own !== undefined) {
    const message = `a writable overlay partition already exists in ${image} (ID: ${own.id})`;
    throw refused(message, 'there can be one only', 'Use it with --writable');
  }
  if (sif.descriptors.some(({ type }) => type === SifType.signature)) {
    throw refused(
      `SIF image ${image} is signed: could not add writable overlay`,
      'its signature would no longer be that of the whole image',
      'Make a file of its own for --overlay'
    );
  }
  return sif;
}

function refused(message: string, reason: string, fix: string): ContainerError {
  return new ContainerError({ code: 'exists', step: 'overlay', message, reason, fix });
}

/** Below `upper`, wherever dots lead. */
function insideUpper(path: string): string {
  return join('upper', normalize(`/${path}`));
}

/** A file of this size: with its blocks unless it is to be sparse, so that a full disk is met now and not later. */
async function fill(path: string, sizeMiB: number, sparse: boolean): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    if (sparse) {
      await file.truncate(sizeMiB * MIB);
    } else {
      const zeros = Buffer.alloc(4 * MIB);
      for (let left = sizeMiB * MIB; left > 0; left -= zeros.length) {
        await file.write(zeros, 0, Math.min(left, zeros.length));
      }
    }
  } finally {
    await file.close();
  }
}
