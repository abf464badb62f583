// SPDX-License-Identifier: BSD-3-Clause
/**
 * Makes an unpacked tree one that a container cannot write although nothing but the owner and mode of its files
 * protects it (PRoot has no read-only mounts).
 */
import { chmodSync, lchownSync, lstatSync, readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { decodeName, fsPath } from '../formats/names.ts';
import { asContainerError } from '../support/errors.ts';
import { throwIfCancelled } from './cancel.ts';

const STEP = 'unpack';
const SLICE = 1000;

/**
 * Owner of the files of a sealed tree: nobody's id. Debian's policy (9.2.2) keeps 65000-65533 unused; a container is
 * started without the capability to take another id.
 */
export const RESERVED_UID = 65389;
/** Group of the files: the one of root, which may read what their owner could. */
const GROUP = 0;

/** Permissions in a sealed tree. Pure. */
export function sealedMode(mode: number, asRoot: boolean): number {
  if (!asRoot) {
    return mode & 0o7777 & ~0o6222;
  }
  // Root reads by its group now: it gets what the owner had, but for writing. Set-id bits would lend a foreign id.
  return (mode & 0o1755) | ((mode & 0o500) >> 3);
}

export interface ISealOptions {
  /** We may give files away: they get RESERVED_UID. Otherwise they stay ours and lose all write permission. */
  readonly asRoot: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Seals a tree that nobody uses yet; all but its top directory, which has to be movable until `sealTop`.
 * @throws ContainerError `cancelled`, `permission` and other errors of the file system.
 */
export async function sealTree(root: string, { asRoot, signal }: ISealOptions): Promise<void> {
  try {
    const pending = [''];
    let count = 0;
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      for (const name of readdirSync(full(root, at), { encoding: 'buffer' })) {
        const path = at === '' ? decodeName(name) : `${at}/${decodeName(name)}`;
        if (sealOne(full(root, path), asRoot)) {
          pending.push(path);
        }
        count += 1;
        if (count % SLICE === 0) {
          throwIfCancelled(signal, STEP);
          await setImmediate();
        }
      }
    }
  } catch (error) {
    throw asContainerError(error, STEP, `cannot seal the tree ${root}`);
  }
}

/** Seals the top directory: a directory without write permission cannot be moved by its owner. */
export function sealTop(root: string, asRoot: boolean): void {
  try {
    sealOne(root, asRoot);
  } catch (error) {
    throw asContainerError(error, STEP, `cannot seal the tree ${root}`);
  }
}

/** True for a directory. */
function sealOne(path: string | Buffer, asRoot: boolean): boolean {
  const stat = lstatSync(path);
  if (asRoot) {
    lchownSync(path, RESERVED_UID, GROUP);
  }
  if (!stat.isSymbolicLink()) {
    chmodSync(path, sealedMode(stat.mode, asRoot));
  }
  return stat.isDirectory();
}

function full(root: string, path: string): string | Buffer {
  return fsPath(path === '' ? root : `${root}/${path}`);
}
