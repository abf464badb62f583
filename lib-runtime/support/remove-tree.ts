// SPDX-License-Identifier: BSD-3-Clause
/** Removal of directory trees as images hold them: directories without write or search permission, any depth. */
import { chmod, lstat, opendir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from './errors.ts';

/**
 * Removes a file or a whole tree; a missing one is fine. Symlinks are removed, never followed. Directories that deny
 * their owner access (0555, 0000) are opened up first, which `rm -r` would not do.
 * @returns bytes of disk that were freed: blocks of files whose last name this was
 * @throws the system error of the first entry that cannot be removed (for example one of another uid)
 */
export async function removeTree(path: string): Promise<number> {
  let status;
  try {
    status = await lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      return 0;
    }
    throw error;
  }
  if (!status.isDirectory()) {
    await unlinkForced(path);
    return status.nlink === 1 ? status.blocks * 512 : 0;
  }
  return removeDirectory(path);
}

async function removeDirectory(path: string): Promise<number> {
  // Without these bits the owner can neither list nor empty it; root needs no help and a foreign one fails below.
  await chmod(path, 0o700).catch(() => undefined);
  let freed = 0;
  const directories: string[] = [];
  for await (const entry of await opendir(path, { bufferSize: 256 })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) {
      directories.push(child);
    } else {
      const { nlink, blocks } = await lstat(child);
      await unlinkForced(child);
      freed += nlink === 1 ? blocks * 512 : 0;
    }
  }
  for (const child of directories) {
    freed += await removeDirectory(child);
  }
  await rmdir(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') {
      throw error;
    }
  });
  return freed;
}

async function unlinkForced(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') {
      throw error;
    }
  });
}
