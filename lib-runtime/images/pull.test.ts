// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeOciIndex, writeOciLayout, type ILayerEntry, type IWrittenImage } from '../../tests/support/oci-layout.ts';
import { startRegistry, type ITestRegistry } from '../../tests/support/registry.ts';
import { readSif } from '../formats/sif/reader.ts';
import { openStore, type Store } from '../store/store.ts';
import { gatherImageFacts } from './facts.ts';
import { inspectImage } from './inspect.ts';
import { openImage } from './open.ts';
import { pullImage, pullIntoStore } from './pull.ts';
import { listDirectory } from './testing.ts';
import { ensureTree } from './unpack.ts';

const BUSYBOX = readFileSync('/bin/busybox');

/** Before the usr-merge: /bin holds the program. */
const BASE: ILayerEntry[] = [
  { name: 'bin/', type: 'directory' },
  { name: 'bin/busybox', content: BUSYBOX, mode: 0o755 },
  { name: 'bin/sh', linkname: 'busybox' },
  { name: 'bin/link', linkname: '../etc/passwd' },
  { name: 'etc/', type: 'directory' },
  { name: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\n' },
  { name: 'etc/group', content: 'root:x:0:\n' },
  { name: 'usr/', type: 'directory' },
  { name: 'usr/bin/', type: 'directory' },
  { name: 'usr/bin/env', linkname: '../../bin/busybox' },
  { name: 'usr/bin/sh', linkname: '/bin/sh' }
];
const TOP: ILayerEntry[] = [
  { name: 'srv/', type: 'directory' },
  { name: 'srv/data', content: 'hello' }
];
const CONFIG = {
  Env: ['PATH=/bin', 'GREETING=hi'],
  Cmd: ['sh'],
  Labels: { who: 'me' },
  ExposedPorts: { '80/tcp': {} }
};

let registry: ITestRegistry;
let layouts = '';
let image: IWrittenImage;
beforeAll(async () => {
  layouts = mkdtempSync(join(tmpdir(), 'nbc-pull-oci-'));
  const options = { layers: [{ entries: BASE }, { entries: TOP, compression: 'zstd' as const }], config: CONFIG };
  image = await writeOciLayout(join(layouts, 'a b'), { ...options, tag: 't' });
  await writeOciIndex(
    join(layouts, 'multi'),
    [
      { layers: [{ entries: BASE }], platform: { architecture: 'arm64' } },
      { layers: [{ entries: BASE }, { entries: TOP }], config: CONFIG }
    ],
    { tag: 't' }
  );
  registry = await startRegistry();
  await registry.push(join(layouts, 'multi'), 'test/multi:t', { tag: 't' });
});
afterAll(async () => {
  await registry.stop();
  rmSync(layouts, { recursive: true, force: true });
});

let work = '';
let store: Store;
beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'nbc-pull-'));
  mkdirSync(join(work, 'out'));
  store = await openStore({ home: join(work, 'home') });
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const layoutSource = (): string => `oci:${layouts}/a b:t`;
const dockerSource = (): string => `docker://${registry.host}/test/multi:t`;

function leftovers(): string[] {
  return ['out', 'home/images', 'home/tmp', 'home/blobs/sha256', 'home/trees', 'home/refs']
    .flatMap(name => (existsSync(join(work, name)) ? readdirSync(join(work, name)).map(file => `${name}/${file}`) : []))
    .filter(path => path !== 'home/trees/tmp');
}

