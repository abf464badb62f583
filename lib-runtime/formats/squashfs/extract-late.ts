// SPDX-License-Identifier: BSD-3-Clause
/** What comes last when an image is unpacked: device nodes and fifos, then the final state of the directories. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, chownSync, renameSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ITreeEntry } from '../tree.ts';

const run = promisify(execFile);

/** Real images have a few dozen at most (an old /dev); each costs a process. */
const MAX_SPECIAL = 1024;

type PathOf = (entry: ITreeEntry) => string | Buffer;

/**
 * Makes device nodes (as root) and fifos with mknod(1), since Node has no call for it.
 * @param directory existing and writable: nodes are made there and renamed, as a program takes no names in odd bytes.
 * @returns the paths that were made, and one phrase for each that was left out.
 */
export async function makeSpecialFiles(
  entries: readonly ITreeEntry[],
  directory: string,
  pathOf: PathOf,
  asRoot: boolean
): Promise<{ made: ReadonlySet<string>; missing: readonly string[] }> {
  const made = new Set<string>();
  const missing: string[] = [];
  const temporary = join(directory, `.nbcontainer-${randomUUID()}`);
  for (const [index, entry] of entries.entries()) {
    const isDevice = entry.type === 'char' || entry.type === 'block';
    if (entry.type === 'socket') {
      missing.push('sockets were left out: they mean nothing without their process');
    } else if (isDevice && !asRoot) {
      missing.push('device nodes were left out: only root can make them');
    } else if (index >= MAX_SPECIAL || !(await make(temporary, entry, isDevice))) {
      missing.push('device nodes or fifos were left out: mknod did not make them');
    } else {
      const path = pathOf(entry);
      renameSync(temporary, path);
      made.add(entry.path);
      if (asRoot) {
        chownSync(path, entry.uid, entry.gid);
      }
      chmodSync(path, asRoot ? entry.mode : (entry.mode & 0o777) | 0o600);
      utimesSync(path, entry.mtime, entry.mtime);
    }
  }
  return { made, missing };
}

async function make(path: string, entry: ITreeEntry, isDevice: boolean): Promise<boolean> {
  const kind = entry.type === 'char' ? 'c' : entry.type === 'block' ? 'b' : 'p';
  const numbers = isDevice ? [String(entry.major ?? 0), String(entry.minor ?? 0)] : [];
  try {
    await run('mknod', ['-m', '600', '--', path, kind, ...numbers]);
    return true;
  } catch {
    return false; // said in a note: no mknod on PATH, or the file system forbids it
  }
}

/** Owner, mode and time of the directories, innermost first: until now they had to be writable. */
export function finishDirectories(entries: readonly ITreeEntry[], pathOf: PathOf, asRoot: boolean): void {
  for (const entry of [...entries].reverse()) {
    const path = pathOf(entry);
    if (asRoot && (entry.uid !== 0 || entry.gid !== 0)) {
      chownSync(path, entry.uid, entry.gid);
    }
    chmodSync(path, asRoot ? entry.mode : (entry.mode & 0o1777) | 0o700);
    utimesSync(path, entry.mtime, entry.mtime);
  }
}
