// SPDX-License-Identifier: BSD-3-Clause
/** Copies an unpacked tree: reflinks where the file system has them, so that such a copy costs no space. */
import {
  chmodSync,
  constants,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  type Stats
} from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { decodeName, fsPath } from '../formats/names.ts';
import { inodeOf } from './inode.ts';
import { asContainerError, printable } from '../support/errors.ts';
import type { ProgressListener } from '../support/progress.ts';
import { throwIfCancelled } from './cancel.ts';

const STEP = 'copy';
const SLICE = 500;

export interface ICopyOptions {
  /** Restore owners, and set-id bits with them. */
  readonly asRoot: boolean;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

interface IEntry {
  readonly path: string;
  readonly stat: Stats;
}

export interface ITreeSurvey {
  readonly root: string;
  /** Parents first; the tree's own root is the first. */
  readonly entries: readonly IEntry[];
  /** Bytes of disk that its files take, each counted once. */
  readonly bytes: number;
}

/** Looks at every entry of a tree. @throws ContainerError `permission`, `cancelled`. */
export async function surveyTree(root: string, signal?: AbortSignal): Promise<ITreeSurvey> {
  try {
    const entries: IEntry[] = [{ path: '', stat: lstatSync(root) }];
    const counted = new Set<string>();
    let bytes = 0;
    // The list grows while it is walked: directories are read in the order in which they were found.
    for (const { path: parent, stat: directory } of entries) {
      if (!directory.isDirectory()) {
        continue;
      }
      for (const name of readdirSync(full(root, parent), { encoding: 'buffer' })) {
        const path = parent === '' ? decodeName(name) : `${parent}/${decodeName(name)}`;
        const stat = lstatSync(full(root, path));
        entries.push({ path, stat });
        const known = stat.nlink === 1 || stat.isDirectory() ? undefined : inodeOf(full(root, path));
        if (known === undefined || !counted.has(known)) {
          bytes += stat.blocks * 512;
        }
        if (known !== undefined) {
          counted.add(known);
        }
      }
      if (entries.length % SLICE === 0) {
        throwIfCancelled(signal, STEP);
        await setImmediate();
      }
    }
    return { root, entries, bytes };
  } catch (error) {
    throw asContainerError(error, STEP, `cannot read ${printable(root)}`);
  }
}

/** Whether copies of files of `root` in `directory` can share their blocks; tried with one file. */
export function sharesBlocks({ root, entries }: ITreeSurvey, directory: string): boolean {
  const file = entries.find(({ stat }) => stat.isFile() && stat.size > 0);
  if (file === undefined) {
    return false;
  }
  const trial = `${directory}/reflink`;
  try {
    copyFileSync(full(root, file.path), trial, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(trial, { force: true });
  }
}

/**
 * Copies a surveyed tree to `target`, which must not exist. Hard links stay hard links. The caller removes `target` on
 * failure.
 * @returns what could not be copied, each said once.
 * @throws ContainerError `no-space`, `permission`, `cancelled`.
 */
export async function copyTree(
  { root, entries }: ITreeSurvey,
  target: string,
  options: ICopyOptions
): Promise<readonly string[]> {
  const links = new Map<string, string>();
  let special = 0;
  try {
    for (const [index, { path, stat }] of entries.entries()) {
      const [from, to] = [full(root, path), full(target, path)];
      if (stat.isDirectory()) {
        mkdirSync(to, 0o700);
      } else if (stat.isSymbolicLink()) {
        symlinkSync(readlinkSync(from, { encoding: 'buffer' }), to);
        finish(to, stat, options.asRoot);
      } else if (!stat.isFile()) {
        special += 1;
      } else {
        const inode = stat.nlink > 1 ? inodeOf(from) : undefined;
        const known = inode === undefined ? undefined : links.get(inode);
        if (known !== undefined) {
          linkSync(full(target, known), to);
        } else {
          if (inode !== undefined) {
            links.set(inode, path);
          }
          copyFileSync(from, to, constants.COPYFILE_FICLONE);
          finish(to, stat, options.asRoot);
        }
      }
      if (index % SLICE === 0) {
        throwIfCancelled(options.signal, STEP);
        options.onProgress?.({ phase: 'unpack', done: index, total: entries.length, unit: 'entries' });
        await setImmediate();
      }
    }
    // Innermost first: until now they had to be writable, and their times would have changed.
    for (const { path, stat } of [...entries].reverse().filter(entry => entry.stat.isDirectory())) {
      finish(full(target, path), stat, options.asRoot);
    }
  } catch (error) {
    throw asContainerError(error, STEP, `cannot copy ${printable(root)}`);
  }
  options.onProgress?.({ phase: 'unpack', done: entries.length, total: entries.length, unit: 'entries' });
  return special === 0 ? [] : [`${special} device nodes, pipes or sockets were not copied`];
}

function finish(place: string | Buffer, stat: Stats, asRoot: boolean): void {
  if (asRoot) {
    lchownSync(place, stat.uid, stat.gid);
  }
  if (stat.isSymbolicLink()) {
    lutimesSync(place, stat.atime, stat.mtime);
    return;
  }
  // A copy of one's own is for writing; a set-id bit without its owner would lend ours.
  chmodSync(place, asRoot ? stat.mode & 0o7777 : (stat.mode & 0o1777) | 0o600 | (stat.isDirectory() ? 0o100 : 0));
  utimesSync(place, stat.atime, stat.mtime);
}

function full(root: string, path: string): string | Buffer {
  return fsPath(path === '' ? root : `${root}/${path}`);
}