describe('pullImage from a registry', () => {
  it('writes a SIF under the default name, records it and removes the blobs', async () => {
    const directory = join(work, 'out');
    const phases = new Set<string>();
    const record = await pullImage({
      source: dockerSource(),
      directory,
      store,
      plainHttp: true,
      onProgress: ({ phase }) => phases.add(phase)
    });
    expect(record).toMatchObject({ path: join(directory, 'multi_t.sif'), name: dockerSource() });
    expect((await readSif(record.path)).header.arch).toBe('x86_64');
    expect([...phases]).toEqual(['resolve', 'download', 'convert', 'done'].filter(phase => phases.has(phase)));
    expect(phases).toContain('done');
    // One file with two names, nothing else.
    expect(statSync(record.path).ino).toBe(statSync(store.imagePath(record.key)).ino);
    expect(leftovers().filter(path => !path.startsWith('home/refs'))).toEqual([
      'out/multi_t.sif',
      `home/images/${record.key}.sif`
    ]);
  });

  it('does not overwrite without force, and shares what it has', async () => {
    const output = join(work, 'out', 'x.sif');
    writeFileSync(output, 'mine');
    const request = { source: dockerSource(), output, store, plainHttp: true };
    await expect(pullImage(request)).rejects.toMatchObject({ code: 'exists' });
    expect(readFileSync(output, 'utf8')).toBe('mine');
    await pullImage({ ...request, force: true });
    const second = await pullImage({ ...request, output: join(work, 'out', 'y.sif') });
    expect(statSync(second.path).ino).toBe(statSync(output).ino);
    const gzip = await pullImage({ ...request, output: join(work, 'out', 'z.sif'), compression: 'gzip' });
    expect(statSync(gzip.path).ino).not.toBe(statSync(output).ino);
  });

  it('fetches an image once for all its names, and forgets none of them', async () => {
    const phases = new Set<string>();
    const request = { store, plainHttp: true, onProgress: ({ phase }: { phase: string }) => phases.add(phase) };
    const one = await pullImage({ ...request, source: dockerSource(), output: join(work, 'out', 'one.sif') });
    phases.clear();
    const source = `oci:${layouts}/multi:t`;
    const two = await pullImage({ ...request, source, output: join(work, 'out', 'two.sif') });
    const three = await pullIntoStore(`oci:${layouts}/multi`, request);
    expect(three.path).toBe(store.imagePath(one.key));
    expect(phases).not.toContain('convert');
    expect(statSync(two.path).ino).toBe(statSync(one.path).ino);
    const names = [dockerSource(), `oci:${layouts}/multi`, source].sort();
    expect((await store.images()).map(({ name, key }) => [name, key])).toEqual(names.map(name => [name, one.key]));
    // Another compression is another file, which takes the place of the first one in the store.
    await pullImage({ ...request, source, output: join(work, 'out', 'gzip.sif'), compression: 'gzip' });
    expect((await store.images()).map(({ name }) => name)).toEqual(names);
  });

  it('is done although its temporary directory cannot be removed', async () => {
    const output = join(work, 'out', 'x.sif');
    const busy = await openStore({ home: join(work, 'home') });
    const temporaryDirectory = busy.temporaryDirectory.bind(busy);
    busy.temporaryDirectory = async prefix => {
      const made = await temporaryDirectory(prefix);
      // As the directory of a file that NFS keeps for somebody, or on a disk that fails.
      return { ...made, dispose: () => Promise.reject(new Error('EBUSY')) };
    };
    await pullImage({ source: dockerSource(), output, store: busy, plainHttp: true });
    expect((await readSif(output)).header.arch).toBe('x86_64');
  });

  it('leaves no file when the image cannot be recorded', async () => {
    const failing = async (source: string): Promise<void> => {
      const broken = await openStore({ home: join(work, 'home') });
      broken.putReference = () => Promise.reject(new Error('the disk fails'));
      await expect(
        pullImage({ source, output: join(work, 'out', 'x.sif'), store: broken, plainHttp: true })
      ).rejects.toThrow('the disk fails');
      expect(readdirSync(join(work, 'out'))).toEqual([]);
    };
    await failing(dockerSource());
    await pullIntoStore(dockerSource(), { store, plainHttp: true });
    await failing(`oci:${layouts}/multi:t`);
  });

  it('takes the image of another machine when asked', async () => {
    const record = await pullImage({
      source: dockerSource(),
      output: join(work, 'out', 'arm.sif'),
      arch: 'arm64',
      store,
      plainHttp: true
    });
    const { attributes } = await inspectImage(await openImage(record.path, { store }));
    expect(attributes.labels?.['org.label-schema.build-arch']).toBe('arm64');
    const riscv = {
      source: dockerSource(),
      output: join(work, 'out', 'r.sif'),
      arch: 'riscv64',
      store,
      plainHttp: true
    };
    await expect(pullImage(riscv)).rejects.toMatchObject({ code: 'architecture' });
  });

  it('writes to another file system directly', async () => {
    const other = join(work, 'out');
    execFileSync('mount', ['-t', 'tmpfs', 'none', other]);
    try {
      const record = await pullImage({ source: dockerSource(), directory: other, store, plainHttp: true });
      expect(record).toMatchObject({ external: true, path: join(other, 'multi_t.sif') });
      expect(readdirSync(other)).toEqual(['multi_t.sif']);
      expect(readdirSync(join(work, 'home/images'))).toEqual([]);
    } finally {
      execFileSync('umount', [other]);
    }
  });

  it('leaves nothing when it is cancelled', async () => {
    const abort = new AbortController();
    const run = pullImage({
      source: dockerSource(),
      directory: join(work, 'out'),
      store,
      plainHttp: true,
      signal: abort.signal,
      onProgress: ({ phase }) => phase === 'download' && abort.abort()
    });
    await expect(run).rejects.toMatchObject({ code: 'cancelled' });
    expect(leftovers().filter(path => !path.startsWith('home/blobs'))).toEqual([]);
  });

  it('says what is wrong with an address', async () => {
    const request = { directory: join(work, 'out'), store, plainHttp: true };
    const missing = `docker://${registry.host}/test/none:t`;
    await expect(pullImage({ ...request, source: missing })).rejects.toMatchObject({ code: 'not-found' });
    await expect(pullImage({ ...request, source: 'alpine' })).rejects.toMatchObject({ code: 'usage' });
    const nowhere = { ...request, directory: join(work, 'none'), source: dockerSource() };
    await expect(pullImage(nowhere)).rejects.toMatchObject({ code: 'not-found' });
    expect(leftovers()).toEqual([]);
  });
});

