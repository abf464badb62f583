// SPDX-License-Identifier: BSD-3-Clause
/** File systems that number files above 2^53 (Lustre, overlayfs over several disks): the numbers are made up here. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { shareFile } from './files.ts';

vi.mock('node:fs/promises', async load => {
  const real = await load<typeof import('node:fs/promises')>();
  const stat = async (path: string, options?: { bigint?: boolean }): Promise<object> => {
    const status = await real.stat(path, { bigint: true });
    const ino = (1n << 57n) + (path.endsWith('old') ? 0n : 1n);
    return options?.bigint ? { ...status, ino } : { ...(await real.stat(path)), ino: Number(ino) };
  };
  return { ...real, stat };
});

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nbc-inodes-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

it('two files whose numbers differ little are not taken for one', async () => {
  const [old, fresh] = [join(directory, 'old'), join(directory, 'fresh')];
  await writeFile(old, 'old');
  await writeFile(fresh, 'fresh');
  await shareFile(fresh, old, { overwrite: true });
  expect(await readFile(old, 'utf8')).toBe('fresh');
});
