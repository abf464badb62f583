// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { inOrder, readServer, reconcile } from './model-data.ts';

test.each([
  [
    { version: '0.1.0', api: 2, root_dir: '/home/me', shells: false, daemon: true },
    { api: 2, rootDir: '/home/me', shells: false, daemon: true }
  ],
  [
    { api: 1, root_dir: null },
    { api: 1, rootDir: undefined, shells: true, daemon: false }
  ],
  [undefined, { api: undefined, rootDir: undefined, shells: true, daemon: false }],
  ['<html>', { api: undefined, rootDir: undefined, shells: true, daemon: false }]
])('the server says %j', (body, facts) => {
  expect(readServer(body)).toEqual(facts);
});

test('newest first', () => {
  const items = [
    { id: 'a', startedAt: '2026-11-22T08:00:00.000Z' },
    { id: 'b', startedAt: '2026-11-22T09:00:00.000Z' },
    { id: 'c', startedAt: '2026-11-22T08:30:00.000Z' }
  ];
  expect(inOrder(new Set(items)).map(item => item.id)).toEqual(['b', 'c', 'a']);
});

test('a list does not undo what events told while it was on its way', () => {
  const listed = [
    { id: 'kept', state: 'running' },
    { id: 'ended', state: 'running' },
    { id: 'removed', state: 'running' }
  ];
  const known = new Map(
    [
      { id: 'ended', state: 'done' },
      { id: 'begun', state: 'running' },
      { id: 'gone while nobody listened', state: 'running' }
    ].map(item => [item.id, item])
  );
  const merged = reconcile(listed, known, new Set(['ended', 'begun', 'removed']));
  expect([...merged.values()]).toEqual([
    { id: 'kept', state: 'running' },
    { id: 'ended', state: 'done' },
    { id: 'begun', state: 'running' }
  ]);
});
