// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeTar, writeOciLayout, type ILayerEntry } from '../../tests/support/oci-layout.ts';
import { openStore, type Store } from '../store/store.ts';
import { chooseSavedImage, parseSavedImages, type ISavedImage } from './docker-archive.ts';
import { inspectImage } from './inspect.ts';
import { openImage } from './open.ts';
import { pullImage, pullIntoStore } from './pull.ts';
import { listDirectory } from './testing.ts';

const BASE: ILayerEntry[] = [
  { name: 'bin/', type: 'directory' },
  { name: 'bin/sh', content: '#!', mode: 0o755 },
  { name: 'etc/', type: 'directory' },
  { name: 'etc/gone', content: 'x' }
];
const TOP: ILayerEntry[] = [
  { name: 'etc/.wh.gone', content: '' },
  { name: 'srv/', type: 'directory' },
  { name: 'srv/data', content: 'hello' }
];
const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

let work = '';
let store: Store;
beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'nbc-archive-'));
  mkdirSync(join(work, 'out'));
  store = await openStore({ home: join(work, 'home') });
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const leftovers = (): string[] => ['out', 'home/images', 'home/tmp'].flatMap(name => readdirSync(join(work, name)));

describe('chooseSavedImage', () => {
  const image = (config: string, ...tags: string[]): ISavedImage => ({ config, tags, layers: [] });
  const two = [image('a', 'ubuntu:24.04', 'ghcr.io/me/mine:1'), image('b', 'ubuntu:latest')];
  it.each<[readonly ISavedImage[], string | undefined, string]>([
    [[image('a')], undefined, 'a'],
    [two, 'ubuntu:24.04', 'a'],
    [two, 'docker.io/library/ubuntu:24.04', 'a'],
    [two, 'ubuntu', 'b'],
    [two, 'ghcr.io/me/mine:1', 'a'],
    [two, '@1', 'b'],
    [[image('a', 'Not A Reference'), image('b', 'b')], 'b', 'b']
  ])('%j, %s: %s', (images, wanted, config) => {
    expect(chooseSavedImage(images, wanted).config).toBe(config);
  });

  it.each<[readonly ISavedImage[], string | undefined, string, string | RegExp]>([
    [[], undefined, 'corrupt', /holds no image/],
    [two, undefined, 'usage', 'holds 2 images'],
    [two, 'debian', 'not-found', /holds no image debian/],
    [two, '@2', 'not-found', '@2'],
    [two, 'UPPER', 'usage', 'UPPER']
  ])('%j, %s: refused as %s', (images, wanted, code, message) => {
    const text: unknown =
      typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message);
    expect(() => chooseSavedImage(images, wanted)).toThrow(expect.objectContaining({ code, message: text }));
  });

  it.each(['', '{', '{}', '[{}]', '[{"Config":"a","Layers":[1]}]'])('does not take %j for a list of images', text => {
    expect(() => parseSavedImages(text)).toThrow(expect.objectContaining({ code: 'corrupt' }));
  });

  it('takes null for an empty list, as Go writes it', () => {
    expect(parseSavedImages('[{"Config":"a","RepoTags":null,"Layers":null}]')).toEqual([image('a')]);
  });
});

describe('an archive of skopeo', () => {
  it('holds what the layout held that it was made from', async () => {
    const layout = join(work, 'layout');
    const config = { Env: ['GREETING=hi'], Cmd: ['sh'], Labels: { who: 'me' } };
    await writeOciLayout(layout, { layers: [{ entries: BASE }, { entries: TOP }], config, tag: 't' });
    const archive = join(work, 'saved.tar');
    execFileSync('skopeo', ['copy', '-q', `oci:${layout}:t`, `docker-archive:${archive}:group/name:tag`]);
    const fromLayout = await pullIntoStore(`oci:${layout}:t`, { store, preferTree: true });
    const source = `docker-archive:${archive}:group/name:tag`;
    const fromArchive = await pullIntoStore(source, { store, preferTree: true });
    const without = (path: string): string[] => listDirectory(path).filter(line => !line.includes('.singularity.d'));
    expect(without(fromArchive.path)).toEqual(without(fromLayout.path));
    expect(fromArchive).toMatchObject({ name: source, source });

    const { path } = await pullImage({ source: `docker-archive:${archive}`, directory: join(work, 'out'), store });
    expect(path).toBe(join(work, 'out', 'saved_latest.sif'));
    const { attributes } = await inspectImage(await openImage(path, { store }));
    expect(attributes).toMatchObject({
      labels: { who: 'me' },
      deffile: expect.stringContaining('docker-archive') as string
    });
    expect(readdirSync(join(work, 'home/tmp'))).toEqual([]);
  });
});

