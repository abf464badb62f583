// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import type { Job, Shell } from '../../lib-runtime/api/schema.ts';
import { activity, commandOf, runningByImage, runningKey, runningRows } from './running.ts';

const job = (id: string, change: Partial<Job> = {}): Job => ({
  id,
  kind: 'run',
  title: 'alpine',
  commandLine: `nbcontainer run ${id}`,
  state: 'running',
  startedAt: `2026-11-22T08:00:0${id.slice(-1)}.000Z`,
  ...change
});
const shell = (id: string, change: Partial<Shell> = {}): Shell => ({
  id,
  name: id,
  image: 'alpine',
  commandLine: 'nbcontainer shell alpine',
  state: 'running',
  startedAt: `2026-11-22T08:00:0${id.slice(-1)}.000Z`,
  clients: 1,
  ...change
});
const pull = (id: string, done?: number, total?: number): Job =>
  job(id, {
    kind: 'pull',
    title: 'docker://debian',
    ...(done !== undefined && {
      progress: { phase: 'download', done, unit: 'bytes', ...(total !== undefined && { total }) }
    })
  });

test('what runs comes first, the newest at the head; pulls are elsewhere', () => {
  const rows = runningRows(
    [job('job1'), job('job4', { state: 'failed' }), pull('pull9')],
    [shell('shell3', { state: 'ended' }), shell('shell2')]
  );
  expect(rows.map(row => row.id)).toEqual(['shell2', 'job1', 'job4', 'shell3']);
});

test.each<[string, Job[], Shell[], ReturnType<typeof activity>]>([
  ['nothing', [], [], { containers: 0, pulls: 0, pulled: undefined }],
  [
    'ended things',
    [job('a1', { state: 'done' })],
    [shell('s1', { state: 'ended' })],
    { containers: 0, pulls: 0, pulled: undefined }
  ],
  ['a run and a shell', [job('a1')], [shell('s1')], { containers: 2, pulls: 0, pulled: undefined }],
  ['two pulls', [pull('p1', 5, 10), pull('p2', 10, 10)], [], { containers: 0, pulls: 2, pulled: 0.75 }],
  [
    'one of two of unknown size',
    [pull('p1', 5, 10), pull('p2', 3)],
    [],
    { containers: 0, pulls: 2, pulled: undefined }
  ],
  ['a pull that has not begun', [pull('p1')], [], { containers: 0, pulls: 1, pulled: undefined }]
])('activity of %s', (_what, jobs, shells, expected) => {
  expect(activity(jobs, shells)).toEqual(expected);
});

test('shells and runs stand under their image', () => {
  const groups = runningByImage([job('j1'), pull('p2', 1)], [shell('s3'), shell('s4', { image: 'fedora' })]);
  expect(groups.map(group => [group.image, group.rows.map(row => row.id)])).toEqual([
    ['fedora', ['s4']],
    ['alpine', ['s3', 'j1']],
    ['docker://debian', ['p2']]
  ]);
});

test('progress does not change what is listed, a name does', () => {
  expect(runningKey([pull('p1', 1, 9)], [])).toBe(runningKey([pull('p1', 8, 9)], []));
  expect(runningKey([], [shell('s1')])).not.toBe(runningKey([], [shell('s1', { name: 'other' })]));
  expect(runningKey([job('j1')], [])).not.toBe(runningKey([job('j1', { state: 'done' })], []));
});

test.each([
  ['alpine', 'nbcontainer exec --nv alpine echo a', 'echo a'],
  ['alpine', 'nbcontainer run alpine', ''],
  ['my image.sif', "nbcontainer run 'my image.sif' a", "nbcontainer run 'my image.sif' a"]
])('in %s, %s does: %j', (title, commandLine, command) => {
  expect(commandOf({ title, commandLine })).toBe(command);
});
