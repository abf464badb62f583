// SPDX-License-Identifier: BSD-3-Clause
/** Images that are files at their source: on a web server (node:http), in a real registry (Debian's docker-registry). */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeOciLayout } from '../../tests/support/oci-layout.ts';
import { pushArtifact } from '../../tests/support/oras.ts';
import { startRegistry, type ITestRegistry } from '../../tests/support/registry.ts';
import { startWebServer, type IServedFile, type ITestWebServer } from '../../tests/support/web-server.ts';
import { openStore, type Store } from '../store/store.ts';
import { gatherImageFacts } from './facts.ts';
import { openImage } from './open.ts';
import { pullImage, pullIntoStore } from './pull.ts';
import { ensureTree } from './unpack.ts';
import { plainHttpNotice } from './web-image.ts';

let root = '';
let registry: ITestRegistry;
/** Two small images that differ. */
let sif: Buffer;
let newer: Buffer;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'nbc-file-'));
  registry = await startRegistry();
  const store = await openStore({ home: join(root, 'home') });
  const make = async (name: string): Promise<Buffer> => {
    const entries = [{ name: 'etc/passwd', content: `${name}:x:0:0::/:/bin/sh\n` }];
    await writeOciLayout(join(root, name), { layers: [{ entries }] });
    const output = join(root, `${name}.sif`);
    await pullImage({ source: `oci:${join(root, name)}`, output, store });
    return readFileSync(output);
  };
  sif = await make('first');
  newer = await make('second');
  await registry.push(join(root, 'first'), 'test/layers:1');
});
afterAll(async () => {
  await registry.stop();
  rmSync(root, { recursive: true, force: true });
});

let work = '';
let store: Store;
let server: ITestWebServer;
beforeEach(async () => {
  work = mkdtempSync(join(root, 'test-'));
  mkdirSync(join(work, 'out'));
  store = await openStore({ home: join(work, 'home') });
  server = await startWebServer();
});
afterEach(() => server.stop());

function serve(file: Partial<IServedFile> = {}, name = '/images/tool:1.2--h5'): string {
  server.files.set(name, { content: sif, ...file });
  return server.origin + name;
}
function leftovers(): string[] {
  return ['out', 'home/images', 'home/tmp', 'home/blobs/sha256', 'home/refs'].flatMap(name =>
    readdirSync(join(work, name)).map(file => `${name}/${file}`)
  );
}
const passwd = async (name: string): Promise<string | undefined> =>
  (await gatherImageFacts(await openImage(name, { store, pull: false }), { store, pathsOfInterest: [] })).passwd;

