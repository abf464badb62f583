// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { chmod, link, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeFileAtomic } from './atomic.ts';
import { removeTree } from './remove-tree.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nbc-remove-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it('removes closed directories, links and devices, and follows nothing', async () => {
  const [tree, outside] = [join(directory, 'tree'), join(directory, 'outside')];
  await mkdir(join(tree, 'a/b/c'), { recursive: true });
  await mkdir(outside);
  await writeFile(join(outside, 'kept'), 'x'.repeat(10_000));
  await writeFile(join(tree, 'a/b/c/file'), 'x'.repeat(10_000));
  await link(join(outside, 'kept'), join(tree, 'a/shared'));
  await symlink(outside, join(tree, 'a/b/out'));
  execFileSync('mkfifo', [join(tree, 'a/fifo')]);
  await chmod(join(tree, 'a/b'), 0o000);
  await chmod(join(tree, 'a'), 0o555);
  const freed = await removeTree(tree);
  expect(freed).toBeGreaterThanOrEqual(10_000);
  expect(freed).toBeLessThan(20_000);
  expect(await readdir(directory)).toEqual(['outside']);
  expect(await readdir(outside)).toEqual(['kept']);
});

it('takes a missing path and a single file', async () => {
  expect(await removeTree(join(directory, 'absent'))).toBe(0);
  await writeFile(join(directory, 'file'), 'x');
  expect(await removeTree(join(directory, 'file'))).toBeGreaterThan(0);
});

it('writes whole files only', async () => {
  const path = join(directory, 'atomic');
  await writeFileAtomic(path, 'one');
  const abort = AbortSignal.abort();
  await expect(writeFileAtomic(path, 'two', { signal: abort })).rejects.toThrow();
  await expect(writeFileAtomic(join(directory, 'absent/x'), 'two')).rejects.toThrow('ENOENT');
  expect((await readdir(directory)).filter(name => name.includes('.tmp'))).toEqual([]);
});
