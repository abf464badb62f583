// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { chmod, link, mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import tar from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContainerError } from '../../support/errors.ts';
import { snapshot, walkDirectory } from '../testing.ts';
import type { ITreeEntry } from '../tree.ts';
import { decompressLayer, detectCompression } from './decompress.ts';
import { normalisePath } from './paths.ts';
import { readTar } from './reader.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tar-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** A stream in chunks of `size` bytes: chunk borders must not matter. */
async function* chunks(data: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) {
    yield await Promise.resolve(data.subarray(at, at + size));
  }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) {
    parts.push(Buffer.from(part)); // valid until the next one is asked for
  }
  return Buffer.concat(parts);
}

async function list(data: Uint8Array, chunkSize?: number): Promise<(ITreeEntry & { text: string })[]> {
  const entries: (ITreeEntry & { text: string })[] = [];
  for await (const { entry, content } of readTar(chunks(data, chunkSize))) {
    entries.push({ ...entry, text: (await collect(content)).toString('latin1') });
  }
  return entries;
}

async function pack(headers: readonly [Partial<tar.Header> & { name: string }, string?][]): Promise<Buffer> {
  const stream = tar.pack();
  for (const [header, text] of headers) {
    stream.entry(header as tar.Header, text ?? '');
  }
  stream.finalize();
  return collect(stream as AsyncIterable<Uint8Array>);
}

/** A raw ustar header, for what no packer would write. */
function rawHeader(fields: { name: string; type?: string; size?: string; link?: string }): Buffer {
  const block = Buffer.alloc(512);
  block.write(fields.name, 0, 100, 'latin1');
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(fields.size ?? '00000000000\0', 124, 12, 'latin1');
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write(fields.type ?? '0', 156);
  block.write(fields.link ?? '', 157, 100, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
const END = Buffer.alloc(1024);

describe('normalisePath', () => {
  it.each([
    ['etc/passwd', 'etc/passwd'],
    ['./etc//passwd', 'etc/passwd'],
    ['/etc/', 'etc'],
    ['.', ''],
    ['./', ''],
    ['a/../b', 'b'],
    ['a/./b/..', 'a'],
    ['..data', '..data'],
    ['a/...', 'a/...']
  ])('%s -> %s', (name, path) => {
    expect(normalisePath(name)).toBe(path);
  });

  it.each(['..', '../etc/passwd', '/../etc', 'a/../../b', 'a\0b'])('refuses %j', name => {
    expect(() => normalisePath(name)).toThrow(expect.objectContaining({ code: 'corrupt' }));
  });

  it('never leaves the root', () => {
    const part = fc.constantFrom('..', '.', '', 'a', 'b');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), parts => {
        try {
          expect(normalisePath(parts.join('/'))).toMatch(/^([ab](\/[ab])*)?$/);
        } catch (error) {
          expect(error).toBeInstanceOf(ContainerError);
        }
      })
    );
  });
});