describe('pullImage from a layout', () => {
  const request = (): { source: string; output: string; store: Store } => ({
    source: layoutSource(),
    output: join(work, 'out', 'l.sif'),
    store
  });

  it('takes directories and archives', async () => {
    const fromDirectory = await pullImage(request());
    const archive = join(work, 'a:b.tar');
    execFileSync('tar', ['-C', join(layouts, 'a b'), '-cf', archive, '--force-local', '.']);
    const fromArchive = await pullImage({
      ...request(),
      source: `oci-archive:${archive}`,
      directory: join(work, 'out'),
      output: 'm.sif'
    });
    expect(fromArchive.manifestDigest).toBe(fromDirectory.manifestDigest);
    expect(fromArchive.manifestDigest).toBe(image.manifest.digest);
    expect(readdirSync(join(work, 'home/tmp'))).toEqual([]);
  });

  it.each([
    ['a truncated layer', 'truncated', (blob: string) => truncateSync(blob, statSync(blob).size - 10)],
    [
      'a changed byte',
      /digest-mismatch|corrupt/,
      (blob: string) => {
        const bytes = readFileSync(blob);
        bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000);
        writeFileSync(blob, bytes);
      }
    ],
    ['a missing layer', 'corrupt', (blob: string) => rmSync(blob)]
  ])('fails on %s and leaves nothing', async (_name, code, damage) => {
    const copy = join(work, 'copy');
    execFileSync('cp', ['-r', join(layouts, 'a b'), copy]);
    damage(join(copy, 'blobs', 'sha256', image.layers[0]?.digest.slice(7) ?? ''));
    const run = pullImage({ ...request(), source: `oci:${copy}:t` });
    await expect(run).rejects.toMatchObject({ code: expect.stringMatching(code) });
    expect(leftovers()).toEqual([]);
  });

  it('names the tags when there are several', async () => {
    const directory = join(work, 'two');
    await writeOciLayout(directory, { layers: [{ entries: TOP }], tag: 'one' });
    await writeOciLayout(directory, { layers: [{ entries: TOP }], tag: 'two' });
    const run = pullImage({ ...request(), source: `oci:${directory}` });
    await expect(run).rejects.toMatchObject({ code: 'usage', fix: 'It has one, two' });
    await expect(pullImage({ ...request(), source: `oci:${directory}:x` })).rejects.toMatchObject({
      code: 'not-found'
    });
    await expect(pullImage({ ...request(), source: 'oci:/none' })).rejects.toMatchObject({ code: 'not-found' });
    await expect(pullImage({ ...request(), source: `oci:${work}` })).rejects.toMatchObject({ code: 'not-an-image' });
  });
});

