// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { Image, RunOptions } from '../../lib-runtime/api/schema.ts';
import { runOptionsSchema } from '../../lib-runtime/api/schema.ts';
import { DEFAULT_SETTINGS, type ISettingValues } from '../setting-values.ts';
import { acceptLine, digestOf, mustAsk, readChoice, withSettings, writeChoice } from './choice.ts';

describe('metadata', () => {
  it.each<[unknown]>([
    [{ image: 'docker://debian:12', options: {} }],
    [{ image: 'a.sif', digest: 'sha256:00', options: { nv: false, binds: ['/a:/b'], env: { A: '' }, as: 'root' } }],
    [{ image: 'a b.sif', options: { cleanenv: true, contain: true, writableTmpfs: true, pwd: '/x' } }]
  ])('is read as it was written: %j', choice => {
    const read = readChoice(choice);
    expect(read).toEqual(choice);
    expect(runOptionsSchema.parse(read?.options)).toEqual(read?.options);
    expect(read && readChoice(JSON.parse(JSON.stringify(writeChoice(read))))).toEqual(choice);
  });

  it.each([undefined, null, 7, [], {}, { image: 3 }, { image: '' }, { image: '--bind' }, { image: 'a\0' }])(
    'without an image is nothing: %j',
    metadata => {
      expect(readChoice(metadata)).toBeUndefined();
    }
  );

  it('passes over what makes no sense', () => {
    const options = {
      nv: 'yes',
      binds: ['/a', 3, ''],
      env: { 'A B': 'x', C: 1, D: 'y' },
      as: 'king',
      directory: '/',
      x: 1
    };
    expect(readChoice({ image: 'i', digest: 4, options })).toEqual({
      image: 'i',
      options: { binds: ['/a'], env: { D: 'y' } }
    });
  });
});

it.each<[RunOptions, Partial<ISettingValues>, boolean, RunOptions]>([
  [{}, {}, false, { nv: false }],
  [{}, {}, true, { nv: true }],
  [{}, { gpu: 'off' }, true, { nv: false }],
  [{}, { gpu: 'on' }, false, { nv: true }],
  [{ nv: false }, { gpu: 'on' }, true, { nv: false }],
  [{ binds: ['/b'] }, { binds: ['/a', '/b'] }, false, { nv: false, binds: ['/a', '/b'] }],
  [{}, { identity: 'root' }, false, { nv: false, as: 'root' }],
  [{ as: 'user' }, { identity: 'root' }, false, { nv: false, as: 'user' }]
])('options %j with settings %j, GPU %j', (options, settings, hasGpu, expected) => {
  expect(withSettings(options, { ...DEFAULT_SETTINGS, ...settings }, hasGpu)).toEqual(expected);
});

it.each<[boolean, RunOptions, readonly string[], boolean]>([
  [true, {}, [], false],
  [true, { nv: true }, [], false],
  [true, { binds: ['/:/host'] }, [], true],
  [true, { binds: ['/:/host'] }, ['line'], false],
  [false, {}, [], true],
  [false, {}, ['line'], false],
  [false, { env: { A: 'b' } }, ['another line'], true]
])('trusted %j, options %j, accepted %j: asks %j', (trusted, options, accepted, expected) => {
  expect(mustAsk({ trusted, options, line: 'line', accepted })).toBe(expected);
});

it('remembers lines, newest first, each once, not for ever', () => {
  expect(acceptLine(undefined, 'a')).toEqual(['a']);
  expect(acceptLine(['b', 'a', 3], 'a')).toEqual(['a', 'b']);
  expect(acceptLine({ a: 1 })).toEqual([]);
  expect(acceptLine(Array.from({ length: 200 }, String), 'a')).toHaveLength(100);
});

it('finds the digest by name, path or source', () => {
  const image = (name: string, manifestDigest?: string): Image => ({
    name,
    key: name,
    path: `/store/${name}`,
    sizeBytes: 1,
    createdAt: '',
    source: `docker://${name}`,
    external: false,
    ...(manifestDigest !== undefined && { manifestDigest })
  });
  const images = [image('a', 'sha256:a'), image('b')];
  expect(['a', '/store/a', 'docker://a', 'b', 'c'].map(name => digestOf(name, images))).toEqual([
    'sha256:a',
    'sha256:a',
    'sha256:a',
    undefined,
    undefined
  ]);
  expect(digestOf('a', undefined)).toBeUndefined();
});