describe('readTar', () => {
  it.each(['gnu', 'pax', 'ustar'])('reads what GNU tar writes in the %s format', async format => {
    const deep = `${'d'.repeat(90)}/${'e'.repeat(60)}`;
    await mkdir(join(directory, deep), { recursive: true });
    const isLong = format !== 'ustar';
    const file = `${deep}/${(isLong ? 'f' : 'x').repeat(isLong ? 150 : 40)}`;
    await writeFile(join(directory, file), 'content '.repeat(9000));
    await writeFile(join(directory, 'empty'), '');
    await chmod(join(directory, 'empty'), 0o4755);
    await link(join(directory, 'empty'), join(directory, 'hard'));
    await symlink(isLong ? `/target/${'t'.repeat(200)}` : '/target', join(directory, 'soft'));
    execFileSync('mkfifo', [join(directory, 'pipe')]);
    await utimes(join(directory, 'empty'), 1_600_000_000, 1_600_000_000);
    const archive = execFileSync('tar', ['-C', directory, `--format=${format}`, '-cf', '-', '.'], {
      maxBuffer: 1 << 26
    });
    const expected = await snapshot(walkDirectory(directory));
    for (const size of [100, 512, 65536]) {
      const items: { entry: ITreeEntry; content: () => AsyncIterable<Uint8Array> }[] = [];
      for await (const { entry, content } of readTar(chunks(archive, size))) {
        const data = await collect(content);
        items.push({ entry, content: () => chunks(data) });
      }
      expect(await snapshot(items)).toEqual(expected);
    }
  });

  it('keeps binary attributes and names that are not UTF-8', async () => {
    const capability = Buffer.from('0100000280000000000000008000ff0a', 'hex');
    const record = Buffer.concat([Buffer.from('SCHILY.xattr.security.capability='), capability, Buffer.from('\n')]);
    const length = record.length + 3;
    const pax = Buffer.concat([Buffer.from(`${length} `), record]);
    const padding = Buffer.alloc(512 - pax.length);
    const archive = Buffer.concat([
      rawHeader({ name: 'pax', type: 'x', size: `${pax.length.toString(8).padStart(11, '0')}\0` }),
      pax,
      padding,
      rawHeader({ name: 'caf\xe9' }),
      END
    ]);
    const [entry] = await list(archive);
    expect(entry?.path).toBe('caf\udce9');
    expect(Buffer.from(entry?.xattrs?.get('security.capability') ?? []).equals(capability)).toBe(true);
  });

  it('takes owners, times and names from pax records', async () => {
    const name = `${'ü'.repeat(80)}/x`;
    const archive = await pack([
      [{ name, uid: 3_000_000, mtime: new Date(1e12), pax: { uid: '4000000000', mtime: '1700000000.75' } }, 'abc']
    ]);
    const [entry] = await list(archive);
    expect(entry).toMatchObject({ path: name, uid: 4_000_000_000, mtime: 1_700_000_000, size: 3, text: 'abc' });
  });

  it('normalises hard link targets and keeps symlink targets as they are', async () => {
    const archive = await pack([
      [{ name: './a' }, 'x'],
      [{ name: 'b', type: 'link', linkname: './a' }],
      [{ name: 'c', type: 'symlink', linkname: '../../etc/../passwd' }],
      [{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }]
    ]);
    const entries = await list(archive);
    expect(entries.map(({ type, linkTarget }) => [type, linkTarget])).toEqual([
      ['file', undefined],
      ['hardlink', 'a'],
      ['symlink', '../../etc/../passwd'],
      ['char', undefined]
    ]);
    expect(entries[3]).toMatchObject({ major: 1, minor: 3 });
  });

  it('reads sizes over 8 GiB', async () => {
    const size = Buffer.alloc(12);
    size.writeUInt8(0x80, 0);
    size.writeBigUInt64BE(9n << 30n, 4);
    const archive = rawHeader({ name: 'big', size: size.toString('latin1') });
    const { value } = await readTar(chunks(archive)).next();
    expect(value?.entry.size).toBe(9 * 2 ** 30);
  });

  it('passes over content that nobody read, and kinds that hold no file', async () => {
    const archive = Buffer.concat([
      rawHeader({ name: 'label', type: 'V' }),
      await pack([
        [{ name: 'a' }, 'a'.repeat(3000)],
        [{ name: 'b' }, 'b']
      ])
    ]);
    const paths: string[] = [];
    for await (const { entry, content } of readTar(chunks(archive, 700))) {
      paths.push(entry.path);
      if (entry.path === 'a') {
        await content[Symbol.asyncIterator]().next();
      }
    }
    expect(paths).toEqual(['a', 'b']);
  });

  it.each([
    ['climbs out', rawHeader({ name: '../x' }), 'corrupt'],
    ['links out', rawHeader({ name: 'x', type: '1', link: '../../etc/shadow' }), 'corrupt'],
    ['is no archive', Buffer.from('hello '.repeat(200)), 'corrupt'],
    ['has sparse files', rawHeader({ name: 'x', type: 'S' }), 'unsupported'],
    ['has an absurd pax header', rawHeader({ name: 'x', type: 'x', size: '77777777777\0' }), 'corrupt'],
    ['has no byte', Buffer.alloc(0), 'truncated']
  ])('refuses an archive that %s', async (_, archive, code) => {
    await expect(list(Buffer.concat([archive, archive.length > 0 ? END : archive]))).rejects.toMatchObject({ code });
  });

  it.each(['gnu', '0.0', '0.1', '1.0'])('refuses sparse files as GNU tar writes them (%s)', async form => {
    await writeFile(join(directory, 'file'), 'content');
    await truncate(join(directory, 'file'), 1 << 20);
    const words = form === 'gnu' ? ['--format=gnu'] : ['--format=posix', `--sparse-version=${form}`];
    const archive = execFileSync('tar', ['--sparse', ...words, '-cf', '-', '-C', directory, 'file']);
    await expect(list(archive)).rejects.toMatchObject({ code: 'unsupported' });
  });

  it('reads what follows the compressed data, too: it belongs to the digest of the layer', async () => {
    const archive = await pack([[{ name: 'a' }, 'a']]);
    let ended = false;
    const stream = async function* (): AsyncGenerator<Uint8Array> {
      yield* chunks(Buffer.concat([gzipSync(archive), Buffer.alloc(100_000)]));
      ended = true;
    };
    expect((await collect(decompressLayer(stream()))).equals(archive)).toBe(true);
    expect(ended).toBe(true);
  });

  it('refuses a path that no system can open, before it is taken apart', async () => {
    const named = (name: string): Buffer => {
      const data = Buffer.alloc(Math.ceil(name.length / 512) * 512, 0);
      data.write(name);
      const size = `${name.length.toString(8).padStart(11, '0')}\0`;
      return Buffer.concat([rawHeader({ name: 'long', type: 'L', size }), data, rawHeader({ name: 'x' }), END]);
    };
    await expect(list(named(`${'d/'.repeat(1_000_000)}x`), 1 << 20)).rejects.toMatchObject({ code: 'corrupt' });
    const possible = `${'d/'.repeat(2000)}x`;
    expect((await list(named(possible)))[0]?.path).toBe(possible);
  });

  it('finds out that an archive ends early, wherever that is', async () => {
    const archive = await pack([
      [{ name: `${'n'.repeat(150)}/x` }, 'a'.repeat(2000)],
      [{ name: 'b' }, 'b'.repeat(600)]
    ]);
    const whole = archive.length - 1024;
    const cuts = Array.from({ length: whole }, (_, cut) => cut).filter(cut => cut % 512 !== 0 || cut === 0);
    for (const cut of cuts.filter(value => value % 37 === 0)) {
      await expect(list(archive.subarray(0, cut)), `cut at ${cut}`).rejects.toMatchObject({ code: 'truncated' });
    }
  });

  it('answers damage with an entry or a ContainerError, nothing else', async () => {
    const archive = await pack([
      [{ name: 'ä'.repeat(60), pax: { 'SCHILY.xattr.user.a': 'b' } }, 'a'.repeat(700)],
      [{ name: 'dir', type: 'directory' }],
      [{ name: 'b', type: 'link', linkname: 'dir/x' }]
    ]);
    await fc.assert(
      fc.asyncProperty(fc.nat(archive.length - 1), fc.nat(255), async (at, byte) => {
        const damaged = Buffer.from(archive);
        damaged.writeUInt8(byte, at);
        await list(damaged).catch((error: unknown) => expect(error).toBeInstanceOf(ContainerError));
      }),
      { numRuns: 300 }
    );
  });

  it('passes errors of its stream on unchanged', async () => {
    const failure = new Error('connection lost');
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(rawHeader({ name: 'x', size: '00000001000\0' }));
      throw failure;
    }
    await expect(
      (async () => {
        for await (const { content } of readTar(broken())) {
          await collect(content);
        }
      })()
    ).rejects.toBe(failure);
  });
});