describe('openImage', () => {
  it('pulls a reference once, as a SIF', async () => {
    const first = await openImage(dockerSource(), { store, plainHttp: true });
    expect(first).toMatchObject({ name: dockerSource(), source: { kind: 'squashfs', compression: 'zstd' } });
    const again = await openImage(dockerSource(), { store, pull: false });
    expect(again).toEqual(first);
    const bare = await openImage(`${registry.host.replace('127.0.0.1', '127.0.0.1')}/test/multi:t`, { store }).catch(
      (error: unknown) => error
    );
    // With a slash it is a path, and there is none.
    expect(bare).toMatchObject({ code: 'not-found' });
    await expect(openImage('docker://127.0.0.1:1/x', { store, pull: false })).rejects.toMatchObject({
      code: 'not-found'
    });
  });

  it('goes straight to a tree where it is told to', async () => {
    const opened = await openImage(dockerSource(), { store, plainHttp: true, preferTree: true });
    const directory = store.treePath(opened.key, 'plain');
    expect(opened).toMatchObject({
      path: directory,
      source: { kind: 'directory', directory },
      config: { Cmd: ['sh'] }
    });
    expect(readdirSync(join(work, 'home/images'))).toEqual([]);
    const facts = await gatherImageFacts(opened, { store, pathsOfInterest: [] });
    expect(facts).toMatchObject({ machine: 'x86_64', config: { Env: CONFIG.Env } });
    expect(await ensureTree(facts, 'plain', { store })).toEqual({ directory, notes: [] });
    const again = await openImage(dockerSource(), { store, pull: false });
    expect(again).toEqual(opened);
  });

  it('knows a pulled file by any of its names', async () => {
    const output = join(work, 'out', 'ünï "code"\n.sif');
    const record = await pullImage({ source: layoutSource(), output, store });
    const opened = await openImage(output, { store });
    expect(opened.key).toBe(record.key);
    expect((await openImage(record.key.slice(7, 19), { store })).key).toBe(record.key);
  });

  it.each([
    ['text.sif', 'hello\n', 'not-an-image'],
    ['empty.sif', '', 'truncated'],
    ['web.sif', '<!DOCTYPE html><html>', 'not-an-image']
  ])('refuses %s', async (name, content, code) => {
    const path = join(work, name);
    writeFileSync(path, content);
    await expect(openImage(path, { store })).rejects.toMatchObject({ code });
  });

  it('says what is not there', async () => {
    await expect(openImage('./nothing.sif', { store })).rejects.toMatchObject({ code: 'not-found' });
    await expect(openImage('nothing', { store })).rejects.toMatchObject({ code: 'not-found' });
    await expect(openImage('/dev/null', { store })).rejects.toMatchObject({ code: 'not-an-image' });
  });
});

