// SPDX-License-Identifier: BSD-3-Clause
/** Files that appear whole or not at all: written under another name in the same directory, then renamed. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { formatOwner, ownerOf } from './owner.ts';

/** Bytes that are kept of a name: a file name has 255 at most, and who writes it stands behind. */
const KEPT = 120;

/**
 * A name beside `path`, hidden and unique, for a file that will be renamed to it: `.NAME.tmp-OWNER-RANDOM`, so that it
 * can be told whether somebody is still at it (owner.ts).
 */
export function temporaryBeside(path: string): string {
  const owner = ownerOf();
  const writer = owner === undefined ? String(process.pid) : formatOwner(owner);
  return join(dirname(path), `.${firstBytes(basename(path))}.tmp-${writer}-${randomBytes(6).toString('hex')}`);
}

function firstBytes(name: string): string {
  const characters = [...name];
  while (Buffer.byteLength(characters.join('')) > KEPT) {
    characters.pop();
  }
  return characters.join('');
}

/**
 * Writes a whole file atomically; a reader sees the old content or the new, never a part.
 * @param options.mode permission bits of the new file (umask applies), default 0o666
 * @throws the system error as it is; no temporary is left behind
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: { readonly mode?: number; readonly signal?: AbortSignal } = {}
): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    const file = await open(temporary, 'wx', options.mode ?? 0o666);
    try {
      await file.writeFile(data);
      // Without this a power cut may leave the new name with no content on ext4.
      await file.sync();
    } finally {
      await file.close();
    }
    options.signal?.throwIfAborted();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
