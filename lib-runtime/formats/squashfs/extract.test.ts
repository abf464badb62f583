// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { mkdtemp, lstat, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { snapshot, walkDirectory } from '../testing.ts';
import { extractSquashfs, type IExtractOptions, type IExtractResult } from './extract.ts';
import { SquashfsReader } from './reader.ts';
import { completed, isRoot, item, randomTree, sampleBytes, writeImage } from './squashfs-testing.ts';

let directory: string;
let image: string;
let out: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sqfs-'));
  image = join(directory, 'a.sqfs');
  out = join(directory, 'out');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function extract(options: Partial<IExtractOptions> = {}, target = out): Promise<IExtractResult> {
  const reader = await SquashfsReader.open(image);
  try {
    return await extractSquashfs(reader, target, { asRoot: false, ...options });
  } finally {
    await reader.close();
  }
}

const mode = async (path: string): Promise<string> => ((await lstat(join(out, path))).mode & 0o7777).toString(8);

describe('extractSquashfs', () => {
  it.runIf(isRoot)('restores any tree as root', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(randomTree, fc.constantFrom(4096, 131_072), async (items, blockSize) => {
        await writeImage(image, items, { blockSize });
        const target = join(directory, `out${run++}`);
        const { entries } = await extract({ asRoot: true }, target);
        expect(entries).toBe(completed(items).length);
        expect(await snapshot(walkDirectory(target), ['xattrs'])).toEqual(await snapshot(completed(items), ['xattrs']));
      }),
      { numRuns: 25 }
    );
  });

  it.runIf(isRoot)('restores device nodes as root', async context => {
    try {
      execFileSync('mknod', [join(directory, 'probe'), 'c', '1', '3'], { stdio: 'pipe' });
    } catch (error) {
      context.skip(`this machine permits no device nodes: ${String(error)}`);
    }
    await writeImage(image, [
      item('null', 'char', { major: 1, minor: 3, mode: 0o666, gid: 5 }),
      item('also-null', 'hardlink', { linkTarget: 'null' })
    ]);
    const { notes } = await extract({ asRoot: true });
    for (const name of ['null', 'also-null']) {
      const node = await stat(join(out, name));
      expect([node.isCharacterDevice(), node.rdev, node.gid, node.nlink]).toEqual([true, 0x103, 5, 2]);
      expect(await mode(name)).toBe('666');
    }
    expect(notes).toEqual([]);
  });

  it('lets an ordinary user read and remove everything, and says what is not kept', async () => {
    await writeImage(image, [
      item('closed', 'directory', { mode: 0 }),
      item('closed/secret', 'file', { mode: 0, data: Buffer.from('s'), uid: 77 }),
      item('su', 'file', { mode: 0o4755, data: Buffer.from('x') }),
      item('null', 'char', { major: 1, minor: 3 }),
      item('log', 'socket'),
      item('capable', 'file', { xattrs: new Map([['security.capability', Buffer.alloc(20)]]) })
    ]);
    const { notes, entries, bytes } = await extract();
    expect([await mode('closed'), await mode('closed/secret'), await mode('su')]).toEqual(['700', '600', '755']);
    expect((await stat(join(out, 'closed/secret'))).uid).toBe(process.getuid?.());
    expect(notes.map(note => note.replace(/[:,].*/, '')).sort()).toEqual([
      '1 device nodes were left out',
      '1 files have extended attributes',
      '1 files lost their setuid or setgid bit',
      '1 sockets were left out'
    ]);
    expect({ entries, bytes }).toEqual({ entries: 7, bytes: 2 });
  });

  it('keeps holes as holes', async () => {
    const data = Buffer.concat([Buffer.alloc(8 << 20), sampleBytes(200_000), Buffer.alloc(8 << 20)]);
    await writeImage(image, [item('sparse', 'file', { data })]);
    await extract();
    expect((await readFile(join(out, 'sparse'))).equals(data)).toBe(true);
    expect((await stat(join(out, 'sparse'))).blocks * 512).toBeLessThan(2 << 20);
  });

  it('uses an empty directory and leaves a full one alone', async () => {
    await writeImage(image, [item('a', 'file', { data: Buffer.from('a') })]);
    await mkdir(out);
    await extract();
    expect(await readdir(out)).toEqual(['a']);
    await expect(extract()).rejects.toMatchObject({ code: 'exists' });
    expect(await readdir(out)).toEqual(['a']);
  });

  it('removes what it wrote when the image turns out to be damaged', async () => {
    const files = Array.from({ length: 50 }, (_, index) =>
      item(`d${index % 3}/f${index}`, 'file', { data: sampleBytes(300_000, index), mode: 0 })
    );
    await writeImage(image, files);
    const bytes = await readFile(image);
    bytes.fill(0xff, 1_000_000, 1_400_000);
    await writeFile(image, bytes);
    await expect(extract()).rejects.toMatchObject({ code: 'corrupt' });
    expect(await readdir(directory)).toEqual(['a.sqfs']);
    await mkdir(out);
    await expect(extract()).rejects.toMatchObject({ code: 'corrupt' });
    expect(await readdir(out)).toEqual([]);
  });

  it('can be cancelled, and tells its progress', async () => {
    const files = Array.from({ length: 2000 }, (_, index) => item(`f${index}`, 'file'));
    await writeImage(image, files);
    const controller = new AbortController();
    const seen: number[] = [];
    const onProgress: IExtractOptions['onProgress'] = ({ done, total, unit, phase }) => {
      expect([total, unit, phase]).toEqual([2001, 'entries', 'unpack']);
      seen.push(done);
      if (done > 1000) {
        controller.abort();
      }
    };
    await expect(extract({ onProgress, signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' });
    expect(seen.at(-1)).toBeGreaterThan(1000);
    expect(await readdir(directory)).toEqual(['a.sqfs']);
  });
});
