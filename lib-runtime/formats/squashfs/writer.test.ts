// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { mkdtemp, open, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { snapshot, walkDirectory, type ISourceItem } from '../testing.ts';
import type { ITreeEntry } from '../tree.ts';
import { SquashfsReader } from './reader.ts';
import {
  completed,
  isRoot,
  item,
  randomTree,
  readImage,
  sampleBytes,
  unsquashfs,
  withMount,
  writeImage
} from './squashfs-testing.ts';
import { SquashfsWriter } from './writer.ts';

let directory: string;
let image: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sqfs-'));
  image = join(directory, 'a.sqfs');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** What an unpacked tree cannot keep when it belongs to an ordinary user. */
const LOST: readonly (keyof ITreeEntry)[] = isRoot ? ['xattrs'] : ['xattrs', 'uid', 'gid', 'mode'];

const BIG = sampleBytes(3_000_000);
const TREE: readonly ISourceItem[] = [
  item('usr/bin/late-parent', 'file', { data: sampleBytes(10), mode: 0o4755 }),
  item('', 'directory', { mode: 0o751, mtime: 1_500_000_000 }),
  item('usr', 'directory', { mode: 0o700 }),
  item('usr', 'directory', { mode: 0o755, uid: 5, gid: 6, mtime: 1_400_000_000 }),
  item('big', 'file', { data: BIG, uid: 4_294_967_294 }),
  item('big-again', 'file', { data: BIG }),
  item('big-link', 'hardlink', { linkTarget: 'big' }),
  item('holes', 'file', { data: Buffer.concat([Buffer.alloc(500_000), sampleBytes(100_000), Buffer.alloc(300_000)]) }),
  item('zeros', 'file', { data: Buffer.alloc(131_072 * 3) }),
  item('one-block', 'file', { data: sampleBytes(131_072) }),
  item('empty', 'file'),
  item('link', 'symlink', { mode: 0o777, linkTarget: 'usr/bin/late-parent' }),
  item('pipe', 'fifo'),
  ...(isRoot
    ? [item('null', 'char', { major: 1, minor: 3, mode: 0o666 }), item('sda', 'block', { major: 259, minor: 300 })]
    : [])
];

