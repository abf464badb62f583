// SPDX-License-Identifier: BSD-3-Clause
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { machineOf, SIF_NIL_UUID, sifArchOf, SifType } from './layout.ts';
import { findObjects, isSif, primaryPartition, readSif, readSifObject } from './reader.ts';
import { SifWriter } from './writer.ts';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sif-'));
  path = join(directory, 'a.sif');
});
afterEach(() => rm(directory, { recursive: true }));

const DEFFILE = Buffer.from('bootstrap: docker\nfrom: alpine\n\n');
const PARTITION = Buffer.alloc(8192, 0x5a);

/** As Apptainer lays out an image: definition, two JSON objects, one partition. */
async function writeSample(): Promise<void> {
  const writer = await SifWriter.create(path, { uuid: SIF_NIL_UUID, time: 1_700_000_000 });
  await writer.addObject({ type: SifType.deffile, data: DEFFILE });
  await writer.addObject({ type: SifType.genericJson, name: 'inspect-metadata.json', data: Buffer.from('{}') });
  await writer.addObject({ type: SifType.genericJson, name: 'oci-config.json', data: Buffer.from('{"Cmd":["sh"]}') });
  const { file, offset } = await writer.beginPartition();
  await file.write(PARTITION, 0, PARTITION.length, offset);
  await writer.endPartition({ size: PARTITION.length, fstype: 'squashfs', parttype: 'primary', arch: 'x86_64' });
  await writer.finish();
}