describe('pull from a web server', () => {
  it('writes the file as it is under the last part of its address', async () => {
    const source = serve();
    const { path, name, key } = await pullImage({ source, directory: join(work, 'out'), store });
    expect(path).toBe(join(work, 'out', 'tool:1.2--h5'));
    expect(name).toBe(source);
    expect(readFileSync(path).equals(sif)).toBe(true);
    expect(statSync(path).mode & 0o111).not.toBe(0);
    expect(statSync(path).ino).toBe(statSync(store.imagePath(key)).ino);
    expect(leftovers().filter(file => !file.startsWith('home/refs'))).toEqual([
      'out/tool:1.2--h5',
      `home/images/${key}.sif`
    ]);
  });

  it('fetches nothing of what has not changed, and what has', async () => {
    const source = serve();
    const first = await pullImage({ source, output: join(work, 'out', 'a.sif'), store });
    const before = server.seen.length;
    const second = await pullImage({ source, output: join(work, 'out', 'b.sif'), store });
    expect(server.seen.slice(before).map(({ headers }) => headers.range)).toEqual(['bytes=0-511']);
    expect(second.key).toBe(first.key);
    expect(readFileSync(second.path).equals(sif)).toBe(true);
    serve({ content: newer });
    const third = await pullImage({ source, output: join(work, 'out', 'b.sif'), force: true, store });
    expect(third.key).not.toBe(first.key);
    expect(readFileSync(third.path).equals(newer)).toBe(true);
    expect(readFileSync(first.path).equals(sif)).toBe(true);
    expect(await passwd(source)).toContain('second');
  });

  it('fetches again what cannot be told apart', async () => {
    const source = serve({ etag: '' });
    await pullImage({ source, output: join(work, 'out', 'a.sif'), store });
    serve({ etag: '', content: newer });
    const { path } = await pullImage({ source, output: join(work, 'out', 'b.sif'), store });
    expect(readFileSync(path).equals(newer)).toBe(true);
  });

  it('keeps one file for two addresses of the same content', async () => {
    const first = await pullIntoStore(serve(), { store });
    const inode = statSync(first.path).ino;
    const second = await pullIntoStore(serve({}, '/mirror.sif'), { store });
    expect(second.key).toBe(first.key);
    expect(statSync(second.path).ino).toBe(inode);
    expect((await store.images()).map(({ name }) => name)).toEqual([first.name, second.name].sort());
    await store.removeImage(first.name);
    expect(await passwd(second.name)).toContain('first');
  });

  it('takes squashfs files, also with the first line of Singularity 2', async () => {
    const tree = join(work, 'tree');
    mkdirSync(join(tree, 'etc'), { recursive: true });
    writeFileSync(join(tree, 'etc/passwd'), 'old:x:0:0::/:/bin/sh\n');
    const bare = join(work, 'bare.sqfs');
    execFileSync('mksquashfs', [tree, bare, '-noappend', '-quiet', '-no-progress'], { stdio: 'ignore' });
    const content = readFileSync(bare);
    expect((await openImage(serve({ content }, '/bare'), { store })).source).toMatchObject({ offset: 0 });
    const line = Buffer.from('#!/usr/bin/env run-singularity\n\0');
    const source = serve({ content: Buffer.concat([line, content]) }, '/old.simg');
    const image = await openImage(source, { store });
    expect(image.source).toMatchObject({ kind: 'squashfs', offset: 32, size: content.length, compression: 'gzip' });
    expect(await passwd(source)).toBe('old:x:0:0::/:/bin/sh\n');
    const facts = await gatherImageFacts(image, { store, pathsOfInterest: [] });
    const { directory } = await ensureTree(facts, 'plain', { store });
    expect(readFileSync(join(directory, 'etc/passwd'), 'utf8')).toBe('old:x:0:0::/:/bin/sh\n');
  });

  it('never writes a password down', async () => {
    const source = serve({ login: 'me:pass-word' }).replace('//', '//me:pass-word@');
    const record = await pullIntoStore(source, { store });
    expect(JSON.stringify(record)).not.toContain('pass-word');
    const refs = readdirSync(store.refs).map(file => readFileSync(join(store.refs, file), 'utf8'));
    expect(refs).toHaveLength(1);
    expect(refs.join('\n')).not.toContain('pass-word');
    expect(JSON.stringify(await openImage(source, { store, pull: false }))).not.toContain('pass-word');
  });

  it('does not overwrite unasked, and asks nothing of the server first', async () => {
    const output = join(work, 'out', 'mine');
    writeFileSync(output, 'mine');
    await expect(pullImage({ source: serve(), output, store })).rejects.toMatchObject({ code: 'exists' });
    expect(readFileSync(output, 'utf8')).toBe('mine');
    expect(server.seen).toEqual([]);
  });

  it.each<[string, () => Partial<IServedFile>, object]>([
    [
      'a web page',
      () => ({ content: Buffer.from('<!DOCTYPE html><html>Log in'), type: 'text/html; charset=utf-8' }),
      { code: 'not-an-image', reason: 'the server sent a web page (text/html)' }
    ],
    ['an empty file', () => ({ content: Buffer.alloc(0) }), { code: 'not-an-image', reason: 'the file is empty' }],
    ['a tar file', () => ({ content: Buffer.alloc(4096, 0x80) }), { code: 'not-an-image' }],
    ['half a SIF', () => ({ content: sif.subarray(0, Math.floor(sif.length * 0.6)) }), { code: 'truncated' }],
    [
      'half a SIF of no length',
      () => ({ content: sif.subarray(0, 30_000), chunked: true, ranges: false }),
      { code: 'truncated' }
    ]
  ])('refuses %s and leaves nothing', async (_name, file, expected) => {
    const source = serve(file());
    const failing = pullImage({ source, directory: join(work, 'out'), store });
    const message = expect.stringContaining(source);
    await expect(failing).rejects.toMatchObject({ fix: expect.stringMatching(/./), message, ...expected });
    expect(leftovers()).toEqual([]);
  });

  it('goes on after a cancelled pull', async () => {
    const content = Buffer.concat([sif, Buffer.alloc(4 << 20)]);
    const source = serve({ content, pace: 1 << 20 });
    const abort = new AbortController();
    const onProgress = ({ phase, done }: { phase: string; done: number }): void => {
      if (phase === 'download' && done >= 1 << 20) {
        abort.abort();
      }
    };
    const request = { source, output: join(work, 'out', 'a.sif'), store };
    const failing = pullImage({ ...request, onProgress, signal: abort.signal });
    await expect(failing).rejects.toMatchObject({ code: 'cancelled' });
    expect(readdirSync(join(work, 'out'))).toEqual([]);
    const before = server.seen.length;
    serve({ content });
    await pullImage(request);
    expect(readFileSync(request.output).equals(content)).toBe(true);
    const sent = server.seen.slice(before).reduce((sum, other) => sum + other.sent, 0);
    expect(sent).toBeLessThan(content.length - (1 << 19));
  });
});

