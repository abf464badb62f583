// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { chmod, link, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContainerError } from '../../support/errors.ts';
import { snapshot, walkDirectory } from '../testing.ts';
import { encodeSuperblock, decodeSuperblock, NONE64 } from './layout.ts';
import { SquashfsReader } from './reader.ts';
import { item, mksquashfs, readImage, sampleBytes, writeImage } from './squashfs-testing.ts';

let directory: string;
let tree: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sqfs-'));
  tree = join(directory, 'tree');
  await mkdir(join(tree, 'etc/deep/er'), { recursive: true });
  await mkdir(join(tree, 'many'));
  await writeFile(join(tree, 'etc/passwd'), 'root:x:0:0\n');
  await writeFile(join(tree, 'big'), sampleBytes(1_000_000));
  await writeFile(join(tree, 'noise'), execFileSync('head', ['-c', '400000', '/dev/urandom']));
  await writeFile(join(tree, 'empty'), '');
  await writeFile(join(tree, 'sparse'), '');
  await truncate(join(tree, 'sparse'), 700_000);
  await link(join(tree, 'big'), join(tree, 'etc/big-link'));
  await symlink('passwd', join(tree, 'etc/link'));
  await symlink('/nowhere/é', join(tree, 'etc/dangling'));
  execFileSync('mkfifo', [join(tree, 'pipe')]);
  await chmod(join(tree, 'etc/passwd'), 0o4711);
  for (let index = 0; index < 2600; index++) {
    await writeFile(join(tree, `many/some-longer-name-of-file-${index}`), index % 10 === 0 ? String(index) : '');
  }
}, 60_000);
afterAll(() => rm(directory, { recursive: true }));

describe('SquashfsReader on images of mksquashfs', () => {
  it.each([
    ['gzip', ['-comp', 'gzip']],
    ['zstd', ['-comp', 'zstd', '-Xcompression-level', '3']],
    ['no fragments', ['-no-fragments']],
    ['fragments for all tails', ['-always-use-fragments', '-b', '65536']],
    ['1 MiB blocks', ['-b', '1M', '-comp', 'zstd']],
    ['nothing compressed', ['-noI', '-noD', '-noF', '-noX', '-noId']],
    ['no export table, no duplicates', ['-no-exports', '-no-duplicates']]
  ])('%s', async (name, options) => {
    const image = join(directory, `${name.replaceAll(' ', '-')}.sqfs`);
    mksquashfs(tree, image, ...options);
    expect(await snapshot(readImage(image))).toEqual(await snapshot(walkDirectory(tree)));
  });

  it('reads extended attributes, out-of-line values too', async () => {
    const image = join(directory, 'xattr.sqfs');
    const value = 'v'.repeat(300);
    const archive = join(directory, 'xattr.tar');
    const names = ['a', 'b', 'c'];
    await Promise.all(names.map(name => writeFile(join(directory, name), name)));
    const xattr = ['--pax-option', `SCHILY.xattr.user.long:=${value},SCHILY.xattr.user.short:=s`];
    execFileSync('tar', ['-C', directory, '--format=pax', ...xattr, '-cf', archive, ...names]);
    execFileSync('sqfstar', ['-quiet', '-no-progress', image], { input: await readFile(archive), stdio: 'pipe' });
    const reader = await SquashfsReader.open(image);
    for (const name of names) {
      const xattrs = [...((await reader.lstat(name))?.xattrs ?? [])].map(([key, bytes]) => [key, String(bytes)]);
      expect(Object.fromEntries(xattrs)).toEqual({ 'user.long': value, 'user.short': 's' });
    }
    await reader.close();
  });

  it('looks up single paths', async () => {
    const image = join(directory, 'lookup.sqfs');
    mksquashfs(tree, image);
    const reader = await SquashfsReader.open(image);
    expect(reader.superblock).toMatchObject({ compression: 'gzip', blockSize: 131_072 });
    expect((await reader.lstat(''))?.type).toBe('directory');
    expect(await reader.lstat('/etc/link')).toMatchObject({ path: 'etc/link', type: 'symlink', linkTarget: 'passwd' });
    expect((await reader.list('etc'))?.map(({ path, type }) => [path, type])).toEqual([
      ['etc/big-link', 'file'],
      ['etc/dangling', 'symlink'],
      ['etc/deep', 'directory'],
      ['etc/link', 'symlink'],
      ['etc/passwd', 'file']
    ]);
    expect((await reader.readFile('etc/passwd', 100))?.toString()).toBe('root:x:0:0\n');
    expect(await reader.readFile('etc/link', 100)).toBeUndefined();
    expect([await reader.lstat('etc/none'), await reader.lstat('empty/x'), await reader.list('empty')]).toEqual([
      undefined,
      undefined,
      undefined
    ]);
    await expect(reader.readFile('big', 1000)).rejects.toBeInstanceOf(ContainerError);
    await reader.close();
  });

  it.each(['xz', 'lzo', 'lz4'])('says that %s is not read here', async compression => {
    const image = join(directory, `${compression}.sqfs`);
    mksquashfs(join(tree, 'etc'), image, '-comp', compression);
    await expect(SquashfsReader.open(image)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining(compression) as string,
      fix: expect.any(String) as string
    });
  });
});

