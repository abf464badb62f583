// SPDX-License-Identifier: BSD-3-Clause
/** Makes the merged view of an unpacked tree on disk: files are hard links, so it costs no space (see merged-view.ts). */
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
  symlinkSync,
  utimesSync,
  type Stats
} from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { decodeName, fsPath } from '../formats/names.ts';
import { inodeOf } from './inode.ts';
import { asContainerError, errnoOf } from '../support/errors.ts';
import type { ProgressListener } from '../support/progress.ts';
import { throwIfCancelled } from './cancel.ts';
import { planMergedView, type IMergedNode, type ITreeNode } from './merged-view.ts';

const STEP = 'unpack';
/** Entries between two looks at the signal; the loop of events turns in between. */
const SLICE = 1000;

export interface IMergeOptions {
  /** Restore owners of directories and symlinks, which are made anew. */
  readonly asRoot: boolean;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

/**
 * Makes `target` (which must not exist) from the tree `source`. Files are hard links where that is possible, else
 * reflinks or copies. The caller removes `target` on failure.
 * @returns what could not be kept.
 * @throws ContainerError `no-space`, `permission`, `cancelled`.
 */
export async function makeMergedTree(
  source: string,
  target: string,
  options: IMergeOptions
): Promise<{ readonly notes: readonly string[] }> {
  try {
    const { nodes, notes } = planMergedView(await listTree(source, options.signal));
    const farm = new Farm(source, target, options.asRoot);
    farm.begin();
    for (const [index, node] of nodes.entries()) {
      if (index % SLICE === 0) {
        throwIfCancelled(options.signal, STEP);
        options.onProgress?.({ phase: 'unpack', done: index, total: nodes.length, unit: 'entries' });
        await setImmediate();
      }
      farm.add(node);
    }
    farm.finish(nodes);
    return { notes };
  } catch (error) {
    throw asContainerError(error, STEP, `cannot make the merged tree ${target}`);
  }
}

/** All entries of a tree but its root, parents first. */
export async function listTree(root: string, signal?: AbortSignal): Promise<ITreeNode[]> {
  const nodes: ITreeNode[] = [];
  const pending = [''];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const name of readdirSync(full(root, at), { encoding: 'buffer' })) {
      const path = at === '' ? decodeName(name) : `${at}/${decodeName(name)}`;
      const stat = lstatSync(full(root, path));
      nodes.push({ path, ...describe(stat, root, path) });
      if (stat.isDirectory()) {
        pending.push(path);
      }
      if (nodes.length % SLICE === 0) {
        throwIfCancelled(signal, STEP);
        await setImmediate();
      }
    }
  }
  return nodes;
}

function describe(stat: Stats, root: string, path: string): Omit<ITreeNode, 'path'> {
  if (stat.isSymbolicLink()) {
    return { type: 'symlink', target: decodeName(readlinkSync(full(root, path), { encoding: 'buffer' })) };
  }
  const type = stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'other';
  return { type, ...(stat.nlink > 1 && type === 'file' && { inode: inodeOf(full(root, path)) }) };
}

class Farm {
  readonly #source: string;
  readonly #target: string;
  readonly #asRoot: boolean;
  #links = true;

  constructor(source: string, target: string, asRoot: boolean) {
    this.#source = source;
    this.#target = target;
    this.#asRoot = asRoot;
  }

  begin(): void {
    mkdirSync(this.#target, 0o700);
  }

  add({ path, type, from, target }: IMergedNode): void {
    const place = full(this.#target, path);
    switch (type) {
      case 'directory':
        return mkdirSync(place, 0o700);
      case 'symlink':
        symlinkSync(fsPath(target ?? ''), place);
        return from === undefined ? undefined : this.#copyTimes(from, place);
      default:
        return this.#link(full(this.#source, from ?? ''), place);
    }
  }

  /** Modes, owners and times of directories, from the innermost outwards. */
  finish(nodes: readonly IMergedNode[]): void {
    const directories = nodes.filter(({ type }) => type === 'directory').reverse();
    for (const { path, from } of [...directories, { path: '', from: '' }]) {
      const place = full(this.#target, path);
      const stat = from === undefined ? undefined : lstatSync(full(this.#source, from));
      if (stat && this.#asRoot) {
        lchownSync(place, stat.uid, stat.gid);
      }
      chmodSync(place, stat ? stat.mode & 0o7777 : 0o755);
      if (stat) {
        utimesSync(place, stat.atime, stat.mtime);
      }
    }
  }

  #copyTimes(from: string, place: string | Buffer): void {
    const stat = lstatSync(full(this.#source, from));
    if (this.#asRoot) {
      lchownSync(place, stat.uid, stat.gid);
    }
    lutimesSync(place, stat.atime, stat.mtime);
  }

  /** Another file system, too many links or somebody else's files: the rest of the tree is copied. */
  #link(source: string | Buffer, place: string | Buffer): void {
    if (this.#links) {
      try {
        return linkSync(source, place);
      } catch (error) {
        const errno = errnoOf(error) ?? '';
        if (!['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP'].includes(errno)) {
          throw error;
        }
        this.#links = errno === 'EMLINK';
      }
    }
    const stat = lstatSync(source);
    if (!stat.isFile()) {
      return;
    }
    copyFileSync(source, place, constants.COPYFILE_FICLONE);
    if (this.#asRoot) {
      lchownSync(place, stat.uid, stat.gid);
    }
    chmodSync(place, stat.mode & 0o7777);
    utimesSync(place, stat.atime, stat.mtime);
  }
}

function full(root: string, path: string): string | Buffer {
  return fsPath(path === '' ? root : `${root}/${path}`);
}
