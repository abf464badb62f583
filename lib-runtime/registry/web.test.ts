// SPDX-License-Identifier: BSD-3-Clause
/** Files of a real web server (node:http) on 127.0.0.1 that misbehaves. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeCertificate } from '../../tests/support/certificate.ts';
import { startWebServer, type IServedFile, type ITestWebServer } from '../../tests/support/web-server.ts';
import type { IDownloadOptions } from './download.ts';
import { parseWebAddress } from './web-address.ts';
import { versionName, WebFile, type IWebOptions } from './web.ts';

const MIB = 1 << 20;
const CONTENT = randomBytes(5 * MIB + 321);
const OTHER = randomBytes(5 * MIB + 321);
let root = '';
let directory = '';
let path = '';
let server: ITestWebServer;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'nbc-web-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));
beforeEach(async () => {
  directory = await mkdtemp(join(root, 'test-'));
  path = join(directory, 'file');
  server = await startWebServer();
});
afterEach(() => server.stop());

function serve(file: Partial<IServedFile> = {}, name = '/a.sif'): string {
  server.files.set(name, { content: CONTENT, ...file });
  return server.origin + name;
}

function open(url: string, options: IWebOptions = {}): WebFile {
  const address = parseWebAddress(url);
  if (address === undefined) {
    throw new Error(`${url} is no address`);
  }
  return new WebFile(address, { env: {}, retry: { attempts: 3, baseDelay: 5 }, ...options });
}

const chunked: Pick<IDownloadOptions, 'chunk'> = { chunk: MIB };

async function expectContent(content: Buffer = CONTENT): Promise<void> {
  expect((await readFile(path)).equals(content)).toBe(true);
  expect(await readdir(directory)).toEqual(['file']);
}
const digestOf = (content: Buffer): string => `sha256:${createHash('sha256').update(content).digest('hex')}`;
const bytesSent = (): number => server.seen.reduce((sum, { sent }) => sum + sent, 0);

describe('what there is', () => {
  it.each<[string, Partial<IServedFile>, object]>([
    ['a file with ranges', { etag: '"1"' }, { size: CONTENT.length, etag: '"1"', type: 'application/octet-stream' }],
    ['a file without', { ranges: false, modified: 'Mon, 01 Jun 2026 00:00:00 GMT' }, { size: CONTENT.length }],
    ['a file of no length', { ranges: false, chunked: true }, { size: undefined }],
    ['an empty file', { content: Buffer.alloc(0) }, { size: 0 }],
    ['an empty file without ranges', { content: Buffer.alloc(0), ranges: false }, { size: 0 }]
  ])('is seen of %s', async (_name, file, expected) => {
    const version = await open(serve(file)).look();
    expect(version).toMatchObject(expected);
    const { content = CONTENT } = file;
    expect(Buffer.from(version.head).equals(content.subarray(0, 512))).toBe(true);
  });

  it('is told apart by ETag, time and size', () => {
    const version = { size: 1, ranges: true, etag: undefined, modified: undefined, type: '', head: new Uint8Array() };
    expect(versionName(version)).toBeUndefined();
    const names = [{ etag: '"a"' }, { etag: '"b"' }, { modified: 'x' }, { etag: '"a"', size: 2 }].map(more =>
      versionName({ ...version, ...more })
    );
    expect(new Set(names).size).toBe(4);
  });
});

describe('a download', () => {
  it('takes several connections where the server knows ranges', async () => {
    expect(await open(serve({ pace: 2 * MIB })).download(path, chunked)).toBe(digestOf(CONTENT));
    await expectContent();
    expect(server.peak()).toBeGreaterThan(3);
    expect(bytesSent()).toBe(CONTENT.length + 512);
  });

  it('takes one stream where it does not', async () => {
    expect(await open(serve({ ranges: false })).download(path, chunked)).toBe(digestOf(CONTENT));
    await expectContent();
    expect(server.seen.map(({ headers }) => headers.range)).toEqual(['bytes=0-511', undefined]);
  });

  it('takes files of servers that close each connection', async () => {
    await open(serve({ close: true })).download(path, chunked);
    await expectContent();
  });

  it('takes one stream where the length is not known', async () => {
    expect(await open(serve({ ranges: false, chunked: true })).download(path, {})).toBe(digestOf(CONTENT));
    await expectContent();
  });

  it('goes on after broken connections', async () => {
    const url = serve({ cutAfter: 700_000, cuts: 4 });
    expect(await open(url).download(path, chunked)).toBe(digestOf(CONTENT));
    await expectContent();
    // What had arrived is not asked for again.
    expect(bytesSent()).toBeLessThan(CONTENT.length + 600_000);
  });

  it('begins a stream of unknown length again when it breaks', async () => {
    await open(serve({ ranges: false, chunked: true, cutAfter: MIB, cuts: 1 })).download(path, {});
    await expectContent();
  });

  it('goes on where a killed process stopped', async () => {
    const url = serve({ pace: 400_000 });
    const program = [
      `import { WebFile } from ${JSON.stringify(new URL('./web.ts', import.meta.url).href)};`,
      `await new WebFile({ url: ${JSON.stringify(url)} }).download(${JSON.stringify(path)}, { chunk: ${MIB} });`
    ].join('\n');
    const script = join(root, 'fetch.mjs');
    await writeFile(script, program);
    const child = spawn(process.execPath, [script], { stdio: 'inherit' });
    const exited = once(child, 'exit');
    const recorded = async (): Promise<number> => {
      const lines = (await readFile(`${path}.part.json`, 'utf8').catch(() => '')).split('\n').slice(1, -1);
      return lines.map(line => JSON.parse(line) as [number, number]).reduce((sum, [from, to]) => sum + to - from, 0);
    };
    while ((await recorded()) < MIB) {
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    child.kill('SIGKILL');
    await exited;
    const kept = await recorded();
    const before = server.seen.length;
    serve();
    expect(await open(url).download(path, chunked)).toBe(digestOf(CONTENT));
    await expectContent();
    // With a first look at its beginning.
    const fetched = server.seen.slice(before).reduce((sum, { sent }) => sum + sent, 0);
    expect(fetched).toBeLessThanOrEqual(CONTENT.length - kept + 4096);
  });

  it.each<[string, Partial<IServedFile>]>([
    ['ETag', {}],
    ['time', { etag: '', modified: 'Mon, 01 Jun 2026 00:00:00 GMT' }],
    ['size', { etag: '', content: CONTENT.subarray(0, 3 * MIB) }]
  ])('starts anew when the file changes between tries: %s', async (_name, first) => {
    const url = serve({ ...first, cutAfter: 300_000, cuts: 1000 });
    const failing = open(url, { retry: { attempts: 1 } }).download(path, { chunk: MIB, connections: 1 });
    await expect(failing).rejects.toMatchObject({ code: 'network' });
    serve({ content: OTHER, ...('modified' in first && { etag: '', modified: 'Tue, 02 Jun 2026 00:00:00 GMT' }) });
    expect(await open(url).download(path, chunked)).toBe(digestOf(OTHER));
    await expectContent(OTHER);
  });

  it('starts anew when the file changes on the way', async () => {
    const url = serve();
    const file = open(url);
    const first = await file.look();
    serve({ before: answers => answers === 3 && serve({ content: OTHER }) });
    expect(await file.download(path, { ...chunked, connections: 1 })).toBe(digestOf(OTHER));
    await expectContent(OTHER);
    expect(file.version?.etag).not.toBe(first.etag);
  });

  it('gives up on a file that never stays the same', async () => {
    let version = 0;
    const another = (): unknown => serve({ etag: `"${version++}"`, before: another });
    const url = serve({ before: another });
    await expect(open(url).download(path, chunked)).rejects.toMatchObject({
      code: 'network',
      message: expect.stringContaining('changes while it is fetched'),
      fix: expect.stringMatching(/./)
    });
  });

  it('does not send a login to another origin', async () => {
    const other = await startWebServer();
    try {
      other.files.set('/b.sif', { content: CONTENT });
      serve({ login: 'me:word' }, '/own.sif');
      serve({ answer: { status: 302, headers: { location: `${other.origin}/b.sif` } } });
      const withLogin = (name: string): string => `${server.origin.replace('//', '//me:word@')}${name}`;
      await open(withLogin('/own.sif')).download(path, chunked);
      await expectContent();
      await open(withLogin('/a.sif')).download(path, chunked);
      expect(server.seen.at(-1)?.headers.authorization).toMatch(/^Basic /);
      expect(other.seen.map(({ headers }) => headers.authorization)).not.toContainEqual(expect.anything());
      expect(other.seen.length).toBeGreaterThan(1);
    } finally {
      await other.stop();
    }
  });
});

describe('a failure', () => {
  it.each<[string, Partial<IServedFile>, object]>([
    ['404', { answer: { status: 404 } }, { code: 'not-found' }],
    ['403', { answer: { status: 403 } }, { code: 'unauthorized' }],
    ['500', { answer: { status: 500 } }, { code: 'network', reason: 'it answered 500' }],
    ['204', { answer: { status: 204 } }, { code: 'network' }],
    ['a circle', { answer: { status: 302, headers: { location: '/a.sif' } } }, { reason: 'it sends us in circles' }],
    ['a mail address', { answer: { status: 301, headers: { location: 'mailto:me@x.test' } } }, { code: 'network' }]
  ])('names %s without the query, with a fix', async (_name, file, expected) => {
    const failing = open(`${serve(file)}?token=secret`).look();
    const error = await failing.then(
      () => undefined,
      (thrown: unknown) => thrown
    );
    expect(error).toMatchObject({ name: 'ContainerError', fix: expect.stringMatching(/./), ...expected });
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  it('is no fault of a registry', async () => {
    await server.stop();
    const failing = open(`${server.origin}/a.sif`).look();
    await expect(failing).rejects.toMatchObject({ errno: 'ECONNREFUSED', message: expect.stringContaining('server') });
    server = await startWebServer();
  });

  it('leaves what has come for the next try when it is cancelled', async () => {
    const abort = new AbortController();
    const url = serve({ pace: 400_000 });
    const onProgress = ({ done }: { readonly done: number }): void => {
      if (done > MIB) {
        abort.abort();
      }
    };
    const failing = open(url, { signal: abort.signal }).download(path, { ...chunked, onProgress });
    await expect(failing).rejects.toMatchObject({ code: 'cancelled' });
    expect(await readdir(directory)).toEqual(['file.part', 'file.part.json']);
  });

  it('is a certificate that nobody vouches for, until somebody does', async () => {
    const { certificate, key } = await makeCertificate(directory);
    const secure = await startWebServer({ cert: await readFile(certificate), key: await readFile(key) });
    try {
      secure.files.set('/a.sif', { content: CONTENT });
      const url = `${secure.origin}/a.sif`;
      await expect(open(url).look()).rejects.toMatchObject({ message: expect.stringContaining('not trusted') });
      // Once in a process and host: a fresh one, as a user would start it.
      const program = [
        `import { WebFile } from ${JSON.stringify(new URL('./web.ts', import.meta.url).href)};`,
        `process.stdout.write(String((await new WebFile({ url: ${JSON.stringify(url)} }).look()).size));`
      ].join('\n');
      const script = join(root, 'look.mjs');
      await writeFile(script, program);
      const child = spawn(process.execPath, [script], { env: { ...process.env, SSL_CERT_FILE: certificate } });
      let text = '';
      child.stdout.on('data', (data: Buffer) => (text += data.toString()));
      await once(child, 'close');
      expect(text).toBe(String(CONTENT.length));
    } finally {
      await secure.stop();
    }
  });
});
