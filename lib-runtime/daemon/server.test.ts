// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isHeld, tryLock } from '../support/lock.ts';
import { type IDaemonPlace, LOCK_NAME } from './place.ts';
import { type IDaemon, startDaemon } from './server.ts';
import { askDaemon } from './start.ts';

let place: IDaemonPlace;
const daemons: IDaemon[] = [];

beforeEach(() => {
  // Short: a socket's path has 108 bytes.
  const directory = mkdtempSync('/tmp/nbc-server-');
  const [socket, runtimeFile, logFile] = ['daemon.sock', 'daemon.json', 'daemon.log'].map(name =>
    join(directory, name)
  );
  place = { directory, socket, runtimeFile, logFile } as IDaemonPlace;
});

afterEach(async () => {
  await Promise.all(daemons.splice(0).map(daemon => daemon.stop()));
  rmSync(place.directory, { recursive: true });
});

async function start(): Promise<IDaemon> {
  const daemon = await startDaemon({ place, version: '1', cli: [], idle: 60_000 });
  daemons.push(daemon);
  return daemon;
}

test('waits for a daemon that has taken its socket away and still ends its jobs', async () => {
  const ending = await tryLock(place.directory, LOCK_NAME);
  if (!isHeld(ending)) {
    throw new Error('somebody is in a directory of this test');
  }
  let settled = false;
  const next = start().finally(() => (settled = true));
  next.catch(() => undefined);
  await new Promise(resolve => setTimeout(resolve, 100));
  expect(settled).toBe(false);
  await ending.release();
  await next;
  expect(await askDaemon(place)).toMatchObject({ pid: process.pid });
});

test('is told at once of a daemon that answers', async () => {
  await start();
  await expect(start()).rejects.toMatchObject({ code: 'locked' });
});
