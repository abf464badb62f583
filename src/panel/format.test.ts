// SPDX-License-Identifier: BSD-3-Clause
import { nullTranslator } from '@jupyterlab/translation';
import { expect, test } from 'vitest';
import type { Image } from '../../lib-runtime/api/schema.ts';
import { formatAge, formatBytes, formatElapsed, nameParts, searchImages, shortDigest, shortName } from './format.ts';

const trans = nullTranslator.load('nbcontainer');
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

test.each([
  [-1, '0 B'],
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [48_133_120, '45.9 MiB'],
  [163 * 1024 ** 2, '163 MiB'],
  [5 * 1024 ** 5, '5120 TiB']
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  ['docker://docker.io/library/alpine:3', 'alpine:3'],
  ['docker://docker.io/jupyter/base-notebook:latest', 'jupyter/base-notebook:latest'],
  ['docker://ghcr.io/me/tool:1', 'ghcr.io/me/tool:1'],
  [`docker://docker.io/library/alpine@sha256:${'0123456789abcdef'.repeat(4)}`, 'alpine@0123456789ab'],
  ['/home/me/images/tool.sif', 'tool.sif'],
  ['/srv/tree/', 'tree'],
  ['ab'.repeat(32), 'abababababab'],
  ['oras://ghcr.io/me/tool:1', 'oras://ghcr.io/me/tool:1']
])('%s is shown as %s', (name, text) => {
  expect(shortName(name)).toBe(text);
});

test.each([
  ['docker://docker.io/library/alpine:3', '', 'alpine:3'],
  ['docker://127.0.0.1:5000/a/b:1', '127.0.0.1:5000/a/', 'b:1'],
  ['/home/me/tool.sif', '', 'tool.sif']
])('%s is from %j and called %j', (name, from, last) => {
  expect(nameParts(name)).toEqual({ from, last });
});

test.each([
  [{ manifestDigest: `sha256:${'0123456789abcdef'.repeat(4)}`, key: 'x' }, '0123456789ab'],
  [{ key: `sha256-${'f'.repeat(64)}` }, 'f'.repeat(12)],
  [{ key: 'f'.repeat(64) }, 'f'.repeat(12)],
  [{ key: 'external' }, undefined]
])('digest of %j', (image, text) => {
  expect(shortDigest(image)).toBe(text);
});

test.each([
  [-DAY, 'just now'],
  [59_000, 'just now'],
  [MINUTE, '1 min ago'],
  [59 * MINUTE, '59 min ago'],
  [61 * MINUTE, '1 h ago'],
  [DAY, '1 day ago'],
  [59 * DAY, '59 days ago'],
  [60 * DAY, '2 months ago'],
  [800 * DAY, '2 years ago'],
  [Number.NaN, '']
])('%d ms are %s', (age, text) => {
  expect(formatAge(1e12 - age, 1e12, trans)).toBe(text);
});

test.each([
  [-5, '0:00'],
  [7_400, '0:07'],
  [723_000, '12:03'],
  [11_045_000, '3:04:05'],
  [2 * DAY + 3_600_000, '2 d 01:00:00'],
  [Number.NaN, '0:00']
])('%d ms have passed: %s', (time, text) => {
  expect(formatElapsed(time)).toBe(text);
});

test('a search finds all words in name, source and digest', () => {
  const image = (name: string, source: string, manifestDigest: string): Image => ({
    name,
    source,
    manifestDigest,
    key: name,
    path: `/store/${name}`,
    sizeBytes: 1,
    createdAt: '',
    external: false
  });
  const images = [image('docker://a/Alpine:3', 'alpine', 'sha256:12'), image('docker://a/debian', 'deb', 'sha256:34')];
  const found = (question: string): string[] => searchImages(images, question).map(one => one.source);
  expect(found('')).toEqual(['alpine', 'deb']);
  expect(found(' ALP 3 ')).toEqual(['alpine']);
  expect(found('sha256:34')).toEqual(['deb']);
  expect(found('alpine debian')).toEqual([]);
});
