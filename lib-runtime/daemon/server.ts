// SPDX-License-Identifier: BSD-3-Clause
/** The daemon itself: one per user, on a unix socket, until it is told to end or nobody needs it. */
import { createServer } from 'node:http';
import { chmod, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type WebSocket, WebSocketServer } from 'ws';
import { API_HEADER, API_VERSION, EVENTS_PATH, matchShellSocket, ROUTES } from '../api/routes.ts';
import type { DaemonEvent, Version } from '../api/schema.ts';
import { writeFileAtomic } from '../support/atomic.ts';
import { asContainerError, ContainerError } from '../support/errors.ts';
import { type IHeldLock, isHeld, tryLock } from '../support/lock.ts';
import { EventHub } from './events.ts';
import { ImageWatch } from './image-watch.ts';
import { Jobs } from './jobs.ts';
import { type IDaemonPlace, LOCK_NAME } from './place.ts';
import { requestListener } from './requests.ts';
import { Shells } from './shells.ts';

export interface IDaemonOptions {
  readonly place: IDaemonPlace;
  readonly version: string;
  /** The words that start the command line. */
  readonly cli: readonly string[];
  /** Milliseconds without jobs, clients and requests after which it ends. */
  readonly idle: number;
}

export interface IDaemon {
  /** Settles when the daemon has ended and left nothing. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** A listener with more than this unsent is cut off; it connects again and is told the present state. */
const MAX_UNSENT = 1 << 20;

/** Milliseconds for which the end of the last daemon is waited for: its jobs have 10 s, and start.ts waits for 15. */
const HANDOVER = 13_000;
const PAUSE = 50;

/**
 * Starts the daemon in this process.
 * @throws ContainerError `locked` when one runs already and does not end, `permission` when the socket cannot be made
 */
export async function startDaemon(options: IDaemonOptions): Promise<IDaemon> {
  const { place } = options;
  const lock = await onlyOne(place);
  const imageWatch = new ImageWatch(() => events.emit({ type: 'images' }));
  const events = new EventHub(present => imageWatch.setWanted(present));
  const jobs = new Jobs(options.cli, events);
  const shells = new Shells(options.cli, events);
  const startedAt = new Date().toISOString();
  const version = (): Version => ({
    version: options.version,
    api: API_VERSION,
    pid: process.pid,
    startedAt,
    busy: { jobs: jobs.running, shells: shells.running }
  });
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 1 << 16 });
  const server = createServer(requestListener({ jobs, shells, events, version }));
  let lastUse = performance.now();
  server.on('request', request => {
    // Jupyter servers ask for the version again and again, to see whether something runs.
    lastUse = request.url === ROUTES.version.path ? lastUse : performance.now();
  });
  server.on('upgrade', (request, socket, head) => {
    const refuse = (reason: string): void => {
      // Node has taken its own listener away, and without one a client that is gone would end this process.
      socket.on('error', () => socket.destroy());
      socket.end(`HTTP/1.1 ${reason}\r\ncontent-length: 0\r\n\r\n`);
    };
    const api = request.headers[API_HEADER];
    const path = (request.url ?? '').replace(/\?.*$/s, '');
    const shell = matchShellSocket(path);
    if (api !== undefined && api !== String(API_VERSION)) {
      refuse('409 Conflict');
    } else if (shell !== undefined) {
      sockets.handleUpgrade(request, socket, head, client => shells.attach(shell, client));
    } else if (path === EVENTS_PATH) {
      sockets.handleUpgrade(request, socket, head, client => sendEvents(client, events, { jobs, shells }));
    } else {
      refuse('404 Not Found');
    }
  });

  let settle: () => void = () => undefined;
  const ended = new Promise<void>(resolve => (settle = resolve));
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= end());
  const end = async (): Promise<void> => {
    clearInterval(watch);
    server.close();
    await Promise.all([jobs.stopAll(), shells.stopAll()]);
    sockets.clients.forEach(client => client.terminate());
    server.closeAllConnections();
    await Promise.all([place.socket, place.runtimeFile].map(path => rm(path, { force: true })));
    await lock.release();
    settle();
  };
  const watch = setInterval(
    () => {
      if (jobs.running > 0 || shells.running > 0 || sockets.clients.size > 0) {
        lastUse = performance.now();
      } else if (performance.now() - lastUse >= options.idle) {
        void stop();
      }
    },
    Math.min(10_000, Math.max(20, options.idle / 4))
  );

  try {
    // Whoever left a socket here is dead: the lock says so.
    await rm(place.socket, { force: true });
    const { pid, api } = version();
    const description = { pid, version: options.version, api, socket: place.socket };
    // Before the socket: whoever gets an answer there finds the file, too.
    await writeFileAtomic(place.runtimeFile, `${JSON.stringify(description)}\n`, { mode: 0o600 });
    await listen(server, place.socket);
  } catch (error) {
    await stop();
    throw asContainerError(error, 'daemon', `the daemon cannot listen on ${place.socket}`);
  }
  return { ended, stop };
}

/** The lock. One that ends has taken its socket away, and holds the lock until its jobs have ended: that is waited for. */
async function onlyOne(place: IDaemonPlace): Promise<IHeldLock> {
  const end = performance.now() + HANDOVER;
  for (;;) {
    const lock = await tryLock(place.directory, LOCK_NAME);
    if (isHeld(lock)) {
      return lock;
    }
    if (performance.now() >= end || (await isAnswered(place.socket))) {
      throw new ContainerError({
        code: 'locked',
        step: 'daemon',
        message: `the daemon runs already, as process ${lock.pid}`
      });
    }
    await sleep(PAUSE);
  }
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function listen(server: ReturnType<typeof createServer>, path: string): Promise<void> {
  // The mode counts from the first moment, not only after chmod.
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
  } finally {
    process.umask(before);
  }
  await chmod(path, 0o600);
}

interface ITold {
  readonly jobs: Jobs;
  readonly shells: Shells;
}

function sendEvents(client: WebSocket, events: EventHub, { jobs, shells }: ITold): void {
  const send = (event: DaemonEvent): void => {
    if (client.bufferedAmount > MAX_UNSENT) {
      client.terminate();
    } else {
      client.send(JSON.stringify(event));
    }
  };
  const forget = events.listen(send);
  client.on('close', forget);
  client.on('error', () => client.terminate());
  // An empty message asks whether the daemon is there.
  client.on('message', () => client.bufferedAmount <= MAX_UNSENT && client.send(''));
  jobs.list().forEach(job => send({ type: 'job', job }));
  shells.list().forEach(shell => send({ type: 'shell', shell }));
}
