// SPDX-License-Identifier: BSD-3-Clause
/**
 * Locks between processes as plain directories, for Node has no flock(2) and not every network file system honours it.
 *
 * A lock is the directory `NAME.lock` with one file in it, named after its holder. It is taken by renaming a prepared
 * directory onto that name: rename(2) replaces an absent or an empty directory and fails with ENOTEMPTY otherwise, so
 * one process wins. It is given back by removing the holder's file. A stale lock is broken by removing *that* dead
 * holder's file by its name: whoever comes late with the same finding hits ENOENT and cannot remove the lock of a new
 * holder. Nothing depends on the content of a file, so a kill at any point leaves a lock that is held by a dead
 * process, or a `.take-` directory that the next sweep removes.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rmdir, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { asContainerError, ContainerError, errnoOf } from './errors.ts';
import { formatOwner, ownerOf, ownerState, parseOwner } from './owner.ts';
import type { IOwner } from './owner.ts';

export interface ILockOptions {
  readonly signal?: AbortSignal;
  /** Called once when the lock is held by someone else and the wait begins. */
  readonly onWait?: (holder: IOwner) => void;
  /** Milliseconds without a sign of life after which a holder on another machine counts as dead; default 60 s. */
  readonly silence?: number;
}

export interface IHeldLock {
  release(): Promise<void>;
}

/** A holder proves that it lives by touching its file this often, in milliseconds. */
const HEARTBEAT = 10_000;
/** A holder that cannot be looked up (another machine) counts as dead after this time without a touch. */
const SILENCE = 60_000;
const SUFFIX = '.lock';
const FIRST_WAIT = 5;
const LONGEST_WAIT = 250;

/** Files of this process that stand for nothing any more but could not be removed (an error of the disk). */
const givenBack = new Set<string>();

/** What a waiter has seen of holders on other machines, by file name. */
interface IWatch {
  readonly silence: number;
  readonly sightings: Map<string, { readonly mtimeMs: number; readonly since: number }>;
}

/**
 * Takes the lock `name` in `directory` when nobody alive holds it.
 * @returns the lock, or the present holder
 * @throws ContainerError when the directory cannot be written
 */
export async function tryLock(directory: string, name: string): Promise<IHeldLock | IOwner> {
  try {
    return (await attempt(directory, name, { silence: SILENCE, sightings: new Map() })).result;
  } catch (error) {
    throw asContainerError(error, 'lock', `cannot lock ${name} in ${directory}`);
  }
}

/**
 * Waits for the lock. Not re-entrant: a second take in the same process waits for the first.
 * @throws ContainerError 'cancelled' on abort; system errors of the directory
 */
export async function takeLock(directory: string, name: string, options: ILockOptions = {}): Promise<IHeldLock> {
  const watch = { silence: options.silence ?? SILENCE, sightings: new Map() };
  let waited = false;
  for (let wait = FIRST_WAIT; ; wait = Math.min(wait * 1.5, LONGEST_WAIT)) {
    try {
      options.signal?.throwIfAborted();
      const { result } = await attempt(directory, name, watch);
      if (isHeld(result)) {
        return result;
      }
      if (!waited) {
        waited = true;
        options.onWait?.(result);
      }
      await sleep(wait, undefined, options.signal ? { signal: options.signal } : {});
    } catch (error) {
      if (options.signal?.aborted) {
        throw new ContainerError({ code: 'cancelled', step: 'lock', message: 'cancelled while waiting', cause: error });
      }
      throw asContainerError(error, 'lock', `cannot lock ${name} in ${directory}`);
    }
  }
}

/** Runs `task` while the lock is held and gives it back however the task ends. */
export async function withLock<T>(
  directory: string,
  name: string,
  task: () => Promise<T>,
  options: ILockOptions = {}
): Promise<T> {
  const lock = await takeLock(directory, name, options);
  try {
    return await task();
  } finally {
    await lock.release();
  }
}

/**
 * Removes the locks in `directory` that dead processes have left: each is held by nobody as it is, but a store fills
 * with them. @returns bytes freed: none that would count. Never throws.
 */
export async function sweepLocks(directory: string): Promise<number> {
  const names = await readdir(directory).catch((): string[] => []);
  for (const name of names.filter(other => other.endsWith(SUFFIX))) {
    const lock = join(directory, name);
    const holder = await currentHolder(lock, { silence: SILENCE, sightings: new Map() }).catch(() => true);
    if (holder === undefined) {
      // Fails when somebody has taken it meanwhile, and must.
      await rmdir(lock).catch(() => undefined);
    }
  }
  return 0;
}

export function isHeld(result: IHeldLock | IOwner): result is IHeldLock {
  return 'release' in result;
}

async function attempt(directory: string, name: string, watch: IWatch): Promise<{ result: IHeldLock | IOwner }> {
  const lock = join(directory, `${name}${SUFFIX}`);
  const holder = await currentHolder(lock, watch);
  if (holder !== undefined) {
    return { result: holder };
  }
  const self = ownerOf();
  if (self === undefined) {
    throw new ContainerError({ code: 'internal', step: 'lock', message: '/proc does not show this process' });
  }
  const token = `${formatOwner(self)}-${randomBytes(6).toString('hex')}`;
  const prepared = join(directory, `.take-${token}`);
  await mkdir(prepared, { mode: 0o700 });
  try {
    await (await open(join(prepared, token), 'wx', 0o600)).close();
    await rename(prepared, lock);
  } catch (error) {
    await unlink(join(prepared, token)).catch(() => undefined);
    await rmdir(prepared).catch(() => undefined);
    // Over NFS a repeated rename may fail although the first one was done: what counts is whose file is there.
    if (!(await exists(join(lock, token)))) {
      if (['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) {
        return { result: (await currentHolder(lock, watch)) ?? self };
      }
      throw error;
    }
  }
  return { result: heldLock(lock, token) };
}

function heldLock(lock: string, token: string): IHeldLock {
  const path = join(lock, token);
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT);
  timer.unref();
  let released = false;
  return {
    async release() {
      if (!released) {
        released = true;
        clearInterval(timer);
        await remove(path).catch(() => givenBack.add(token));
        // Leaves no litter; fails when the next holder is there already, and must.
        await rmdir(lock).catch(() => undefined);
      }
    }
  };
}

/** The holder that counts as alive; files of dead ones are removed on the way. */
async function currentHolder(lock: string, watch: IWatch): Promise<IOwner | undefined> {
  let names: string[];
  try {
    names = await readdir(lock);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  for (const name of names) {
    const owner = parseOwner(name);
    const state = owner === undefined || givenBack.has(name) ? 'dead' : ownerState(owner);
    if (owner !== undefined && (state === 'alive' || (state === 'elsewhere' && !(await silent(lock, name, watch))))) {
      return owner;
    }
    // One that stays would be waited for without end.
    await remove(join(lock, name));
  }
  return undefined;
}

/**
 * Whether a holder elsewhere has not touched its file for so long by *our* clock; the clocks of two machines are
 * never compared, so the first look always says no.
 */
async function silent(lock: string, name: string, watch: IWatch): Promise<boolean> {
  let mtimeMs: number;
  try {
    ({ mtimeMs } = await stat(join(lock, name)));
  } catch {
    return false;
  }
  const seen = watch.sightings.get(name);
  if (seen === undefined || seen.mtimeMs !== mtimeMs) {
    watch.sightings.set(name, { mtimeMs, since: performance.now() });
    return false;
  }
  return performance.now() - seen.since > watch.silence;
}

/** A file that is gone is fine. @throws the system error */
async function remove(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') {
      throw error;
    }
  });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false
  );
}