describe('SifWriter', () => {
  it('puts every field of header and descriptors where the format wants it', async () => {
    await writeSample();
    const bytes = await readFile(path);
    expect(bytes.toString('latin1', 0, 48)).toBe('#!/usr/bin/env run-singularity\n\0SIF_MAGIC\x0001\x0002\0');
    const numbers = Array.from({ length: 8 }, (_, index) => Number(bytes.readBigInt64LE(64 + 8 * index)));
    expect(numbers).toEqual([1_700_000_000, 1_700_000_000, 44, 48, 4096, 28080, 32176, bytes.length - 32176]);
    expect(bytes.subarray(128, 4096).every(byte => byte === 0)).toBe(true);
    const partition = bytes.subarray(4096 + 3 * 585, 4096 + 4 * 585);
    expect(partition.readInt32LE(0)).toBe(0x4004);
    expect(partition.readUInt8(4)).toBe(1);
    expect([5, 9, 13].map(at => partition.readUInt32LE(at))).toEqual([4, 0xf0000001, 0]);
    // Objects follow each other unaligned from 32176; the partition goes to the next page, the gap counts to it.
    const end = 32176 + DEFFILE.length + 2 + 14;
    expect([17, 25, 33].map(at => Number(partition.readBigInt64LE(at)))).toEqual([32768, 8192, 32768 - end + 8192]);
    expect([57, 65].map(at => Number(partition.readBigInt64LE(at)))).toEqual([0, 0]);
    expect(partition.subarray(73, 201).every(byte => byte === 0)).toBe(true);
    expect([partition.readInt32LE(201), partition.readInt32LE(205)]).toEqual([1, 2]);
    expect(partition.toString('latin1', 209, 212)).toBe('02\0');
    expect(bytes.toString('latin1', 4096 + 585 + 73, 4096 + 585 + 73 + 22)).toBe('inspect-metadata.json\0');
    expect(bytes.length).toBe(32768 + 8192);
    expect(((await stat(path)).mode & 0o777).toString(8)).toBe('755');
  });

  it('leaves nothing behind when it is aborted, and nothing but the image when it finishes', async () => {
    const writer = await SifWriter.create(path);
    await writer.addObject({ type: SifType.deffile, data: DEFFILE });
    expect(await readdir(directory)).toHaveLength(1);
    await writer.abort();
    expect(await readdir(directory)).toEqual([]);
    await writeSample();
    expect(await readdir(directory)).toEqual(['a.sif']);
  });

  it('takes 48 objects and no more', async () => {
    const writer = await SifWriter.create(path);
    for (let index = 0; index < 48; index++) {
      await writer.addObject({ type: SifType.generic, data: Buffer.alloc(0) });
    }
    await expect(writer.addObject({ type: SifType.generic, data: Buffer.alloc(0) })).rejects.toMatchObject({
      code: 'unsupported'
    });
    await writer.abort();
  });

  it('says where it cannot write', async () => {
    await expect(SifWriter.create(join(directory, 'no', 'a.sif'))).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('readSif', () => {
  it('reads back what was written', async () => {
    await writeSample();
    const sif = await readSif(path);
    expect(sif.header).toMatchObject({ version: '01', arch: 'x86_64', uuid: SIF_NIL_UUID, descriptorsFree: 44 });
    expect(sif.descriptors.map(({ id, type, name, group }) => [id, type, name, group])).toEqual([
      [1, SifType.deffile, '', 1],
      [2, SifType.genericJson, 'inspect-metadata.json', 1],
      [3, SifType.genericJson, 'oci-config.json', 1],
      [4, SifType.partition, '', 1]
    ]);
    const [config] = findObjects(sif, SifType.genericJson, 'oci-config.json');
    expect(config && (await readSifObject(sif, config)).toString()).toBe('{"Cmd":["sh"]}');
    const primary = primaryPartition(sif);
    expect(primary.partition).toEqual({ fstype: 'squashfs', parttype: 'primary', arch: 'x86_64' });
    expect((await readSifObject(sif, primary)).equals(PARTITION)).toBe(true);
  });

  it('keeps links of signatures to their group', async () => {
    const writer = await SifWriter.create(path);
    const link = { kind: 'group', id: 1 } as const;
    await writer.addObject({ type: SifType.signature, data: Buffer.from('x'), group: 0, link });
    await writer.finish();
    const bytes = await readFile(path);
    expect([bytes.readUInt32LE(4096 + 9), bytes.readUInt32LE(4096 + 13)]).toEqual([0xf0000000, 0xf0000001]);
    expect((await readSif(path)).descriptors[0]).toMatchObject({ group: 0, link });
  });

  it.each([
    ['a text file', 'hello\n', 'not-an-image', 'it is a text file'],
    ['a web page', '<!DOCTYPE html><html>404</html>', 'not-an-image', 'web page'],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\n', 'not-an-image', 'Git LFS'],
    ['a bare squashfs', 'hsqs\x01\0\0\0', 'not-an-image', 'squashfs'],
    ['an empty file', '', 'truncated', 'is empty']
  ])('refuses %s', async (_, text, code, message) => {
    await writeFile(path, text, 'latin1');
    await expect(readSif(path)).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string });
    expect(await isSif(path)).toBe(false);
  });

  it.each([60, 2000, 20000, 33000, 40000])('finds out that a SIF ends after %i bytes', async length => {
    await writeSample();
    await truncate(path, length);
    await expect(readSif(path)).rejects.toMatchObject({ code: 'truncated' });
  });

  it('refuses other versions, impossible tables and directories', async () => {
    await writeSample();
    const good = await readFile(path);
    const patch = async (offset: number, bytes: Buffer): Promise<void> => {
      const bad = Buffer.from(good);
      bytes.copy(bad, offset);
      await writeFile(path, bad);
    };
    const i64 = (value: bigint): Buffer => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(value);
      return bytes;
    };
    await patch(42, Buffer.from('02'));
    await expect(readSif(path)).rejects.toMatchObject({ code: 'unsupported' });
    for (const [offset, value] of [
      [88, 2n ** 40n],
      [88, -1n],
      [96, 2n ** 62n],
      [96, -4096n]
    ] as const) {
      await patch(offset, i64(value));
      await expect(readSif(path)).rejects.toMatchObject({ code: 'corrupt' });
    }
    await patch(4096 + 17, i64(-1n));
    await expect(readSif(path)).rejects.toMatchObject({ code: 'corrupt' });
    await expect(readSif(directory)).rejects.toMatchObject({ name: 'ContainerError' });
    await expect(readSif(join(directory, 'none'))).rejects.toMatchObject({ code: 'not-found' });
  });

  it('says why there is no container in a SIF', async () => {
    const writer = await SifWriter.create(path);
    await writer.addObject({ type: SifType.ociRootIndex, data: Buffer.from('{}') });
    await writer.finish();
    const sif = await readSif(path);
    expect(() => primaryPartition(sif)).toThrow(/OCI-SIF/);
  });
});

describe('architectures', () => {
  it.each([
    ['x86_64', '02'],
    ['aarch64', '04'],
    ['ppc64le', '06'],
    ['riscv64', '12'],
    ['loongarch64', '13'],
    ['vax', '00']
  ])('%s is %s', (machine, code) => {
    expect(sifArchOf(machine)).toBe(code);
    expect(machineOf(code)).toBe(code === '00' ? 'unknown' : machine);
  });
});
