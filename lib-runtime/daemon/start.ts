// SPDX-License-Identifier: BSD-3-Clause
/** Finding the daemon, starting it on demand, ending it: what the command line and its tests use. */
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { daemonClient } from '../api/client.ts';
import { API_VERSION } from '../api/routes.ts';
import type { Version } from '../api/schema.ts';
import { ContainerError, errnoOf } from '../support/errors.ts';
import type { IDaemonPlace } from './place.ts';
import { socketTransport } from './transport.ts';

/** Milliseconds that a new daemon has to answer. */
const START = 15_000;
const STOP = 20_000;
const PAUSE = 25;

/** What the daemon at a place says of itself; undefined when none answers. */
export async function askDaemon(place: IDaemonPlace): Promise<Version | undefined> {
  try {
    return await daemonClient(socketTransport(place.socket, 5_000)).version();
  } catch (error) {
    if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(errnoOf(error) ?? '')) {
      return undefined;
    }
    throw new ContainerError({
      code: 'internal',
      step: 'daemon',
      message: `the daemon at ${place.socket} does not answer as it should`,
      fix: 'Run nbcontainer daemon stop',
      cause: error
    });
  }
}

/**
 * Makes sure that a daemon of this version runs. One of another version is replaced when it has nothing to do; one
 * that has is kept when it speaks the same API.
 * @throws ContainerError `locked` when a busy daemon of another API is in the way, `internal` when none comes up
 */
export async function ensureDaemon(place: IDaemonPlace, version: string, cli: readonly string[]): Promise<Version> {
  const present = await askDaemon(place);
  if (present?.version === version && present.api === API_VERSION) {
    return present;
  }
  if (present && present.busy.jobs + present.busy.shells > 0) {
    if (present.api === API_VERSION) {
      return present;
    }
    throw new ContainerError({
      code: 'locked',
      step: 'daemon',
      message: `the daemon of nbcontainer ${present.version} is at work`,
      fix: 'Wait for its jobs and shells, or run nbcontainer daemon stop'
    });
  }
  if (present) {
    await stopDaemon(place);
  }
  return launchDaemon(place, cli);
}

/** Starts `daemon run` in a session of its own, so that it outlives this process and its terminal. */
async function launchDaemon(place: IDaemonPlace, cli: readonly string[]): Promise<Version> {
  const [program = process.execPath, ...entry] = cli;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  const log = await open(place.logFile, flags, 0o600);
  let failed: string | undefined;
  try {
    const child = spawn(program, [...entry, 'daemon', 'run'], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', log.fd, log.fd]
    });
    child.once('error', error => (failed = error.message));
    child.once('exit', () => (failed = 'it ended at once'));
    child.unref();
  } finally {
    await log.close();
  }
  const end = performance.now() + START;
  let died = false;
  while (performance.now() < end) {
    const version = await askDaemon(place);
    if (version) {
      return version;
    }
    // One that lost a race ends at once, and the winner answers in a moment: one more second is waited for it.
    if (failed !== undefined && died) {
      break;
    }
    died = failed !== undefined;
    await sleep(died ? 1_000 : PAUSE);
  }
  const said = (await readFile(place.logFile, 'utf8').catch(() => '')).trim().split('\n').at(-1) ?? '';
  throw new ContainerError({
    code: 'internal',
    step: 'daemon',
    message: 'the daemon did not start',
    reason: said || failed || 'it does not answer',
    fix: `See ${place.logFile}`
  });
}

/**
 * Ends the daemon with its jobs and waits until it is gone.
 * @returns false when there was none
 */
export async function stopDaemon(place: IDaemonPlace): Promise<boolean> {
  const present = await askDaemon(place);
  if (!present) {
    return false;
  }
  // The pid comes from the one who answers on our own socket, so it is not a stranger's.
  process.kill(present.pid, 'SIGTERM');
  const end = performance.now() + STOP;
  while (performance.now() < end) {
    if ((await askDaemon(place))?.pid !== present.pid && !alive(present.pid)) {
      return true;
    }
    await sleep(PAUSE);
  }
  throw new ContainerError({ code: 'internal', step: 'daemon', message: `the daemon (${present.pid}) does not end` });
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
