// SPDX-License-Identifier: BSD-3-Clause
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { IImageFacts } from './image.ts';
import { type IKnownImageQuestion, recallImage, rememberImage } from './known-images.ts';

let base: string;
let question: IKnownImageQuestion;
let facts: IImageFacts;
let now: { mockRestore(): void };

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'nbc-known-'));
  for (const name of ['cwd', 'other', 'runtime', 'store', 'store/refs', 'store/images', 'sandbox', 'sandbox/etc']) {
    mkdirSync(join(base, name));
  }
  writeFileSync(join(base, 'cwd', 'image.sif'), 'one');
  question = {
    text: './image.sif',
    cwd: join(base, 'cwd'),
    env: { NBCONTAINER_HOME: join(base, 'store') },
    runtimeDirectory: join(base, 'runtime'),
    pathsOfInterest: ['/etc/passwd', '/tmp']
  };
  facts = {
    name: './image.sif',
    path: join(base, 'cwd', 'image.sif'),
    key: 'sif-1',
    source: { kind: 'squashfs', file: join(base, 'cwd', 'image.sif'), offset: 0, size: 3, compression: 'zstd' },
    environmentScripts: [],
    passwd: 'root:x:0:0::/root:/bin/sh\n',
    tree: { '/': [{ name: 'etc', type: 'directory', mode: 0o755 }] },
    trees: { plain: '/t/plain', merged: '/t/merged', 'read-only': '/t/read-only' }
  };
  const later = Date.now() + 10_000;
  now = vi.spyOn(Date, 'now').mockImplementation(() => later);
});
afterEach(() => {
  now.mockRestore();
  rmSync(base, { recursive: true });
});

describe('the facts of an image', () => {
  it('are those of an earlier start while nothing has changed', () => {
    expect(recallImage(question)).toBeUndefined();
    rememberImage(question, facts, []);
    expect(recallImage(question)).toEqual(facts);
    expect(recallImage({ ...question, pathsOfInterest: ['/tmp'] })).toEqual(facts);
  });

  it.each<[string, () => void]>([
    ['another file under its name', () => replace(join(base, 'cwd', 'image.sif'))],
    ['the same length written into it', () => writeFileSync(join(base, 'cwd', 'image.sif'), 'two')],
    ['other permissions', () => chmodSync(join(base, 'cwd', 'image.sif'), 0o600)],
    ['its end', () => rmSync(join(base, 'cwd', 'image.sif'))],
    ['an image that was pulled: its key may be another now', () => replace(join(base, 'store', 'refs', 'a.json'))],
    ['a damaged record', () => damage()]
  ])('are read again after %s', (_what, change) => {
    rememberImage(question, facts, []);
    expect(recallImage(question)).toEqual(facts);
    change();
    expect(recallImage(question)).toBeUndefined();
  });

  it.each(['oci-archive:saved.tar:t', 'docker-archive:saved.tar:name:tag'])(
    'of the archive %s are those of an earlier start until it is another file',
    text => {
      const file = join(base, 'cwd', 'saved.tar');
      writeFileSync(file, 'one');
      const asked = { ...question, text };
      rememberImage(asked, facts, []);
      expect(recallImage(asked)).toEqual(facts);
      replace(file);
      expect(recallImage(asked)).toBeUndefined();
    }
  );

  it('are read again for paths that were not asked for, another directory, another store', () => {
    rememberImage(question, facts, []);
    expect(recallImage({ ...question, pathsOfInterest: ['/opt'] })).toBeUndefined();
    expect(recallImage({ ...question, cwd: join(base, 'other') })).toBeUndefined();
    expect(recallImage({ ...question, env: { NBCONTAINER_HOME: join(base, 'other') } })).toBeUndefined();
    expect(recallImage({ ...question, text: join(base, 'cwd', 'image.sif') })).toBeUndefined();
  });

  it('are those of a name in the store until a file of that name appears', () => {
    const named = { ...question, text: 'alpine' };
    rememberImage(named, { ...facts, name: 'alpine' }, []);
    expect(recallImage(named)?.name).toBe('alpine');
    writeFileSync(join(base, 'cwd', 'alpine'), '');
    expect(recallImage(named)).toBeUndefined();
  });

  it('of a directory are read again when something that was looked at has changed', () => {
    const sandbox = { ...question, text: join(base, 'sandbox') };
    const directory = join(base, 'sandbox');
    const ofDirectory = { ...facts, path: directory, source: { kind: 'directory', directory } } as const;
    rememberImage(sandbox, ofDirectory, [join(directory, 'etc'), join(directory, 'etc', 'passwd')]);
    expect(recallImage(sandbox)).toEqual(ofDirectory);
    writeFileSync(join(directory, 'etc', 'passwd'), 'ada:x:1:1::/:/bin/sh\n');
    expect(recallImage(sandbox)).toBeUndefined();
  });
});

describe('nothing is kept', () => {
  it('of what changed a moment ago: it could change again unseen', () => {
    now.mockRestore();
    rememberImage(question, facts, []);
    expect(readdirSync(question.runtimeDirectory)).toEqual([]);
  });

  it.each(['oci:layout', '', 'no-such-scheme://x'])('of %j', text => {
    rememberImage({ ...question, text }, facts, []);
    expect(recallImage({ ...question, text })).toBeUndefined();
    expect(readdirSync(question.runtimeDirectory)).toEqual([]);
  });

  it('of more than 32 images', () => {
    for (let image = 0; image < 40; image++) {
      rememberImage({ ...question, text: `docker://image-${image}` }, facts, []);
    }
    expect(readdirSync(join(question.runtimeDirectory, 'images'))).toHaveLength(32);
    expect(recallImage({ ...question, text: 'docker://image-39' })).toEqual(facts);
  });
});

function replace(path: string): void {
  writeFileSync(`${path}.new`, 'new');
  renameSync(`${path}.new`, path);
}

function damage(): void {
  const directory = join(question.runtimeDirectory, 'images');
  readdirSync(directory).forEach(name => writeFileSync(join(directory, name), '{"key":'));
}
