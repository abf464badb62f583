// SPDX-License-Identifier: BSD-3-Clause
/** Large blobs from a real docker-registry, through a proxy that misbehaves. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, appendFile, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeOciLayout } from '../../tests/support/oci-layout.ts';
import { startProxy } from '../../tests/support/proxy.ts';
import type { IBehaviour, ITestProxy } from '../../tests/support/proxy.ts';
import { startRegistry } from '../../tests/support/registry.ts';
import type { ITestRegistry } from '../../tests/support/registry.ts';
import { RegistryClient } from './client.ts';
import type { IDownloadOptions } from './download.ts';
import { parseReference } from './reference.ts';

const MIB = 1 << 20;
let root: string;
let registry: ITestRegistry;
let proxy: ITestProxy;
let blob: { digest: string; size: number };
let directory: string;
let path: string;
let count = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'nbc-download-'));
  registry = await startRegistry();
  const content = randomBytes(20 * MIB + 12_345);
  const image = await writeOciLayout(join(root, 'layout'), {
    compression: 'none',
    layers: [{ entries: [{ name: 'noise', content }] }]
  });
  await registry.push(join(root, 'layout'), 'group/large:1');
  const [layer] = image.layers;
  if (layer === undefined) {
    throw new Error('no layer');
  }
  blob = layer;
});
afterAll(async () => {
  await registry.stop();
  await rm(root, { recursive: true, force: true });
});
beforeEach(async () => {
  directory = await mkdtemp(join(root, `test${count++}-`));
  path = join(directory, 'blob');
  proxy = await startProxy(registry.host);
});
afterEach(() => proxy.stop());

function download(behaviour: IBehaviour = {}, options: IDownloadOptions & { timeout?: number } = {}): Promise<void> {
  proxy.behaviour = behaviour;
  const { timeout, ...rest } = options;
  const client = new RegistryClient({
    plainHttp: true,
    env: { HOME: '/nonexistent' },
    retry: { attempts: 3, baseDelay: 5 },
    ...(timeout !== undefined && { timeout })
  });
  return client.downloadBlob(parseReference(`${proxy.host}/group/large:1`), blob, path, { chunk: 4 * MIB, ...rest });
}
async function expectWhole(): Promise<void> {
  const digest = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  expect(`sha256:${digest}`).toBe(blob.digest);
  expect(await readdir(directory)).toEqual(['blob']);
}

describe('a whole download', () => {
  it('uses several connections and tells its progress', async () => {
    const progress: number[] = [];
    await download({ bytesPerSecond: 6 * MIB }, { onProgress: ({ done }) => progress.push(done), connections: 4 });
    await expectWhole();
    expect(proxy.peak()).toBe(4);
    expect(proxy.blobBytes()).toBe(blob.size);
    expect(progress[0]).toBe(0);
    expect(progress.at(-1)).toBe(blob.size);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    // A second time there is nothing to do.
    await download();
    expect(proxy.blobBytes()).toBe(blob.size);
  });

  it('takes one plain request where the server knows no ranges', async () => {
    await download({ ignoreRange: true });
    await expectWhole();
    expect(proxy.seen.some(request => request.headers.range === undefined)).toBe(true);
  });

  it('goes on after each break where the server knows no ranges', async () => {
    await download({ ignoreRange: true, cutAfter: 9 * MIB, cuts: 2 });
    await expectWhole();
  });

  it('fetches an empty blob and one of a single byte', async () => {
    for (const size of [0, 1]) {
      const bytes = Buffer.alloc(size, 'x');
      const small = { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size };
      const url = `http://${registry.host}/v2/group/large/blobs/uploads/`;
      const { headers } = await fetch(url, { method: 'POST' });
      const place = new URL(headers.get('location') ?? '', url);
      place.searchParams.set('digest', small.digest);
      expect((await fetch(place, { method: 'PUT', body: bytes })).status).toBe(201);
      const client = new RegistryClient({ plainHttp: true, env: {} });
      const target = join(directory, `size${size}`);
      await client.downloadBlob(parseReference(`${proxy.host}/group/large:1`), small, target);
      expect((await stat(target)).size).toBe(size);
    }
  });
});

describe('breaks', () => {
  it('loses little when connections are cut', async () => {
    await download({ cutAfter: 3 * MIB, cuts: 5 });
    await expectWhole();
    expect(proxy.blobBytes() - blob.size).toBeLessThanOrEqual(5 * MIB);
  });

  it('asks the registry again when signed addresses expire', async () => {
    await download({ signedUses: 2 });
    await expectWhole();
    const redirects = proxy.seen.filter(request => request.status === 307).length;
    expect(redirects).toBeGreaterThan(1);
    expect(proxy.seen.filter(request => request.signed && request.status === 403).length).toBeGreaterThan(0);
    expect(proxy.blobBytes()).toBe(blob.size);
  });

  it('shares one signed address between requests while it works', async () => {
    await download({ signedUses: 1000 });
    await expectWhole();
    expect(proxy.seen.filter(request => request.status === 307)).toHaveLength(1);
  });

  it('waits and tries again on 503 and 429', async () => {
    await download({ next: [{ status: 503 }, { status: 429, headers: { 'retry-after': '0' } }] });
    await expectWhole();
  });

  it('gives up on a server that only stalls, and keeps what is there', async () => {
    await expect(download({ stall: true }, { timeout: 60 })).rejects.toMatchObject({
      code: 'network',
      errno: 'ETIMEDOUT'
    });
    expect((await readdir(directory)).sort()).toEqual(['blob.part', 'blob.part.json']);
    await download();
    await expectWhole();
  });

  it('stops on abort and goes on later', async () => {
    const abort = new AbortController();
    const stopped = download(
      { bytesPerSecond: 4 * MIB },
      { signal: abort.signal, onProgress: ({ done }) => done > 4 * MIB && abort.abort() }
    );
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    const before = proxy.blobBytes();
    await download();
    await expectWhole();
    expect(proxy.blobBytes()).toBeLessThan(blob.size + before - 3 * MIB);
  });
});

describe('wrong data', () => {
  it('finds a wrong byte, and leaves nothing', async () => {
    await expect(download({ corruptAt: 1000 })).rejects.toMatchObject({ code: 'digest-mismatch' });
    expect(await readdir(directory)).toEqual([]);
  });

  it('finds a short body, and leaves nothing', async () => {
    await expect(download({ truncateAfter: 0 })).rejects.toMatchObject({ code: 'truncated' });
    expect(await readdir(directory)).toEqual([]);
  });

  it.each([
    ['truncated', 1000],
    ['digest-mismatch', -1000]
  ] as const)('finds a blob whose size is not that of the manifest: %s', async (code, difference) => {
    const client = new RegistryClient({ plainHttp: true, env: {}, retry: { attempts: 2, baseDelay: 1 } });
    const lying = { digest: blob.digest, size: blob.size + difference };
    const reference = parseReference(`${proxy.host}/group/large:1`);
    for (const chunk of [4 * MIB, 64 * MIB]) {
      await expect(client.downloadBlob(reference, lying, path, { chunk })).rejects.toMatchObject({ code });
      expect(await readdir(directory)).toEqual([]);
    }
  });

  it('starts over once when what an earlier process left is damaged', async () => {
    await expect(download({ stall: true }, { timeout: 60 })).rejects.toMatchObject({ code: 'network' });
    await appendFile(`${path}.part.json`, `[0,${8 * MIB}]\n`);
    await download();
    await expectWhole();
    expect(proxy.blobBytes()).toBeGreaterThan(blob.size);
  });

  it.each([
    ['a torn last line', async () => appendFile(`${path}.part.json`, '[1048576,20971')],
    ['garbage', async () => writeFile(`${path}.part.json`, '\0\0\0\0\n[0,99]\n')],
    ['a part that was cut', async () => truncate(`${path}.part`, 5)],
    ['a journal with no part', async () => rm(`${path}.part`)]
  ])('copes with %s', async (_name, damage) => {
    await expect(download({ stall: true }, { timeout: 60 })).rejects.toMatchObject({ code: 'network' });
    await damage();
    await download();
    await expectWhole();
  });
});

describe('kill -9 in the middle', () => {
  it.each([
    ['ranges', {}, 4],
    ['signed addresses', { signedUses: 3 }, 4]
  ] satisfies [string, IBehaviour, number][])(
    'fetches again at most 1 MiB for each connection: %s',
    async (_name, behaviour, connections) => {
      // The server stops at half, so that what it has sent has also arrived when the process is killed: what lies in
      // the kernel's buffers at that time is not the process's to keep.
      proxy.behaviour = { ...behaviour, bytesPerSecond: 8 * MIB, freezeAt: blob.size / 2 };
      const program = `
        import { RegistryClient } from ${JSON.stringify(join(import.meta.dirname, 'client.ts'))};
        import { parseReference } from ${JSON.stringify(join(import.meta.dirname, 'reference.ts'))};
        await new RegistryClient({ plainHttp: true, env: {} }).downloadBlob(
          parseReference('${proxy.host}/group/large:1'), ${JSON.stringify(blob)}, ${JSON.stringify(path)},
          { connections: ${connections}, chunk: ${4 * MIB} });`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
      const exit = once(child, 'exit');
      const journalSize = async () => (await stat(`${path}.part.json`).catch(() => ({ size: 0 }))).size;
      for (let [size, quiet] = [-1, 0]; quiet < 600 || proxy.blobBytes() < blob.size / 2; quiet += 50) {
        const now = await journalSize();
        [size, quiet] = now === size ? [size, quiet] : [now, 0];
        expect(child.exitCode).toBeNull();
        await sleep(50);
      }
      child.kill('SIGKILL');
      expect((await exit)[1]).toBe('SIGKILL');
      await expect(access(path)).rejects.toThrow('ENOENT');
      const before = proxy.blobBytes();
      expect(before).toBeLessThan(blob.size);
      await download(behaviour);
      await expectWhole();
      const again = proxy.blobBytes() - blob.size;
      expect(again).toBeLessThanOrEqual(connections * MIB);
      // The second run really took over: it did not fetch everything.
      expect(proxy.blobBytes() - before).toBeLessThan(blob.size * 0.75);
    }
  );
});

it('lets nobody else read an unfinished file', async () => {
  await expect(download({ stall: true }, { timeout: 60 })).rejects.toMatchObject({ code: 'network' });
  const file = await open(`${path}.part`);
  expect((await file.stat()).mode & 0o077).toBe(0);
  await file.close();
});