describe('SquashfsReader on bad images', () => {
  const SMALL = [
    item('d', 'directory', { mode: 0o700 }),
    item('d/e/f', 'file', { data: sampleBytes(50) }),
    item('large', 'file', { data: sampleBytes(30_000) }),
    item('holes', 'file', { data: Buffer.alloc(20_000) }),
    item('x', 'file', { xattrs: new Map([['user.a', Buffer.from('b')]]) }),
    item('hard', 'hardlink', { linkTarget: 'large' }),
    item('s', 'symlink', { linkTarget: 'd' })
  ];

  async function readAll(path: string): Promise<number> {
    const reader = await SquashfsReader.open(path);
    let total = 0;
    try {
      await reader.list('/');
      for await (const { content } of reader.entries()) {
        for await (const chunk of content?.() ?? []) {
          total += chunk.length;
          if (total > 1 << 26) {
            return total; // a size field that grew: holes without end are legal
          }
        }
      }
    } finally {
      await reader.close();
    }
    return total;
  }

  it.each(['zstd', 'gzip'] as const)(
    'answers any damage of a %s image with data or a ContainerError',
    async compression => {
      const path = join(directory, `good-${compression}.sqfs`);
      await writeImage(path, SMALL, { compression, blockSize: 4096 });
      const good = await readFile(path);
      const bad = join(directory, `bad-${compression}.sqfs`);
      const used = Number(good.readBigUInt64LE(40));
      // The superblock and the tables at the end are where damage is interesting.
      const place = fc.oneof(fc.nat(95), fc.integer({ min: used - 700, max: used - 1 }), fc.nat(used - 1));
      const flips = fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 3 });
      await fc.assert(
        fc.asyncProperty(flips, fc.option(fc.nat(used)), async (bytes, length) => {
          const damaged = Buffer.from(good);
          bytes.forEach(([at, value]) => damaged.writeUInt8(value, at));
          await writeFile(bad, damaged.subarray(0, length ?? damaged.length));
          await readAll(bad).catch((error: unknown) => expect(error).toBeInstanceOf(ContainerError));
        }),
        { numRuns: 400 }
      );
    }
  );

  it('answers damage inside of uncompressed tables likewise', async () => {
    // With compression most flips end in the decompressor; stored tables let them through to the parsers.
    const path = join(directory, 'raw.sqfs');
    mksquashfs(join(tree, 'etc'), path, '-noI', '-noD', '-noF', '-noX', '-noId');
    const good = await readFile(path);
    const superblock = decodeSuperblock(good);
    const from = Number(superblock?.inodeTable);
    const bad = join(directory, 'raw-bad.sqfs');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: from, max: Number(superblock?.bytesUsed) - 1 }),
        fc.nat(255),
        async (at, value) => {
          const damaged = Buffer.from(good);
          damaged.writeUInt8(value, at);
          await writeFile(bad, damaged);
          await readAll(bad).catch((error: unknown) => expect(error).toBeInstanceOf(ContainerError));
        }
      ),
      { numRuns: 400 }
    );
  });

  /** An image with one inode table and one listing, given as raw bytes. */
  async function forge(name: string, inodes: Buffer, listing: Buffer, root: number): Promise<string> {
    const block = (data: Buffer): Buffer => {
      const head = Buffer.alloc(2);
      head.writeUInt16LE(data.length | 0x8000);
      return Buffer.concat([head, data]);
    };
    const list = (place: number): Buffer => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(place));
      return bytes;
    };
    const inodeTable = block(inodes);
    const directoryTable = block(listing);
    const ids = block(Buffer.alloc(4));
    const directoryPlace = 96 + inodeTable.length;
    const idPlace = directoryPlace + directoryTable.length;
    const body = Buffer.concat([inodeTable, directoryTable, ids, list(idPlace)]);
    const superblock = encodeSuperblock({
      inodes: 2,
      mtime: 0,
      blockSize: 131_072,
      fragments: 0,
      compression: 6,
      flags: 0,
      ids: 1,
      major: 4,
      minor: 0,
      rootInode: BigInt(root),
      bytesUsed: BigInt(96 + body.length),
      idTable: BigInt(idPlace + ids.length),
      xattrTable: NONE64,
      inodeTable: 96n,
      directoryTable: BigInt(directoryPlace),
      fragmentTable: NONE64,
      exportTable: NONE64
    });
    const path = join(directory, name);
    await writeFile(path, Buffer.concat([superblock, body]));
    return path;
  }

  const directoryInode = (size: number): Buffer => {
    const inode = Buffer.alloc(32);
    inode.writeUInt16LE(1, 0);
    inode.writeUInt16LE(0o755, 2);
    inode.writeUInt32LE(1, 12);
    inode.writeUInt32LE(2, 20);
    inode.writeUInt16LE(size + 3, 24);
    return inode;
  };
  const listingOf = (...names: string[]): Buffer => {
    const head = Buffer.alloc(12);
    head.writeUInt32LE(names.length - 1, 0);
    head.writeUInt32LE(1, 8);
    const rows = names.map(name => {
      const row = Buffer.alloc(8);
      row.writeUInt16LE(1, 4);
      row.writeUInt16LE(name.length - 1, 6);
      return Buffer.concat([row, Buffer.from(name)]);
    });
    return Buffer.concat([head, ...rows]);
  };

  it('stops at a directory that contains itself', async () => {
    const listing = listingOf('loop');
    const path = await forge('loop.sqfs', directoryInode(listing.length), listing, 0);
    await expect(readAll(path)).rejects.toMatchObject({ code: 'corrupt' });
    const reader = await SquashfsReader.open(path);
    expect((await reader.lstat('loop/loop/loop'))?.type).toBe('directory');
    await reader.close();
  });

  it.each([['..'], ['.'], ['a/b'], ['a\0b'], ['same', 'same'], ['b', 'a'], ['x'.repeat(256)]])(
    'refuses the names %j',
    async (...names) => {
      const listing = listingOf(...names);
      const path = await forge('names.sqfs', directoryInode(listing.length), listing, 0);
      await expect(readAll(path)).rejects.toMatchObject({ code: 'corrupt' });
    }
  );

  it('does not unpack a block beyond its size', async () => {
    const bomb = zstdCompressSync(Buffer.alloc(64 << 20));
    expect(bomb.length).toBeLessThan(8192);
    const head = Buffer.alloc(2);
    head.writeUInt16LE(bomb.length);
    const path = await forge('bomb.sqfs', directoryInode(0), listingOf('a'), 0);
    const image = await readFile(path);
    const bytes = Buffer.concat([image, head, bomb]);
    bytes.writeBigUInt64LE(BigInt(bytes.length), 40);
    bytes.writeBigUInt64LE(BigInt(image.length), 64);
    bytes.writeBigUInt64LE(BigInt(bytes.length), 72);
    await writeFile(path, bytes);
    await expect(readAll(path)).rejects.toMatchObject({ code: 'corrupt' });
  });

  it.each([
    ['a text', Buffer.from('hello '.repeat(100)), 'not-an-image'],
    ['nothing', Buffer.alloc(0), 'not-an-image']
  ])('refuses %s', async (_, bytes, code) => {
    const path = join(directory, 'other');
    await writeFile(path, bytes);
    await expect(SquashfsReader.open(path)).rejects.toMatchObject({ code });
  });

  it('finds out that an image is incomplete', async () => {
    const path = join(directory, 'short.sqfs');
    await writeImage(path, SMALL);
    await truncate(path, 300);
    await expect(SquashfsReader.open(path)).rejects.toMatchObject({ code: 'truncated' });
    await expect(SquashfsReader.open(join(directory, 'none'))).rejects.toMatchObject({ code: 'not-found' });
  });
});
