// SPDX-License-Identifier: BSD-3-Clause
import { link, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ContainerError } from '../../support/errors.ts';
import { appendPartition } from './append.ts';
import { SifType } from './layout.ts';
import { readSif } from './reader.ts';
import { SifWriter } from './writer.ts';

const OVERLAY = { fstype: 'ext3', parttype: 'overlay', arch: 'aarch64' } as const;
let directory: string;
let path: string;
let content: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sif-append-'));
  path = join(directory, 'a.sif');
  content = join(directory, 'content');
});
afterEach(() => rm(directory, { recursive: true }));

/** An image whose end is not on a page boundary. */
async function writeSample(objects = 1): Promise<void> {
  const writer = await SifWriter.create(path, { time: 1_700_000_000 });
  for (let index = 0; index < objects; index++) {
    await writer.addObject({ type: SifType.deffile, data: Buffer.from(`object ${index}`) });
  }
  await writer.finish();
}

it('adds a descriptor and the bytes at the next page, and leaves the rest as it was', async () => {
  await writeSample();
  const before = await readFile(path);
  const bytes = Buffer.concat([Buffer.alloc(5000, 7), Buffer.alloc(3000)]);
  await writeFile(content, bytes);
  await link(path, join(directory, 'other name'));
  await appendPartition(path, content, OVERLAY, { time: 1_800_000_000 });
  const sif = await readSif(path);
  const offset = Math.ceil(before.length / 4096) * 4096;
  expect(sif.descriptors.at(-1)).toMatchObject({
    id: 2,
    type: SifType.partition,
    group: 1,
    offset,
    size: 8000,
    sizeWithPadding: offset + 8000 - before.length,
    created: 1_800_000_000,
    partition: OVERLAY
  });
  expect(sif.header).toMatchObject({
    created: 1_700_000_000,
    modified: 1_800_000_000,
    descriptorsFree: 46,
    dataSize: offset + 8000 - 32176
  });
  const after = await readFile(path);
  expect(after.subarray(offset)).toEqual(bytes);
  expect(after.subarray(32176, before.length)).toEqual(before.subarray(32176));
  expect(after.subarray(4096, 4096 + 585)).toEqual(before.subarray(4096, 4096 + 585));
  expect(await readFile(join(directory, 'other name'))).toEqual(before);
  expect((await readdir(directory)).sort()).toEqual(['a.sif', 'content', 'other name']);
});

it('leaves holes where there are zeros when it is asked to', async () => {
  await writeSample();
  const file = await open(content, 'w');
  await file.truncate(32 << 20);
  await file.write(Buffer.from('end'), 0, 3, (32 << 20) - 3);
  await file.close();
  await appendPartition(path, content, OVERLAY, { sparse: true });
  const { size, blocks } = await stat(path);
  expect(size).toBe(32768 + (32 << 20));
  expect(blocks * 512).toBeLessThan(8 << 20);
  expect((await readFile(path)).toString('latin1', size - 3)).toBe('end');
});

it.each([
  ['a full table', 'unsupported', () => writeSample(48)],
  ['a file that is no SIF', 'not-an-image', () => writeFile(path, 'text '.repeat(100))],
  ['no file', 'not-found', () => Promise.resolve()]
])('refuses %s and changes nothing', async (_, code, prepare) => {
  await prepare();
  await writeFile(content, 'x');
  const before = await readFile(path).catch(() => undefined);
  await expect(appendPartition(path, content, OVERLAY)).rejects.toMatchObject({ code });
  await expect(appendPartition(path, content, OVERLAY)).rejects.toBeInstanceOf(ContainerError);
  expect(await readFile(path).catch(() => undefined)).toEqual(before);
  expect(await readdir(directory)).toHaveLength(before === undefined ? 1 : 2);
});
