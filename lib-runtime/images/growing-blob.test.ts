// SPDX-License-Identifier: BSD-3-Clause
/** A blob that is read while a stand-in for the download writes it. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeOciLayout } from '../../tests/support/oci-layout.ts';
import { startProxy, type IBehaviour, type ITestProxy } from '../../tests/support/proxy.ts';
import { startRegistry, type ITestRegistry } from '../../tests/support/registry.ts';
import { primaryPartition, readSif } from '../formats/sif/reader.ts';
import { openStore } from '../store/store.ts';
import type { ProgressListener } from '../support/progress.ts';
import { GrowingBlob, readChunks } from './growing-blob.ts';
import { pullImage } from './pull.ts';

const SIZE = (5 << 20) + 12_345;
const content = Buffer.concat(
  Array.from({ length: Math.ceil(SIZE / 32) }, (_, index) => createHash('sha256').update(String(index)).digest())
).subarray(0, SIZE);

let directory: string;
let part: string;
let file: FileHandle;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nbc-growing-'));
  part = join(directory, 'blob.part');
  file = await open(part, 'w+');
});
afterEach(async () => {
  await file.close();
  await rm(directory, { recursive: true, force: true });
});

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

/** A blob whose end the test decides; it grows by what has been asked of `write`. */
function blobOf(): { blob: GrowingBlob; write(length: number): Promise<void>; settle(error?: Error): Promise<void> } {
  let position = 0;
  let grown: (bytes: number) => void = () => undefined;
  let end: (result: Promise<FileHandle>) => void = () => undefined;
  const blob = new GrowingBlob(part, tell => {
    grown = tell;
    return new Promise<FileHandle>(resolve => (end = resolve));
  });
  return {
    blob,
    write: async length => {
      await file.write(content, position, length, position);
      position += length;
      grown(position);
    },
    settle: async error => {
      await rename(part, join(directory, 'blob')).catch(() => undefined);
      end(error ? Promise.reject(error) : Promise.resolve(file));
      await turn();
    }
  };
}

async function collect(bytes: AsyncIterable<Uint8Array>, onChunk: (length: number) => void = () => undefined) {
  const parts: Buffer[] = [];
  for await (const chunk of bytes) {
    parts.push(Buffer.from(chunk));
    onChunk(chunk.length);
  }
  return Buffer.concat(parts);
}

describe('a growing blob', () => {
  it('is read as it comes, and ends when it is finished', async () => {
    const { blob, write, settle } = blobOf();
    let have = 0;
    const reading = collect(blob, length => (have += length));
    for (const length of [1, 1000, 1 << 20, 3 << 20]) {
      await write(length);
      const before = have;
      for (let turns = 0; have === before && turns < 10_000; turns++) {
        await turn();
      }
      expect(have).toBeGreaterThan(before);
    }
    await write(SIZE - 1001 - (4 << 20));
    await settle();
    expect((await reading).equals(content)).toBe(true);
    // A second time it is whole.
    expect((await collect(blob)).equals(content)).toBe(true);
  });

  it('is whole when nothing was told of it before its end', async () => {
    const { blob, settle } = blobOf();
    await file.write(content, 0, SIZE, 0);
    const reading = collect(blob);
    await settle();
    expect((await reading).equals(content)).toBe(true);
  });

  it('does not end when all bytes are there and the digest turns out wrong', async () => {
    const { blob, write, settle } = blobOf();
    const reading = collect(blob);
    reading.catch(() => undefined);
    await write(SIZE);
    await settle(new Error('another digest'));
    await expect(reading).rejects.toThrow('another digest');
    await expect(collect(blob)).rejects.toThrow('another digest');
  });

  it('does not hold back a reader that stops', async () => {
    const { blob, write } = blobOf();
    const reader = blob[Symbol.asyncIterator]();
    await write(10);
    expect((await reader.next()).value).toHaveLength(10);
    const pending = reader.next();
    await reader.return?.();
    expect((await pending).done).toBe(true);
  });
});

describe('readChunks', () => {
  it.each([0, 1, 1 << 20, SIZE - 1, SIZE])('reads from %i on', async start => {
    await file.write(content, 0, SIZE, 0);
    expect((await collect(readChunks(file, start))).equals(content.subarray(start))).toBe(true);
  });

  it('stops where it is told to', async () => {
    await file.write(content, 0, SIZE, 0);
    expect((await collect(readChunks(file, 10, () => 5000))).equals(content.subarray(10, 5000))).toBe(true);
  });
});

describe('a pull', () => {
  const NAMES = Array.from({ length: 200 }, (_, index) => `file-${index}`);
  let registry: ITestRegistry;
  let proxy: ITestProxy;
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'nbc-growing-pull-'));
    const entries = NAMES.map((name, index) => ({
      name,
      content: content.subarray(1000 * index, 1000 * index + 60_000)
    }));
    await writeOciLayout(join(home, 'layout'), { compression: 'none', layers: [{ entries }] });
    registry = await startRegistry();
    await registry.push(join(home, 'layout'), 'test/growing:1');
    proxy = await startProxy(registry.host);
  });
  afterAll(async () => {
    await proxy.stop();
    await registry.stop();
    await rm(home, { recursive: true, force: true });
  });

  const pull = async (behaviour: IBehaviour, onProgress?: ProgressListener): Promise<string> => {
    proxy.behaviour = behaviour;
    const store = await openStore({ home: join(directory, 'home') });
    const source = `docker://${proxy.host}/test/growing:1`;
    const output = join(directory, 'out.sif');
    await pullImage({ source, output, store, plainHttp: true, ...(onProgress && { onProgress }) });
    return output;
  };

  it('converts what has come while the rest is coming', async () => {
    const phases: string[] = [];
    const output = await pull({ bytesPerSecond: 8 << 20 }, ({ phase }) => phases.push(phase));
    expect(phases.indexOf('convert')).toBeGreaterThan(-1);
    expect(phases.indexOf('convert')).toBeLessThan(phases.lastIndexOf('download'));
    const { offset } = primaryPartition(await readSif(output));
    const listed = execFileSync('unsquashfs', ['-q', '-n', '-o', String(offset), '-cat', output, 'file-7']);
    expect(listed.equals(content.subarray(7000, 67_000))).toBe(true);
  });

  it('leaves nothing of what it has converted when a byte was wrong', async () => {
    await expect(pull({ corruptAt: 1_000_000 })).rejects.toMatchObject({ code: 'digest-mismatch' });
    const left = await readdir(directory, { recursive: true, withFileTypes: true });
    expect(left.filter(entry => entry.isFile() && entry.name !== 'blob.part').map(entry => entry.name)).toEqual([]);
  });
});
