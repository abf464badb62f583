// SPDX-License-Identifier: BSD-3-Clause
import { nullTranslator } from '@jupyterlab/translation';
import { expect, test } from 'vitest';
import type { Job } from '../../lib-runtime/api/schema.ts';
import { announcement, asSource, failureOf, plainHttpHint, progressView, SpeedMeter } from './pulls.ts';

const trans = nullTranslator.load('nbcontainer');
type Progress = NonNullable<Job['progress']>;
const bytes = (phase: Progress['phase'], done: number, total?: number): Progress => ({
  phase,
  done,
  unit: 'bytes',
  ...(total !== undefined && { total })
});

test.each([
  ['  ', ''],
  ['alpine:3 ', 'docker://alpine:3'],
  ['localhost:5000/a/b', 'docker://localhost:5000/a/b'],
  ['docker://alpine', 'docker://alpine'],
  ['oras://ghcr.io/a/b:1', 'oras://ghcr.io/a/b:1'],
  ['https://example.org/a.sif', 'https://example.org/a.sif'],
  ['oci-archive:/a/b.tar', 'oci-archive:/a/b.tar'],
  ['oci:/a/b:tag', 'oci:/a/b:tag'],
  ['/a/b.sif', '/a/b.sif']
])('%j is the source %j', (text, source) => {
  expect(asSource(text)).toBe(source);
});

test.each([
  ['docker://alpine:3', false, false],
  ['docker://ghcr.io/a/b:1', false, false],
  ['docker://hub.example:5000/a', true, false],
  ['docker://localhost/a', true, true],
  ['docker://127.0.0.1:4711/a/b:1', true, true],
  ['docker://[::1]:5000/a', true, true],
  ['https://localhost:5000/a.sif', false, false]
])('%s over plain HTTP: possible %s, likely %s', (source, possible, likely) => {
  expect(plainHttpHint(source)).toEqual({ possible, likely });
});

test.each<[Job['progress'], ReturnType<typeof progressView>]>([
  [undefined, { phase: 'Starting', amount: '', fraction: undefined }],
  [bytes('resolve', 0), { phase: 'Looking it up', amount: '', fraction: undefined }],
  [bytes('download', 512, 1024), { phase: 'Downloading', amount: '512 B of 1.0 KiB', fraction: 0.5 }],
  [bytes('download', 2048), { phase: 'Downloading', amount: '2.0 KiB', fraction: undefined }],
  [bytes('convert', 3, 2), { phase: 'Converting', amount: '3 B of 2 B', fraction: 1 }],
  [
    { phase: 'unpack', done: 7, total: 14, unit: 'entries' },
    { phase: 'Unpacking', amount: '7 of 14', fraction: 0.5 }
  ]
])('%j in words', (progress, view) => {
  expect(progressView(progress, trans)).toEqual(view);
});

test('speed is that of the last seconds, and begins again with a phase', () => {
  const meter = new SpeedMeter();
  expect(meter.add(bytes('download', 0), 0)).toBeUndefined();
  expect(meter.add(bytes('download', 1000), 400)).toBeUndefined();
  expect(meter.add(bytes('download', 2000), 1000)).toBe(2000);
  for (let second = 2; second <= 20; second += 1) {
    meter.add(bytes('download', 2000 + (second - 1) * 100), second * 1000);
  }
  expect(meter.add(bytes('download', 4000), 21_000)).toBeCloseTo(100, 0);
  expect(meter.add(bytes('convert', 10), 21_500)).toBeUndefined();
  expect(meter.add({ phase: 'unpack', done: 5, unit: 'entries' }, 22_000)).toBeUndefined();
});

test('a failure is what the log calls fatal, with its reason and fix', () => {
  const log = (head: string, tail = ''): string => failureOf({ head, tail, droppedBytes: 0 });
  expect(log('INFO:    a\nFATAL:   no such image: it is gone. Check it.\nINFO:    report\n')).toBe(
    'No such image: it is gone. Check it.'
  );
  expect(log('', 'one\rtwo\n\n')).toBe('Two');
  expect(log('')).toBe('');
});

test('what a screen reader hears changes with phase and quarter only', () => {
  const job = (progress: Progress, state: Job['state'] = 'running'): Job => ({
    id: 'x',
    kind: 'pull',
    title: 'docker://alpine',
    commandLine: '',
    state,
    startedAt: '',
    progress
  });
  const hear = (progress: Progress): string => announcement([job(progress)], title => title.slice(9), trans);
  expect(hear(bytes('download', 1, 100))).toBe('alpine: Downloading');
  expect(hear(bytes('download', 26, 100))).toBe(hear(bytes('download', 49, 100)));
  expect(hear(bytes('download', 50, 100))).toContain('50 %');
  expect(announcement([job(bytes('done', 1), 'done')], title => title, trans)).toBe('');
});
