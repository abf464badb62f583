// SPDX-License-Identifier: BSD-3-Clause
/** Who uses an image now: one file per process under `locks/KEY.users/`, named after the process. */
import { randomBytes } from 'node:crypto';
import { readdir, rmdir, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ContainerError, errnoOf } from '../support/errors.ts';
import { formatOwner, ownerOf, ownerState, parseOwner } from '../support/owner.ts';
import type { IOwner } from '../support/owner.ts';
import { makeDirectory } from '../support/make-directory.ts';

export interface IHold {
  release(): Promise<void>;
}

const HEARTBEAT = 60_000;
/** A user on another machine that has been silent for this long, in milliseconds, is gone. */
const SILENCE = 15 * 60_000;

/** Marks `directory`'s image as used by the process `pid`. The caller holds the image's lock. */
export async function addUser(directory: string, pid: number): Promise<IHold> {
  const owner = ownerOf(pid);
  if (owner === undefined) {
    throw new ContainerError({ code: 'internal', step: 'store', message: `there is no process ${pid}` });
  }
  await makeDirectory(directory, 0o700);
  const path = join(directory, `${formatOwner(owner)}-${randomBytes(6).toString('hex')}`);
  await writeFile(path, '', { mode: 0o600, flag: 'wx' });
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

/** The live users; files of dead ones are removed. The caller holds the image's lock. */
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
