// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import type { Image, Job } from '../../lib-runtime/api/schema.ts';
import { pullOf, recentSources, sourceProblem } from './sources.ts';

test.each([
  ['', 'missing'],
  ['  ', 'missing'],
  ['-a', 'dash'],
  ['a b', 'blank'],
  ['a', undefined]
])('%j: %s', (text, problem) => {
  expect(sourceProblem(text)).toBe(problem);
});

test('pulls first, then images, each once, and no files', () => {
  const job = (title: string, kind: Job['kind']): Job => ({
    id: title,
    kind,
    title,
    commandLine: '',
    state: 'done',
    startedAt: ''
  });
  const image = (source: string): Image => ({
    name: source,
    key: source,
    path: '',
    sizeBytes: 1,
    createdAt: '',
    source,
    external: false
  });
  const jobs = [job('docker://b', 'pull'), job('docker://r', 'run'), job('docker://b', 'pull')];
  const images = [image('docker://a'), image('docker://b'), image('/a.sif')];
  expect(recentSources(jobs, images)).toEqual(['docker://b', 'docker://a']);
  expect(recentSources(jobs, images, 1)).toEqual(['docker://b']);
});

test('force is for files only', () => {
  const form = { source: 'a', directory: undefined, force: true, plainHttp: false };
  expect(pullOf(form)).toEqual({ kind: 'pull', source: 'docker://a' });
  expect(pullOf({ ...form, directory: '/d', plainHttp: true })).toEqual({
    kind: 'pull',
    source: 'docker://a',
    directory: '/d',
    force: true,
    plainHttp: true
  });
});
