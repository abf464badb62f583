// SPDX-License-Identifier: BSD-3-Clause
/** File systems that number files above 2^53 (Lustre, overlayfs over several disks): the numbers are made up here. */
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { copyTree, surveyTree } from './copy-tree.ts';
import { listTree } from './merged-tree.ts';

vi.mock('node:fs', async load => {
  const real = await load<typeof import('node:fs')>();
  const lstatSync = (path: string, options?: { bigint?: boolean }): object => {
    const ino = (1n << 57n) + (basename(path).startsWith('a') ? 0n : 1n);
    return options?.bigint
      ? Object.assign(real.lstatSync(path, { bigint: true }), { ino })
      : Object.assign(real.lstatSync(path), { ino: Number(ino) });
  };
  return { ...real, lstatSync };
});

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'nbc-inodes-'));
  mkdirSync(join(directory, 'tree'));
  for (const name of ['a', 'b']) {
    writeFileSync(join(directory, 'tree', name), `file ${name}`);
    linkSync(join(directory, 'tree', name), join(directory, 'tree', `${name}-link`));
  }
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('a copy has each file under its own names', async () => {
  const target = join(directory, 'copy');
  const survey = await surveyTree(join(directory, 'tree'));
  await copyTree(survey, target, { asRoot: false });
  const texts = ['a', 'a-link', 'b', 'b-link'].map(name => readFileSync(join(target, name), 'utf8'));
  expect(texts).toEqual(['file a', 'file a', 'file b', 'file b']);
  expect(statSync(join(target, 'b')).nlink).toBe(2);
});

it('a listing tells two files apart', async () => {
  const nodes = await listTree(join(directory, 'tree'));
  expect(new Set(nodes.map(({ inode }) => inode)).size).toBe(2);
});