/** As Docker before 25 writes it: a directory a layer, and a link where two images share one. */
async function olderDocker(change: (files: Map<string, ILayerEntry>) => void = () => undefined): Promise<Buffer> {
  const [base, top] = [await makeTar(BASE), await makeTar(TOP)];
  const config = (...layers: Buffer[]): string =>
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['sh'] },
      rootfs: { type: 'layers', diff_ids: layers.map(layer => `sha256:${sha256(layer)}`) }
    });
  const [one, two] = [config(base), config(base, top)];
  const files = new Map<string, ILayerEntry>();
  const add = (entry: ILayerEntry): unknown => files.set(entry.name, entry);
  add({ name: 'aaa/', type: 'directory' });
  add({ name: 'aaa/layer.tar', content: base });
  add({ name: 'bbb/layer.tar', linkname: '../aaa/layer.tar' });
  add({ name: 'ccc/layer.tar', content: gzipSync(top) });
  add({ name: 'one.json', content: one });
  add({ name: 'two.json', content: two });
  add({
    name: 'manifest.json',
    content: JSON.stringify([
      { Config: 'one.json', RepoTags: ['first:1'], Layers: ['aaa/layer.tar'] },
      { Config: 'two.json', RepoTags: ['second:2', 'again:2'], Layers: ['bbb/layer.tar', 'ccc/layer.tar'] }
    ])
  });
  change(files);
  return makeTar([...files.values()]);
}

describe('an archive of docker save', () => {
  it('may be packed, hold several images and share layers by links', async () => {
    const archive = join(work, 'a:b.tar.gz');
    writeFileSync(archive, gzipSync(await olderDocker()));
    const { path } = await pullIntoStore(`docker-archive:${archive}:again:2`, { store, preferTree: true });
    expect(readdirSync(join(path, 'srv'))).toEqual(['data']);
    expect(readdirSync(join(path, 'etc'))).not.toContain('gone');
    const pulled = pullImage({ source: `docker-archive:${archive}:first:1`, directory: join(work, 'out'), store });
    expect((await pulled).path).toBe(join(work, 'out', 'a:b_first_1.sif'));
  });

  it.each<[string, string, RegExp, (files: Map<string, ILayerEntry>) => void]>([
    [
      'a changed layer',
      'digest-mismatch',
      /digest/,
      files => {
        const content = Buffer.from(files.get('aaa/layer.tar')?.content ?? '');
        content.write('y', content.indexOf('x\0\0'));
        files.set('aaa/layer.tar', { name: 'aaa/layer.tar', content });
      }
    ],
    ['a missing layer', 'corrupt', /lacks ccc/, files => files.delete('ccc/layer.tar')],
    ['a missing configuration', 'corrupt', /lacks two.json/, files => files.delete('two.json')],
    ['a link to itself', 'corrupt', /lacks bbb/, files => files.set('bbb/layer.tar', loop('bbb/layer.tar'))],
    ['no manifest.json', 'not-an-image', /no manifest.json/, files => files.delete('manifest.json')],
    [
      'fewer layers than the configuration names',
      'corrupt',
      /1 layers.*names 2/,
      files => {
        const list = [{ Config: 'two.json', RepoTags: ['second:2'], Layers: ['aaa/layer.tar'] }];
        files.set('manifest.json', { name: 'manifest.json', content: JSON.stringify(list) });
      }
    ]
  ])('with %s is refused as %s, and nothing is left', async (_name, code, message, change) => {
    const archive = join(work, 'saved.tar');
    writeFileSync(archive, await olderDocker(change));
    const pulled = pullImage({ source: `docker-archive:${archive}:second:2`, directory: join(work, 'out'), store });
    await expect(pulled).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(leftovers()).toEqual([]);
  });

  it('says what a file is that it is not', async () => {
    const missing = pullIntoStore(`docker-archive:${work}/none.tar:x`, { store });
    await expect(missing).rejects.toMatchObject({ code: 'not-found' });
    await expect(pullIntoStore(`docker-archive:${work}`, { store })).rejects.toMatchObject({ code: 'not-an-image' });
    writeFileSync(join(work, 'text'), 'no archive\n'.repeat(100));
    await expect(pullIntoStore(`docker-archive:${work}/text`, { store })).rejects.toMatchObject({ code: 'corrupt' });
    writeFileSync(join(work, 'layout.tar'), await makeTar([{ name: 'index.json', content: '{}' }]));
    await expect(pullIntoStore(`docker-archive:${work}/layout.tar`, { store })).rejects.toMatchObject({
      fix: expect.stringContaining('oci-archive:') as string
    });
    expect(leftovers()).toEqual([]);
  });
});

function loop(name: string): ILayerEntry {
  return { name, linkname: name.split('/').at(-1) ?? '' };
}