describe('a start from a web server', () => {
  it('fetches once, and needs no network afterwards', async () => {
    const source = serve();
    const first = await openImage(source, { store });
    expect(first).toMatchObject({ name: source, source: { kind: 'squashfs' } });
    const asked = server.seen.length;
    await server.stop();
    // The store still knows it by its address; host names have no case.
    expect(await openImage(source.replace('http:', 'HTTP:'), { store })).toEqual(first);
    server = await startWebServer();
    expect(asked).toBeGreaterThan(0);
    expect((await store.resolveImage(source)).key).toBe(first.key);
    await store.removeImage(source);
    await expect(openImage(source, { store, pull: false })).rejects.toMatchObject({ code: 'not-found' });
  });

  it.each([
    ['https://x.test/a', false],
    ['http://localhost:8000/a', false],
    ['http://127.0.0.1/a', false],
    ['http://[::1]/a', false],
    ['http://127.0.0.1.x.test/a', true],
    ['http://x.test/a', true]
  ])('warns of plain HTTP: %s', (url, warns) => {
    expect(plainHttpNotice(url) !== undefined).toBe(warns);
  });
});

describe('a SIF in a registry (ORAS)', () => {
  const request = (): { store: Store; plainHttp: true } => ({ store, plainHttp: true });

  it.each(['oras', 'docker'])('is taken as it is by %s://', async scheme => {
    const { manifest } = await pushArtifact(registry.host, `test/${scheme}`, '1', { files: [{ content: sif }] });
    const source = `${scheme}://${registry.host}/test/${scheme}:1`;
    const record = await pullImage({ ...request(), source, directory: join(work, 'out') });
    expect(record).toMatchObject({
      name: source,
      manifestDigest: manifest,
      path: join(work, 'out', `${scheme}_1.sif`)
    });
    expect(readFileSync(record.path).equals(sif)).toBe(true);
    const again = await pullImage({ ...request(), source, output: join(work, 'out', 'again.sif') });
    expect(statSync(again.path).ino).toBe(statSync(record.path).ino);
    expect((await openImage(source, { store, pull: false })).key).toBe(record.key);
    expect(readdirSync(join(work, 'home/blobs/sha256'))).toEqual([]);
  });

  it('is fetched once for all its tags', async () => {
    const content = Buffer.concat([sif, Buffer.from('tags')]);
    const { layers } = await pushArtifact(registry.host, 'test/tags', '1', { files: [{ content }] });
    await pushArtifact(registry.host, 'test/tags', '2', { files: [{ content }] });
    const first = await pullIntoStore(`oras://${registry.host}/test/tags:1`, request());
    const hex = layers[0]?.slice('sha256:'.length) ?? '';
    rmSync(join(registry.storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'));
    const second = await pullIntoStore(`docker://${registry.host}/test/tags:2`, request());
    expect([second.path, second.key]).toEqual([first.path, first.key]);
    expect(await store.images()).toHaveLength(2);
  });

  it('is fetched anew where the file that was pulled has been written to', async () => {
    await pushArtifact(registry.host, 'test/signed', '1', { files: [{ content: sif }] });
    const artifact = { ...request(), source: `oras://${registry.host}/test/signed:1` };
    for (const source of [artifact.source, serve()]) {
      const first = await pullImage({ ...artifact, source, output: join(work, 'out', 'a.sif'), force: true });
      // As apptainer sign does; the store's file is the same one.
      appendFileSync(first.path, 'signature');
      const second = await pullImage({ ...artifact, source, output: join(work, 'out', 'b.sif'), force: true });
      expect(readFileSync(second.path).equals(sif)).toBe(true);
      expect(readFileSync(first.path).length).toBe(sif.length + 'signature'.length);
      expect(readFileSync(store.imagePath(first.key)).equals(sif)).toBe(true);
    }
  });

  it('follows a tag that has moved', async () => {
    const source = `oras://${registry.host}/test/moving:latest`;
    await pushArtifact(registry.host, 'test/moving', 'latest', { files: [{ content: sif }] });
    await pullIntoStore(source, request());
    await pushArtifact(registry.host, 'test/moving', 'latest', { files: [{ content: newer }] });
    await pullIntoStore(source, request());
    expect(await passwd(source)).toContain('second');
  });

  it('may be one of layers under oras://, too: what is there decides', async () => {
    const source = `oras://${registry.host}/test/layers:1`;
    expect(await openImage(source, request())).toMatchObject({ source: { kind: 'squashfs', compression: 'zstd' } });
    expect(await passwd(source)).toContain('first');
  });

  it('has the media type of old Singularity', async () => {
    const mediaType = 'appliciation/vnd.sylabs.sif.layer.tar';
    await pushArtifact(registry.host, 'test/old', '1', { files: [{ content: sif, mediaType }] });
    const source = `oras://${registry.host}/test/old:1`;
    await openImage(source, request());
    expect(await passwd(source)).toContain('first');
  });

  it.each([
    ['two files', [{}, {}], { code: 'not-an-image', reason: expect.stringContaining('2 files') }],
    ['no image', [{ mediaType: 'text/plain' }], { code: 'not-an-image', reason: 'it holds text/plain' }],
    ['no SIF', [{ content: Buffer.from('hello\n') }], { code: 'not-an-image' }]
  ])('is refused with %s', async (name, files, expected) => {
    const repository = `test/${name.replaceAll(' ', '-').toLowerCase()}`;
    await pushArtifact(registry.host, repository, '1', { files: files.map(file => ({ content: sif, ...file })) });
    const failing = pullImage({
      ...request(),
      source: `oras://${registry.host}/${repository}:1`,
      directory: join(work, 'out')
    });
    await expect(failing).rejects.toMatchObject({ fix: expect.stringMatching(/./), ...expected });
    expect(leftovers()).toEqual([]);
  });

  it('is checked against its digest', async () => {
    const { layers } = await pushArtifact(registry.host, 'test/damaged', '1', {
      files: [{ content: Buffer.concat([newer, Buffer.alloc(9)]) }]
    });
    const hex = layers[0]?.slice('sha256:'.length) ?? '';
    const blob = join(registry.storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
    expect(existsSync(blob)).toBe(true);
    const bytes = readFileSync(blob);
    bytes.writeUInt8(bytes.readUInt8(20_000) ^ 1, 20_000);
    writeFileSync(blob, bytes);
    const failing = pullIntoStore(`oras://${registry.host}/test/damaged:1`, request());
    await expect(failing).rejects.toMatchObject({ code: 'digest-mismatch' });
    expect(leftovers()).toEqual([]);
  });

  it('wants the login that registries want', async () => {
    const login = { username: 'ada', password: 'secret-word' };
    const locked = await startRegistry({ htpasswd: login });
    try {
      await pushArtifact(locked.host, 'lab/tool', '1', { files: [{ content: sif }] }, login);
      const source = `oras://${locked.host}/lab/tool:1`;
      await expect(pullIntoStore(source, request())).rejects.toMatchObject({ code: 'unauthorized' });
      const record = await pullIntoStore(source, { ...request(), credentials: login });
      expect(readFileSync(record.path).equals(sif)).toBe(true);
    } finally {
      await locked.stop();
    }
  });
});
