// SPDX-License-Identifier: BSD-3-Clause
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDirectory } from './make-directory.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'nbc-mkdir-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

it('makes parents with the mode, also twice at once', async () => {
  await Promise.all([makeDirectory(join(root, 'a/b/c'), 0o700), makeDirectory(join(root, 'a/b/c'), 0o700)]);
  expect((await stat(join(root, 'a'))).mode & 0o777).toBe(0o700);
  expect((await stat(join(root, 'a/b/c'))).mode & 0o777).toBe(0o700);
});

it('returns where the kernel lets nobody make a directory', async () => {
  await expect(makeDirectory('/proc/nbcontainer/store')).rejects.toThrow('ENOENT');
});

it('takes no file for a directory', async () => {
  await writeFile(join(root, 'file'), '');
  await expect(makeDirectory(join(root, 'file'))).rejects.toThrow('EEXIST');
  await expect(makeDirectory(join(root, 'file/x'))).rejects.toThrow('ENOTDIR');
});
