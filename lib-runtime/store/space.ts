// SPDX-License-Identifier: BSD-3-Clause
/** Free disk space, asked before anything is written. */
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ContainerError, errnoOf } from '../support/errors.ts';

/** Bytes that this user may still write at `path`, or at its nearest parent that exists. Quotas are not seen. */
export async function freeSpaceAt(path: string): Promise<number> {
  for (let directory = path; ; directory = dirname(directory)) {
    try {
      const { bavail, bsize } = await statfs(directory);
      return bavail * bsize;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || dirname(directory) === directory) {
        throw error;
      }
    }
  }
}

/** @throws ContainerError 'no-space' when fewer than `bytes` are free at `path`. `what` is a noun: `the image`. */
export async function assertSpaceAt(path: string, bytes: number, what: string): Promise<void> {
  const free = await freeSpaceAt(path);
  if (free < bytes) {
    throw new ContainerError({
      code: 'no-space',
      step: 'space',
      message: `${what} needs ${formatBytes(bytes)}, but only ${formatBytes(free)} are free in ${path}`,
      fix: 'Free some space (nbcontainer images, nbcontainer rm) or set NBCONTAINER_HOME to a larger disk'
    });
  }
}

/** `1.5 GB`: decimal units, as disks are sold and `df -H` prints. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : Number(value.toPrecision(3))} ${units[unit] ?? ''}`;
}
