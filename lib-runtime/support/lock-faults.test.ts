// SPDX-License-Identifier: BSD-3-Clause
/** Locks on a disk that fails: unlink(2) is made to say EIO. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { isHeld, takeLock, tryLock } from './lock.ts';

const disk = vi.hoisted(() => ({ failures: 0 }));
vi.mock('node:fs/promises', async load => {
  const real = await load<typeof import('node:fs/promises')>();
  const unlink: typeof real.unlink = path =>
    disk.failures-- > 0 ? Promise.reject(Object.assign(new Error('i/o error'), { code: 'EIO' })) : real.unlink(path);
  return { ...real, unlink };
});

let directory: string;
beforeEach(async () => {
  disk.failures = 0;
  directory = await mkdtemp(join(tmpdir(), 'nbc-lock-faults-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

it('a lock that could not be given back does not keep out its own process', async () => {
  const first = await takeLock(directory, 'x');
  disk.failures = 1;
  await first.release();
  const second = await tryLock(directory, 'x');
  expect(isHeld(second)).toBe(true);
  if (isHeld(second)) {
    expect(isHeld(await tryLock(directory, 'x'))).toBe(false);
    await second.release();
  }
  expect(await readdir(directory)).toEqual([]);
});

it('a dead lock that cannot be removed is an error, not a wait without end', async () => {
  const first = await takeLock(directory, 'x');
  disk.failures = 2;
  await first.release();
  await expect(takeLock(directory, 'x')).rejects.toMatchObject({ step: 'lock', errno: 'EIO' });
});
