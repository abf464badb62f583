// SPDX-License-Identifier: BSD-3-Clause
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openImageFiles, readText, resolvePath, type IImageFiles } from './image-files.ts';
import { machineOfElf } from './elf.ts';
import { mapsAllIds, mayGiveAway } from './privilege.ts';

let root = '';
let files: IImageFiles;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'nbc-files-'));
  mkdirSync(join(root, 'a/b'), { recursive: true });
  writeFileSync(join(root, 'a/b/file'), 'inside');
  symlinkSync('/a', join(root, 'abs'));
  symlinkSync('../../../../etc/hostname', join(root, 'a/out'));
  symlinkSync('loop2', join(root, 'loop1'));
  symlinkSync('loop1', join(root, 'loop2'));
  symlinkSync('self/self', join(root, 'self'));
  symlinkSync('b/../b/./file', join(root, 'a/dots'));
  files = await openImageFiles({ kind: 'directory', directory: root });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('resolvePath', () => {
  it.each([
    ['/a/b/file', 'a/b/file', ['', 'a', 'a/b']],
    ['abs/b/file', 'a/b/file', ['', 'a', 'a/b']],
    ['/abs/dots', 'a/b/file', ['', 'a', 'a/b']],
    ['/../../a/b', 'a/b', ['', 'a']],
    ['/', '', []]
  ])('%s', async (path, real, directories) => {
    expect(await resolvePath(files, path)).toMatchObject({ path: real, entry: { path: real }, directories });
  });

  it.each(['/none', '/a/none/x', '/a/b/file/x', '/loop1', '/loop1/x', '/self', '/a/out'])(
    '%s leads nowhere',
    async path => {
      expect((await resolvePath(files, path)).entry).toBeUndefined();
      expect(await readText(files, path, 100)).toBeUndefined();
    }
  );

  it('lists the directories that exist on the way to what does not', async () => {
    expect((await resolvePath(files, '/abs/b/x/y')).directories).toEqual(['', 'a', 'a/b']);
  });
});

describe('mayGiveAway', () => {
  it.each([
    ['every capability', '000001ffffffffff', true],
    ['none', '0000000000000000', false],
    ['CAP_CHOWN alone', '0000000000000001', false],
    ['docker, confined for PRoot', '00000000a80400e0', false],
    ['no such line', undefined, false]
  ])('%s', (_what, mask, expected) => {
    expect(mayGiveAway(mask === undefined ? '' : `Name:\tnode\nCapEff:\t${mask}\n`)).toBe(expected);
  });
});

describe('mapsAllIds', () => {
  it.each([
    ['         0          0 4294967295\n', true],
    ['0 100000 65536', true],
    ['0 1000 1\n', false],
    ['0 1000 1\n1 100000 65536\n', true],
    ['1000 1000 1', false],
    ['', false]
  ])('%j: %s', (map, expected) => {
    expect(mapsAllIds(map)).toBe(expected);
  });
});

describe('machineOfElf', () => {
  const head = (machine: number, bits: 1 | 2, order: 1 | 2): Buffer => {
    const bytes = Buffer.alloc(20);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, bits, order, 1]);
    bytes.writeUInt8(machine & 0xff, order === 1 ? 18 : 19);
    bytes.writeUInt8(machine >> 8, order === 1 ? 19 : 18);
    return bytes;
  };
  it.each([
    [head(62, 2, 1), 'x86_64'],
    [head(183, 2, 1), 'aarch64'],
    [head(21, 2, 2), 'ppc64'],
    [head(21, 2, 1), 'ppc64le'],
    [head(8, 2, 1), 'mips64el'],
    [head(8, 1, 2), 'mips'],
    [head(22, 2, 2), 's390x'],
    [head(243, 2, 1), 'riscv64'],
    [head(258, 2, 1), 'loongarch64'],
    [head(40, 1, 1), 'armv7l'],
    [head(3, 1, 1), 'i686'],
    [head(9999, 2, 1), undefined],
    [Buffer.from('#!/bin/sh\nlonger than a header'), undefined],
    [Buffer.alloc(3), undefined]
  ])('%#: %s', (bytes, machine) => {
    expect(machineOfElf(bytes)).toBe(machine);
  });
});
