// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import type { Job } from '../../lib-runtime/api/schema.ts';
import { type INotice, type NoticeStep, noticeStep } from './notices.ts';

const job: Job = {
  id: '1',
  kind: 'pull',
  title: 'docker://a',
  commandLine: 'nbcontainer pull docker://a',
  state: 'running',
  startedAt: '2026-11-22T08:00:00Z'
};
const last: INotice = { state: 'running', at: 1000 };

test.each<[Partial<Job>, INotice | undefined, number, NoticeStep]>([
  [{}, undefined, 0, 'begin'],
  [{ state: 'done' }, undefined, 0, 'nothing'],
  [{ kind: 'run' }, undefined, 0, 'nothing'],
  [{}, last, 1499, 'later'],
  [{}, last, 1500, 'update'],
  [{ state: 'failed' }, last, 1001, 'end'],
  [{ state: 'cancelled' }, last, 1001, 'end'],
  [{ state: 'done' }, { ...last, state: 'done' }, 9000, 'nothing']
])('%j after %j at %i: %s', (change, before, now, step) => {
  expect(noticeStep({ ...job, ...change }, before, now)).toBe(step);
});