describe('SquashfsWriter', () => {
  it.each(['zstd', 'gzip'] as const)('makes %s images that unsquashfs and our reader see alike', async compression => {
    const result = await writeImage(image, TREE, { compression });
    expect((await stat(image)).size).toBe(result.paddedSize);
    expect(result.paddedSize % 4096).toBe(0);
    expect(result.entries).toBe(completed(TREE).length);
    const expected = await snapshot(completed(TREE), LOST);
    unsquashfs(image, join(directory, 'out'));
    expect(await snapshot(walkDirectory(join(directory, 'out')), LOST)).toEqual(expected);
    expect(await snapshot(readImage(image), LOST)).toEqual(expected);
    const summary = execFileSync('unsquashfs', ['-s', image], { encoding: 'utf8' });
    expect(summary).toContain(`Compression ${compression}`);
    expect(summary).toContain(`Filesystem size ${result.bytesUsed} bytes`);
  });

  it('writes into the middle of a file and touches nothing before', async () => {
    const { bytesUsed } = await writeImage(image, TREE, {}, 12288);
    expect((await readFile(image)).subarray(0, 12288).every(byte => byte === 0)).toBe(true);
    const reader = await SquashfsReader.open(image, 12288, bytesUsed);
    expect((await reader.readFile('big', 1 << 24))?.equals(BIG)).toBe(true);
    await reader.close();
  });

  it('makes images that the kernel mounts and reads', async context => {
    await writeImage(image, TREE, { compression: 'zstd' });
    const mount = join(directory, 'mnt');
    const problem = await withMount(image, mount, async () => {
      expect(await snapshot(walkDirectory(mount), ['xattrs'])).toEqual(await snapshot(completed(TREE), ['xattrs']));
    });
    context.skip(problem !== undefined, problem);
  });

  it('stores any tree so that unsquashfs and our reader give it back', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        randomTree,
        fc.constantFrom('zstd' as const, 'gzip' as const),
        fc.constantFrom(4096, 131_072),
        async (items, compression, blockSize) => {
          const path = join(directory, `${run++}.sqfs`);
          await writeImage(path, items, { compression, blockSize });
          expect(await snapshot(readImage(path))).toEqual(await snapshot(completed(items)));
          const out = `${path}.out`;
          unsquashfs(path, out);
          expect(await snapshot(walkDirectory(out), LOST)).toEqual(await snapshot(completed(items), LOST));
        }
      ),
      { numRuns: 25 }
    );
  }, 60_000);

  it('holds directories whose listing is larger than 64 KiB', async context => {
    const files = Array.from({ length: 6000 }, (_, index) => item(`many/file-number-${index}`, 'file'));
    await writeImage(image, files);
    unsquashfs(image, join(directory, 'out'));
    const expected = await snapshot(completed(files), LOST);
    expect(await snapshot(walkDirectory(join(directory, 'out')), LOST)).toEqual(expected);
    const reader = await SquashfsReader.open(image);
    expect(await reader.list('many')).toHaveLength(6000);
    expect((await reader.lstat('many/file-number-5999'))?.type).toBe('file');
    await reader.close();
    // The kernel finds names of such a directory through its index.
    const mount = join(directory, 'mnt');
    const problem = await withMount(image, mount, async () => {
      for (const index of [0, 7, 999, 1000, 3333, 5999]) {
        expect((await stat(join(mount, `many/file-number-${index}`))).isFile()).toBe(true);
      }
      await expect(stat(join(mount, 'many/file-number-x'))).rejects.toMatchObject({ code: 'ENOENT' });
    });
    context.skip(problem !== undefined, problem);
  });

  it('keeps extended attributes, equal sets once', async () => {
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
    const xattrs = new Map([
      ['security.capability', capability],
      ['user.note', Buffer.from('hello')]
    ]);
    const files = Array.from({ length: 100 }, (_, index) => item(`f${index}`, 'file', { xattrs }));
    const other = item('d', 'directory', {
      xattrs: new Map([
        ['trusted.x', Buffer.alloc(0)],
        ['system.acl', capability]
      ])
    });
    const { droppedXattrs, bytesUsed } = await writeImage(image, [...files, other]);
    expect(droppedXattrs).toBe(1);
    expect(bytesUsed).toBeLessThan(2000);
    const reader = await SquashfsReader.open(image);
    const entry = await reader.lstat('f42');
    expect([...(entry?.xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value)])).toEqual([...xattrs]);
    expect([...((await reader.lstat('d'))?.xattrs?.keys() ?? [])]).toEqual(['trusted.x']);
    await reader.close();
    if (isRoot) {
      const out = join(directory, 'out');
      execFileSync('unsquashfs', ['-no-progress', '-quiet', '-d', out, image], { stdio: 'pipe' });
      const script = 'import os,sys; print(os.getxattr(sys.argv[1], "security.capability").hex())';
      const kept = execFileSync('python3', ['-c', script, join(out, 'f42')], { encoding: 'utf8' });
      expect(kept.trim()).toBe(capability.toString('hex'));
    }
  });

  it('stores equal files once', async () => {
    const data = sampleBytes(2_000_000, 7);
    const one = await writeImage(image, [
      item('a', 'file', { data }),
      item('s', 'file', { data: data.subarray(0, 9) })
    ]);
    const copies = Array.from({ length: 5 }, (_, index) => [
      item(`a${index}`, 'file', { data }),
      item(`s${index}`, 'file', { data: data.subarray(0, 9) })
    ]);
    const many = await writeImage(image, copies.flat());
    expect(many.bytesUsed - one.bytesUsed).toBeLessThan(1000);
  });

  it.each([
    ['a file twice', [item('a', 'file'), item('a', 'file')]],
    ['a file over a directory', [item('a', 'directory'), item('a', 'file')]],
    ['a directory over a file', [item('a', 'file'), item('a', 'directory')]],
    ['something below a file', [item('a', 'file'), item('a/b', 'file')]],
    ['a hard link to nothing', [item('a', 'hardlink', { linkTarget: 'b' })]],
    ['a hard link to a directory', [item('d', 'directory'), item('a', 'hardlink', { linkTarget: 'd' })]],
    ['a path that climbs', [item('../a', 'file')]],
    ['a name that is too long', [item('x'.repeat(256), 'file')]],
    ['too little content', [item('a', 'file', { data: Buffer.from('abc'), size: 4 })]],
    ['too much content', [item('a', 'file', { data: Buffer.from('abc'), size: 2 })]],
    ['too much content of a large file', [item('a', 'file', { data: BIG, size: BIG.length - 1 })]],
    ['a symlink without target', [item('a', 'symlink', { linkTarget: '' })]]
  ])('refuses %s', async (_, items) => {
    await expect(writeImage(image, items)).rejects.toMatchObject({ code: 'corrupt' });
  });

  it('reports a full disk and lets the file go', async () => {
    const file = await open('/dev/full', 'w');
    const writer = new SquashfsWriter({ file, offset: 0 }, { compression: 'zstd' });
    const fill = async (): Promise<void> => {
      for (let index = 0; index < 40; index++) {
        const { entry, content } = item(`f${index}`, 'file', { data: sampleBytes(1_000_000, index) });
        await writer.add(entry, content?.());
      }
      await writer.finish();
    };
    await expect(fill()).rejects.toMatchObject({ code: 'no-space' });
    await writer.abort();
    await file.close();
  });

  it('passes errors of content on unchanged and takes nothing afterwards', async () => {
    const failure = new Error('connection lost');
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(Buffer.from('ab'));
      throw failure;
    }
    const file = await open(image, 'w+');
    const writer = new SquashfsWriter({ file, offset: 0 }, { compression: 'zstd' });
    const { entry } = item('a', 'file', { size: 4 });
    await expect(writer.add(entry, broken())).rejects.toBe(failure);
    await expect(writer.finish()).rejects.toMatchObject({ code: 'internal' });
    await writer.abort();
    await file.close();
  });
});
