// SPDX-License-Identifier: BSD-3-Clause
/** The private directory of one run under PRoot: generated files that it binds. Swept when its run was killed. */
import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ITemporaryDirectory, makeTemporaryDirectory, sweep } from '../store/temporary.ts';
import { ownerOf, ownerState, parseOwner } from '../support/owner.ts';
import { removeTree } from '../support/remove-tree.ts';

const PREFIX = 'nbcontainer';
/** In the directory: the process id of its PRoot. */
const TRACER = 'proot.pid';
/** Where PRoot 5.1 makes files of its own, `proot-PID-XXXXXX` and `prooted-PID-XXXXXX`; it cannot be told otherwise. */
const PROOT_PLACE = '/tmp';

/**
 * A directory of mode 0700 in `parent`; removes those that killed runs of this user have left there.
 *
 * @throws ContainerError when /proc does not show this process, and system errors when `parent` cannot be written.
 */
export async function makeScratch(parent: string = tmpdir()): Promise<ITemporaryDirectory> {
  const tracers: number[] = [];
  await sweep(parent, name => {
    const leftover = isLeftover(parent, name);
    if (leftover) {
      tracers.push(...tracerOf(join(parent, name)));
    }
    return leftover;
  });
  await removeFilesOf(tracers);
  return makeTemporaryDirectory(parent, PREFIX);
}

/** Remembers whose files are to be removed should this run be killed. Best effort: they are a few kilobytes. */
export function recordTracer(scratch: string, pid: number): void {
  try {
    writeFileSync(join(scratch, TRACER), String(pid));
  } catch {
    // A full disk stops what needs the space, not this.
  }
}

function tracerOf(scratch: string): number[] {
  try {
    return [Number(readFileSync(join(scratch, TRACER), 'utf8'))].filter(pid => Number.isInteger(pid) && pid > 0);
  } catch {
    return [];
  }
}

/** What PRoot processes that were killed have left; the ids are of this pid namespace, as their starters were. */
async function removeFilesOf(tracers: readonly number[]): Promise<void> {
  const dead = new Set(tracers.filter(pid => ownerOf(pid) === undefined));
  const names = dead.size === 0 ? [] : readdirSync(PROOT_PLACE);
  for (const name of names) {
    const pid = /^proot(?:ed)?-(\d+)-\w{6}$/.exec(name)?.[1];
    const path = join(PROOT_PLACE, name);
    if (pid !== undefined && dead.has(Number(pid)) && isOurs(path)) {
      await removeTree(path).catch(() => undefined);
    }
  }
}

function isOurs(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.uid === process.geteuid?.();
}

function isLeftover(parent: string, name: string): boolean {
  const owner = name.startsWith(`${PREFIX}-`) ? parseOwner(name) : undefined;
  const path = join(parent, name);
  // Nobody else's in a /tmp for all; and a container may outlive the process that started it.
  return owner !== undefined && ownerState(owner) === 'dead' && isOurs(path) && !isMentioned(path);
}

/** Whether a process has the path in its arguments, as PRoot has those of all that it binds. */
function isMentioned(path: string): boolean {
  return readdirSync('/proc').some(name => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(path);
    } catch {
      return false; // it ended meanwhile
    }
  });
}
