// SPDX-License-Identifier: BSD-3-Clause
/** Who uses an image now: one file per process under `locks/KEY.users/`, named after the process. */
import { randomBytes } from 'node:crypto';
import { readdir, rmdir, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ContainerError, errnoOf } from '../support/errors.ts';
import { formatOwner, ownerOf, ownerState, parseOwner } from '../support/owner.ts';
import type { IOwner } from '../support/owner.ts';
import { makeDirectory } from '../support/make-directory.ts';
import { checkKey } from './layout.ts';

export interface IHold {
  release(): Promise<void>;
}

const HEARTBEAT = 60_000;
/** A user on another machine that has been silent for this long, in milliseconds, is gone. */
const SILENCE = 15 * 60_000;

const SUFFIX = '.users';

/** @param home directory of the store. */
export function usersDirectory(home: string, key: string): string {
  return join(home, 'locks', `${checkKey(key)}${SUFFIX}`);
}

/**
 * Marks an image as in use until released or until process `pid` (default this one) ends: it cannot be removed. Whether
 * its tree is there is to be looked at afterwards.
 * @param home directory of the store, which need not be opened for this.
 */
export async function holdImage(home: string, key: string, pid: number = process.pid): Promise<IHold> {
  return addUser(usersDirectory(home, key), pid);
}

/** Removes the marks of dead processes. @returns bytes freed: none that would count. Never throws. */
export async function sweepUsers(locks: string): Promise<number> {
  const names = await readdir(locks).catch((): string[] => []);
  for (const name of names.filter(other => other.endsWith(SUFFIX))) {
    await liveUsers(join(locks, name)).catch(() => undefined);
  }
  return 0;
}

/** Tries to make a mark while others take away the directory, which they do when it is empty. */
const TRIES = 100;

/**
 * Marks `directory`'s image as used by the process `pid`, which may become another program meanwhile (execve). Needs no
 * lock: who finds the image's tree after this finds one that stays, see removeContent.
 */
async function addUser(directory: string, pid: number): Promise<IHold> {
  const owner = ownerOf(pid);
  if (owner === undefined) {
    throw new ContainerError({ code: 'internal', step: 'store', message: `there is no process ${pid}` });
  }
  const path = join(directory, `${formatOwner(owner)}-${randomBytes(6).toString('hex')}`);
  await writeMark(directory, path);
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT);
  timer.unref();
  return {
    async release() {
      clearInterval(timer);
      await unlink(path).catch(() => undefined);
      await rmdir(directory).catch(() => undefined);
    }
  };
}

async function writeMark(directory: string, path: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await makeDirectory(directory, 0o700);
      return await writeFile(path, '', { mode: 0o600, flag: 'wx' });
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || tries >= TRIES) {
        throw error;
      }
    }
  }
}

/** The live users; files of dead ones are removed. */
export async function liveUsers(directory: string): Promise<IOwner[]> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      return [];
    }
    throw error;
  }
  const live: IOwner[] = [];
  for (const name of names) {
    const path = join(directory, name);
    const owner = parseOwner(name);
    const state = owner === undefined ? 'dead' : ownerState(owner);
    if (owner !== undefined && (state === 'alive' || (state === 'elsewhere' && (await recent(path))))) {
      live.push(owner);
    } else {
      await unlink(path).catch(() => undefined);
    }
  }
  if (live.length === 0) {
    await rmdir(directory).catch(() => undefined);
  }
  return live;
}

async function recent(path: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs < SILENCE;
  } catch {
    return false;
  }
}