describe('decompressLayer', () => {
  const TEXT = Buffer.from('a line of a layer\n'.repeat(200_000));
  const skippable = Buffer.from('502a4d180400000001020304', 'hex');
  const frames = (...parts: Buffer[]): Buffer => Buffer.concat(parts.map(part => zstdCompressSync(part)));
  /** As the zstd program writes: without it, damage inside of literals cannot be noticed. */
  const checked = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
  const noise = randomBytes(700_000);
  const lines = Buffer.from(Array.from({ length: 90_000 }, (_, index) => `${index ** 3}\n`).join(''));

  it.each([
    ['plain', TEXT, TEXT],
    ['gzip', gzipSync(TEXT), TEXT],
    ['several gzip members', Buffer.concat([gzipSync(TEXT), gzipSync(TEXT)]), Buffer.concat([TEXT, TEXT])],
    ['zstd', zstdCompressSync(TEXT), TEXT],
    [
      'zstd of many small frames (zstd:chunked)',
      frames(...Array<Buffer>(50).fill(TEXT.subarray(0, 1800))),
      TEXT.subarray(0, 90_000)
    ],
    [
      'zstd with skippable frames (pzstd)',
      Buffer.concat([skippable, frames(TEXT), skippable, frames(noise)]),
      Buffer.concat([TEXT, noise])
    ],
    ['zstd of a frame that grows much', zstdCompressSync(Buffer.alloc(20 << 20)), Buffer.alloc(20 << 20)],
    ['zstd with a checksum', zstdCompressSync(noise, checked), noise],
    ['nothing', Buffer.alloc(0), Buffer.alloc(0)]
  ])('unpacks %s', async (_, packed, expected) => {
    for (const size of [7777, 1 << 20]) {
      expect((await collect(decompressLayer(chunks(packed, size)))).equals(expected)).toBe(true);
    }
  });

  it.each([
    ['gzip', gzipSync(lines)],
    ['zstd', zstdCompressSync(lines, checked)],
    ['small zstd', zstdCompressSync(lines.subarray(0, 2000), checked)]
  ])('finds out that %s data ends early or is damaged', async (_, packed) => {
    for (const cut of [packed.length - 1, packed.length - 9, Math.floor(packed.length / 2), 20]) {
      await expect(collect(decompressLayer(chunks(packed.subarray(0, cut))))).rejects.toMatchObject({
        code: 'truncated'
      });
    }
    const damaged = Buffer.concat([packed.subarray(0, 30), Buffer.alloc(40, 0xfe), packed.subarray(70)]);
    await expect(collect(decompressLayer(chunks(damaged)))).rejects.toBeInstanceOf(ContainerError);
  });

  it('passes errors of its stream on unchanged', async () => {
    const failure = new Error('connection lost');
    for (const packed of [gzipSync(noise), zstdCompressSync(noise), noise]) {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield await Promise.resolve(packed.subarray(0, 300_000));
        throw failure;
      }
      await expect(collect(decompressLayer(broken()))).rejects.toBe(failure);
    }
  });

  it('refuses what layers are never packed with', () => {
    expect(() => detectCompression(Buffer.from('fd377a585a00', 'hex'), 'x/y')).toThrow(/x\/y.*xz/);
    expect(() => detectCompression(Buffer.from('BZh91'))).toThrow(/bzip2/);
  });

  it('ends its source when the reader stops early', async () => {
    const path = join(directory, 'layer');
    await writeFile(path, gzipSync(noise));
    await truncate(path, 400_000);
    const stream = createReadStream(path);
    for await (const chunk of decompressLayer(stream)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(stream.destroyed).toBe(true);
  });
});
