// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  statfs,
  utimes,
  writeFile
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../support/atomic.ts';
import { isHeld } from '../support/lock.ts';
import { collectGarbage } from './garbage.ts';
import { openStore } from './store.ts';
import type { Store } from './store.ts';
import type { IHold } from './users.ts';

const KEY = `sha256-${'1'.repeat(64)}`;
const OTHER = `sha256-${'2'.repeat(64)}`;
const MODULE = join(import.meta.dirname, 'store.ts');
let root: string;
let home: string;
let user: string;
let store: Store;
let count = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'nbc-store-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));
beforeEach(async () => {
  [home, user] = [join(root, `home${++count}`), join(root, `user${count}`)];
  await mkdir(user);
  store = await openStore({ home });
});

/** Makes a finished SIF of some bytes as a pull does. */
async function makeImage(key: string, bytes = 100_000): Promise<string> {
  await using directory = await store.temporaryDirectory('pull');
  await writeFile(join(directory.path, 'x.sif'), Buffer.alloc(bytes, key));
  return await store.placeImage(join(directory.path, 'x.sif'), key);
}
async function makeTree(key: string): Promise<void> {
  await using directory = await store.temporaryDirectory('tree', { near: 'trees' });
  await mkdir(join(directory.path, 'root/etc'), { recursive: true });
  await writeFile(join(directory.path, 'root/etc/passwd'), 'x'.repeat(5000));
  await chmod(join(directory.path, 'root/etc'), 0o555);
  await store.placeTree(join(directory.path, 'root'), key, 'plain');
}
async function inode(path: string): Promise<number> {
  return (await stat(path)).ino;
}
/** Starts another process that opens this store; resolves with its first line. */
async function other(program: string) {
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { openStore } from ${JSON.stringify(MODULE)};
       const store = await openStore({ home: ${JSON.stringify(home)} });
       ${program}; setInterval(() => {}, 1000);`
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] }
  );
  const lines = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
  const [line] = await Promise.race([lines, once(child, 'exit').then(() => Promise.reject(new Error('it ended')))]);
  return { line, kill: async () => (child.kill('SIGKILL'), await once(child, 'exit')) };
}

describe('openStore', () => {
  it('makes a private directory, also when opened twice at once', async () => {
    const fresh = join(root, 'fresh/deep');
    await Promise.all([openStore({ home: fresh }), openStore({ env: { NBCONTAINER_HOME: fresh } })]);
    expect((await stat(fresh)).mode & 0o777).toBe(0o700);
    expect((await readdir(fresh)).sort()).toEqual(['blobs', 'images', 'locks', 'refs', 'tmp', 'trees']);
  });

  it('says where it cannot be made', async () => {
    await writeFile(join(root, 'file'), '');
    await expect(openStore({ home: join(root, 'file/store') })).rejects.toMatchObject({
      name: 'ContainerError',
      message: `cannot open the image store ${join(root, 'file/store')}`
    });
    await expect(openStore({ home: '/proc/nbcontainer' })).rejects.toMatchObject({ name: 'ContainerError' });
  });

  it('sweeps what a killed process left, and nothing of a live one', async () => {
    const mine = await store.temporaryDirectory('mine');
    const { line, kill } = await other(`
      const d = await store.temporaryDirectory('pull'); console.log(d.path);`);
    await mkdir(join(line, 'closed'));
    await chmod(join(line, 'closed'), 0);
    await openStore({ home });
    expect((await readdir(join(home, 'tmp'))).length).toBe(2);
    await kill();
    await openStore({ home });
    expect(await readdir(join(home, 'tmp'))).toEqual([mine.path.split('/').at(-1)]);
    await mine.dispose();
    expect(await readdir(join(home, 'tmp'))).toEqual([]);
  });

  it('sweeps files that killed processes were about to rename', async () => {
    const places = ['refs/x.json', 'images/x.sif', 'blobs/sha256/x.part.json'];
    const { kill } = await other(`
      const { temporaryBeside } = await import(${JSON.stringify(join(import.meta.dirname, '../support/atomic.ts'))});
      const { writeFileSync } = await import('node:fs');
      for (const name of ${JSON.stringify(places)}) {
        writeFileSync(temporaryBeside(${JSON.stringify(home)} + '/' + name), 'half');
      }
      console.log('written');`);
    const present = async (): Promise<string[]> =>
      (await Promise.all(places.map(name => readdir(join(home, name, '..'))))).flat();
    await openStore({ home });
    expect(await present()).toHaveLength(places.length);
    await kill();
    await openStore({ home });
    expect(await present()).toEqual([]);
  });

  it('writes beside files with long names', async () => {
    const path = join(user, `${'\u{56fe}'.repeat(83)}.sif`);
    await writeFileAtomic(path, 'whole');
    expect(await readdir(user)).toEqual([path.split('/').at(-1)]);
  });

  it('sweeps locks and marks of killed processes, and those of live ones stay', async () => {
    const { kill } = await other(`
      void store.withLock('${KEY}', () => new Promise(() => {}));
      await store.holdImage('${KEY}');
      while ((await store.tryLock('${KEY}')).pid !== process.pid);
      console.log('held');`);
    await store.withLock(OTHER, async () => {
      const hold = await store.holdImage(OTHER);
      const [all, ours] = [[KEY, OTHER], [OTHER]].map(keys => keys.flatMap(key => [`${key}.lock`, `${key}.users`]));
      await openStore({ home });
      expect((await readdir(join(home, 'locks'))).sort()).toEqual(all);
      await kill();
      await openStore({ home });
      expect((await readdir(join(home, 'locks'))).sort()).toEqual(ours);
      await hold.release();
    });
    expect(await readdir(join(home, 'locks'))).toEqual([]);
  });
});

describe('references', () => {
  it('finds an image under every spelling of its name', async () => {
    const path = await makeImage(KEY);
    const put = await store.putReference({
      reference: 'docker://alpine',
      key: KEY,
      path,
      manifestDigest: KEY.replace('-', ':')
    });
    expect(put).toMatchObject({
      name: 'docker://docker.io/library/alpine:latest',
      external: false,
      sizeBytes: 100_000
    });
    expect(await store.findReference('docker://docker.io/library/alpine:latest')).toEqual(put);
    expect(await store.findReference('docker://alpine:3')).toBeUndefined();
    expect(await store.images()).toEqual([put]);
  });

  it('shares one file with the user where that is possible', async () => {
    const path = join(user, 'a.sif');
    await writeFile(path, 'sif');
    const record = await store.putReference({ reference: 'docker://a/b', key: KEY, path });
    expect(record).toMatchObject({ external: false, path: store.imagePath(KEY) });
    expect(await inode(store.imagePath(KEY))).toBe(await inode(path));
    // The user's copy goes, the store's stays.
    await rm(path);
    expect(await store.findReference('docker://a/b')).toEqual(record);
    await store.exportImage(KEY, path);
    expect(await inode(store.imagePath(KEY))).toBe(await inode(path));
  });

  it('records a file on another file system as external and forgets it once it changes', async () => {
    const far = await mkdtemp('/dev/shm/nbc-store-');
    try {
      expect((await stat(far)).dev).not.toBe((await stat(home)).dev);
      const path = join(far, 'a.sif');
      await writeFile(path, 'sif');
      const record = await store.putReference({ reference: 'docker://a/b', key: KEY, path });
      expect(record).toMatchObject({ external: true, path });
      expect(await store.findReference('docker://a/b')).toEqual(record);
      await appendFile(path, 'changed');
      expect(await store.findReference('docker://a/b')).toBeUndefined();
      expect(await readdir(store.refs)).toEqual([]);
      await store.putReference({ reference: 'docker://a/b', key: KEY, path });
      expect(await store.removeImage('docker://a/b')).toBe(0);
      expect(await readFile(path, 'utf8')).toBe('sifchanged');
    } finally {
      await rm(far, { recursive: true });
    }
  });

  it('keeps one SIF for two names of the same image', async () => {
    const stored = await makeImage(KEY);
    const before = await inode(stored);
    await store.putReference({ reference: 'docker://a/b:1', key: KEY, path: stored });
    const path = join(user, 'again.sif');
    await writeFile(path, 'another conversion of it');
    await store.putReference({ reference: 'docker://a/b:2', key: KEY, path });
    expect(await inode(stored)).toBe(before);
    expect((await store.images()).map(image => image.name)).toEqual([
      'docker://docker.io/a/b:1',
      'docker://docker.io/a/b:2'
    ]);
    expect(await store.removeImage('a/b:1')).toBe(0);
    expect(await store.removeImage('a/b:2')).toBeGreaterThanOrEqual(100_000);
    expect(await readdir(join(home, 'images'))).toEqual([]);
  });

  it('keeps all names of an image whose SIF is made anew', async () => {
    const stored = await makeImage(KEY);
    await store.putReference({ reference: 'docker://a/b:1', key: KEY, path: stored });
    await makeImage(KEY, 50_000);
    expect(await store.findReference('docker://a/b:1')).toMatchObject({ path: stored, sizeBytes: 50_000 });
    // A file that somebody else has changed is not vouched for by the next one.
    await appendFile(stored, 'changed');
    await makeImage(KEY);
    expect(await store.findReference('docker://a/b:1')).toBeUndefined();
  });

  it('passes over a damaged record', async () => {
    const path = await makeImage(KEY);
    await store.putReference({ reference: 'docker://a/b', key: KEY, path });
    const [file] = await readdir(store.refs);
    await writeFile(join(store.refs, file ?? ''), '{"reference": "docker://docker.io/a/b:latest", "key"');
    expect(await store.findReference('docker://a/b')).toBeUndefined();
    expect((await store.images()).map(image => image.name)).toEqual([KEY]);
  });

  it('does not overwrite a file of the user', async () => {
    await makeImage(KEY);
    await writeFile(join(user, 'x.sif'), 'mine');
    await expect(store.exportImage(KEY, join(user, 'x.sif'))).rejects.toMatchObject({ code: 'exists' });
    expect(await readFile(join(user, 'x.sif'), 'utf8')).toBe('mine');
    await store.exportImage(KEY, join(user, 'x.sif'), { overwrite: true });
    await store.exportImage(KEY, join(user, 'x.sif'), { overwrite: true });
    expect((await stat(join(user, 'x.sif'))).size).toBe(100_000);
    await expect(store.exportImage(OTHER, join(user, 'y.sif'))).rejects.toMatchObject({ code: 'not-found' });
    expect(await readdir(user)).toEqual(['x.sif']);
  });

  it('copies to another file system, whole or not at all', async () => {
    await makeImage(KEY);
    const far = await mkdtemp('/dev/shm/nbc-store-');
    try {
      const signal = AbortSignal.abort();
      await expect(store.exportImage(KEY, join(far, 'x.sif'), { signal })).rejects.toMatchObject({ code: 'cancelled' });
      expect(await readdir(far)).toEqual([]);
      await store.exportImage(KEY, join(far, 'x.sif'));
      expect(await readdir(far)).toEqual(['x.sif']);
    } finally {
      await rm(far, { recursive: true });
    }
  });
});

describe('removal', () => {
  it('frees SIF and trees, by key and by its first digits', async () => {
    await store.putReference({ reference: 'docker://a/b', key: KEY, path: await makeImage(KEY) });
    await makeTree(KEY);
    await makeImage(OTHER);
    await expect(store.removeImage('sha256-1')).rejects.toMatchObject({ code: 'not-found' });
    expect(await store.removeImage('11111111')).toBeGreaterThanOrEqual(105_000);
    expect((await store.images()).map(image => image.key)).toEqual([OTHER]);
    expect(await readdir(store.treesDirectory)).toEqual([]);
    expect(await readdir(join(home, 'tmp'))).toEqual([]);
    await store.removeImage(OTHER);
    expect(await store.images()).toEqual([]);
    await expect(store.removeImage('docker://a/b')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('counts nothing as freed while the user has the file', async () => {
    await writeFile(join(user, 'a.sif'), 'x'.repeat(50_000));
    await store.putReference({ reference: 'docker://a/b', key: KEY, path: join(user, 'a.sif') });
    expect(await store.removeImage('a/b')).toBe(0);
    expect(await readdir(user)).toEqual(['a.sif']);
  });

  it('refuses while a process uses the image, until that is killed', async () => {
    await store.putReference({ reference: 'docker://a/b', key: KEY, path: await makeImage(KEY) });
    const { kill } = await other(`await store.holdImage('${KEY}'); console.log('held');`);
    const here = await store.holdImage(KEY);
    await expect(store.removeImage('a/b')).rejects.toMatchObject({ code: 'locked' });
    await here.release();
    await expect(store.removeImage('a/b')).rejects.toMatchObject({ code: 'locked' });
    await kill();
    expect(await store.removeImage('a/b')).toBeGreaterThan(0);
    expect(await readdir(join(home, 'locks'))).toEqual([]);
  });

  it('gives back the tree to who begins to use the image at the same time', async () => {
    await store.putReference({ reference: 'docker://a/b', key: KEY, path: await makeImage(KEY) });
    await makeTree(KEY);
    const users = store.users.bind(store);
    let hold: Promise<IHold> | undefined;
    store.users = async key => {
      const before = await users(key);
      hold ??= store.holdImage(key);
      await hold;
      return before;
    };
    await expect(store.removeImage('a/b')).rejects.toMatchObject({ code: 'locked' });
    expect(await readdir(store.treePath(KEY, 'plain'))).toEqual(['etc']);
    expect(await store.findReference('docker://a/b')).toMatchObject({ path: store.imagePath(KEY) });
    await (await hold)?.release();
    expect(await store.removeImage('a/b')).toBeGreaterThanOrEqual(105_000);
  });

  it('refuses while the image is being made', async () => {
    await store.putReference({ reference: 'docker://a/b', key: KEY, path: await makeImage(KEY) });
    await store.withLock(KEY, async () => {
      await expect(store.removeImage('a/b')).rejects.toMatchObject({ code: 'locked' });
    });
    await store.removeImage('a/b');
  });

  it('does not fit two keys that begin alike', async () => {
    const [first, second] = [`sha256-${'3'.repeat(60)}aaaa`, `sha256-${'3'.repeat(60)}bbbb`];
    await makeImage(first);
    await makeImage(second);
    await expect(store.removeImage('33333333')).rejects.toMatchObject({ code: 'usage' });
    await store.removeImage(`sha256:${'3'.repeat(60)}b`);
    expect((await store.images()).map(image => image.key)).toEqual([first]);
  });
});

describe('trees', () => {
  it('keeps the tree that was there first', async () => {
    await makeTree(KEY);
    const before = await inode(store.treePath(KEY, 'plain'));
    await makeTree(KEY);
    expect(await inode(store.treePath(KEY, 'plain'))).toBe(before);
    expect(await readdir(join(home, 'tmp'))).toEqual([]);
  });
});

describe('space', () => {
  it('refuses before anything is written', async () => {
    const free = await store.freeSpace();
    const { bavail, bsize } = await statfs(home);
    expect(Math.abs(free - bavail * bsize)).toBeLessThan(1e9);
    await store.assertSpace(1, 'the image');
    await expect(store.assertSpace(1e18, 'the image', join(user, 'not/there/yet'))).rejects.toMatchObject({
      code: 'no-space',
      message: expect.stringContaining('the image needs 1000 PB, but only') as string
    });
  });
});

describe('garbage', () => {
  it('removes unlocked blobs and orphan trees, and keeps the rest', async () => {
    const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
    const old = new Date(Date.now() - 3_600_000);
    for (const name of [digest('a'), digest('b'), digest('c')].map(text => store.blobPath(text))) {
      await writeFile(name, 'x'.repeat(9000));
      await utimes(name, old, old);
    }
    await writeFile(`${store.blobPath(digest('d'))}.part`, 'young');
    await store.putReference({ reference: 'docker://a/b', key: KEY, path: await makeImage(KEY) });
    await makeTree(KEY);
    await makeTree(OTHER);
    const lock = await store.tryLock(digest('b'));
    const dry = await collectGarbage(store, { dryRun: true, olderThan: 60_000 });
    expect(dry).toMatchObject({ blobs: 2, trees: 0 });
    expect(await collectGarbage(store, { olderThan: 60_000 })).toMatchObject({ blobs: 2, bytes: dry.bytes });
    expect((await readdir(join(home, 'blobs/sha256'))).map(name => name[0])).toEqual(['b', 'd']);
    if (isHeld(lock)) {
      await lock.release();
    }
    expect(await collectGarbage(store)).toMatchObject({ blobs: 2, trees: 1 });
    expect(await readdir(store.treesDirectory)).toEqual([KEY]);
  });
});
