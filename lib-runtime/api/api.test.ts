// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { daemonClient } from './client.ts';
import { jobWords, quoteLine } from './command-line.ts';
import { matchRoute } from './routes.ts';
import type { NewJob } from './schema.ts';

test.each([
  ['GET', '/jobs', { name: 'jobs', id: '' }],
  ['GET', '/jobs/a%2Fb', { name: 'job', id: 'a/b' }],
  ['GET', '/jobs/a/log', { name: 'jobLog', id: 'a' }],
  ['DELETE', '/images/sha256-00', { name: 'removeImage', id: 'sha256-00' }],
  ['DELETE', '/images/', undefined],
  ['GET', '/jobs/%zz', undefined],
  ['PUT', '/jobs', undefined],
  ['GET', '/jobs/a/b/c', undefined]
])('%s %s', (method, path, expected) => {
  expect(matchRoute(method, path)).toEqual(expected);
});

const options = { binds: ['/a b:/c:ro'], env: { X: "it's", Y: '' }, nv: true, pwd: '/w', contain: false };
test.each<[NewJob, string[]]>([
  [{ kind: 'pull', source: 'docker://a' }, ['pull', 'docker://a']],
  [
    { kind: 'pull', source: 'docker://a', directory: '/d', force: true, plainHttp: true },
    ['pull', '--dir', '/d', '--force', '--no-https', 'docker://a']
  ],
  [{ kind: 'run', image: 'a.sif', command: [] }, ['run', 'a.sif']],
  [
    { kind: 'run', image: 'a.sif', command: ['ls', '--nv'], options },
    ['exec', '--bind=/a b:/c:ro', "--env=X=it's", '--env=Y=', '--nv', '--pwd=/w', 'a.sif', 'ls', '--nv']
  ]
])('a request becomes words: %j', (job, words) => {
  expect(jobWords(job)).toEqual(words);
});

test('a quoted line is read back by a shell as the same words', () => {
  const words = ['a b', "it's", '', '$HOME', '`id`', '*', 'é', '--x=1', '\\', '"', '~', 'a\nb'];
  const said = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${quoteLine(words)}`]).toString();
  expect(said.split('\0').slice(0, -1)).toEqual(words);
});

test('the client fills in the id and turns a refusal into an error with its words', async () => {
  const asked: unknown[] = [];
  const client = daemonClient({
    request: async (...request) => {
      asked.push(request);
      return request[1] === '/jobs'
        ? { status: 200, body: { jobs: [] } }
        : { status: 404, body: { error: { code: 'not-found', message: 'gone', fix: 'look again' } } };
    }
  });
  expect(await client.jobs()).toEqual({ jobs: [] });
  await expect(client.jobLog('a/b')).rejects.toMatchObject({ status: 404, message: 'gone', fix: 'look again' });
  expect(asked).toEqual([
    ['GET', '/jobs', undefined],
    ['GET', '/jobs/a%2Fb/log', undefined]
  ]);
});