describe('facts, trees and inspection', () => {
  it('are the same for SIF, squashfs file and directory', async () => {
    const sif = await openImage(
      (await pullImage({ source: layoutSource(), output: join(work, 'out', 'a.sif'), store })).path,
      { store }
    );
    const options = { store, pathsOfInterest: ['/etc/passwd', '/usr/bin/sh', '/srv/data/x', '/none/x'] };
    const facts = await gatherImageFacts(sif, options);
    expect(facts).toMatchObject({
      machine: 'x86_64',
      config: { Cmd: ['sh'], Env: CONFIG.Env, Labels: { who: 'me' } },
      passwd: 'root:x:0:0:root:/root:/bin/sh\n',
      group: 'root:x:0:\n'
    });
    expect(facts.environmentScripts.map(script => script.name)).toEqual([
      ...[
        '01-base.sh',
        '10-docker2singularity.sh',
        '90-environment.sh',
        '95-apps.sh',
        '99-base.sh',
        '99-runtimevars.sh'
      ]
    ]);
    expect(facts.runscript).toContain(`OCI_CMD='"sh"'`);
    expect(Object.keys(facts.tree).sort()).toEqual(['/', '/bin', '/etc', '/srv', '/usr', '/usr/bin']);
    expect(facts.tree['/usr/bin']).toContainEqual({ name: 'sh', type: 'symlink', mode: 0o777, target: '/bin/sh' });

    const { directory, notes } = await ensureTree(facts, 'plain', { store });
    expect(notes).toEqual([]);
    const sandbox = await openImage(directory, { store });
    const ofDirectory = await gatherImageFacts(sandbox, options);
    const same = ['machine', 'environmentScripts', 'runscript', 'passwd', 'group', 'tree'] as const;
    for (const key of same) {
      expect(ofDirectory[key]).toEqual(facts[key]);
    }
    const squashfs = join(work, 'bare');
    execFileSync('mksquashfs', [directory, squashfs, '-noappend', '-quiet', '-no-progress'], { stdio: 'ignore' });
    const ofSquashfs = await gatherImageFacts(await openImage(squashfs, { store }), options);
    for (const key of same) {
      expect(ofSquashfs[key]).toEqual(facts[key]);
    }
    expect((await openImage(squashfs, { store })).source).toMatchObject({ offset: 0, compression: 'gzip' });

    const inspected = await inspectImage(sif);
    expect(inspected.attributes).toEqual((await inspectImage(sandbox)).attributes);
    expect(inspected.attributes).toMatchObject({
      labels: { who: 'me' },
      deffile: expect.stringMatching(/^bootstrap: oci\nfrom: /)
    });
  });

  it('unpack the same tree as unsquashfs, and a merged one that works', async () => {
    const sif = await openImage(
      (await pullImage({ source: layoutSource(), output: join(work, 'out', 'a.sif'), store })).path,
      { store }
    );
    const facts = await gatherImageFacts(sif, { store, pathsOfInterest: [] });
    const merged = (await ensureTree(facts, 'merged', { store })).directory;
    const plain = store.treePath(facts.key, 'plain');
    const reference = join(work, 'unsquashfs');
    const offset = facts.source.kind === 'squashfs' ? String(facts.source.offset) : '';
    execFileSync('unsquashfs', ['-q', '-n', '-o', offset, '-d', reference, sif.path], { stdio: 'pipe' });
    expect(listDirectory(plain)).toEqual(listDirectory(reference));

    expect(statSync(join(merged, 'usr/bin/busybox')).ino).toBe(statSync(join(plain, 'bin/busybox')).ino);
    const run = (tree: string, ...words: string[]): string =>
      execFileSync('/usr/sbin/chroot', [tree, ...words], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } });
    expect(run(merged, '/bin/sh', '-c', 'echo ok; busybox cat /bin/link')).toBe('ok\nroot:x:0:0:root:/root:/bin/sh\n');
    // Every path that led to a file before leads to the same content now.
    const list =
      'busybox find . -xdev ! -type d | busybox sort | while read -r f; do [ -f "$f" ] && busybox md5sum "$f"; done';
    const before = run(plain, '/bin/busybox', 'sh', '-c', list);
    for (const line of before.trim().split('\n')) {
      const [sum = '', path = ''] = line.split(/ {2}/);
      expect(run(merged, '/bin/busybox', 'md5sum', path)).toBe(`${sum}  ${path}\n`);
    }
  });

  it('take damage as an error and leave no tree', async () => {
    const path = join(work, 'out', 'a.sif');
    await pullImage({ source: layoutSource(), output: path, store });
    const facts = await gatherImageFacts(await openImage(path, { store }), { store, pathsOfInterest: [] });
    truncateSync(path, statSync(path).size - 8192);
    await expect(openImage(path, { store })).rejects.toMatchObject({ code: 'truncated' });
    await expect(ensureTree(facts, 'plain', { store })).rejects.toMatchObject({ name: 'ContainerError' });
    expect(existsSync(store.treePath(facts.key, 'plain'))).toBe(false);
    expect(leftovers().filter(name => name.startsWith('home/t'))).toEqual([]);
  });
});
