// SPDX-License-Identifier: BSD-3-Clause
/** A Jupyter server with our extension, and a daemon behind it, for bench/terminal.ts. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { IAnswer, IRequester } from '../lib-runtime/api/client.ts';
import { socketTransport } from '../lib-runtime/daemon/transport.ts';
import { REPOSITORY } from '../platforms/build.ts';
import { runProgram } from '../tests/support/cli.ts';

/** A way to the daemon. */
export interface IWay extends IRequester {
  socket(path: string): WebSocket;
}

export interface IJupyter {
  readonly serverPid: number;
  daemonPid(): number;
  readonly direct: IWay;
  readonly through: IWay;
  ask(method: string, path: string, body?: unknown): Promise<unknown>;
  socket(path: string): WebSocket;
  stop(): Promise<void>;
}

const PREFIX = '/nbcontainer/api/daemon';

export async function startJupyter(directory: string, cli: readonly string[]): Promise<IJupyter> {
  const runtime = join(directory, 'run');
  mkdirSync(runtime, { mode: 0o700 });
  const env = { ...process.env, XDG_RUNTIME_DIR: runtime, NBCONTAINER_HOME: join(directory, 'store') };
  const [program = '', ...entry] = cli;
  const started = await runProgram(program, [...entry, 'daemon', 'start'], { env });
  if (started.status !== 0) {
    throw new Error(started.stderr);
  }
  const token = randomBytes(16).toString('hex');
  const port = await freePort();
  const base = `127.0.0.1:${port}`;
  const server = spawn(
    join(REPOSITORY, '.venv', 'bin', 'jupyter'),
    [
      'server',
      '--allow-root',
      '--no-browser',
      `--ServerApp.port=${port}`,
      '--ServerApp.ip=127.0.0.1',
      `--ServerApp.root_dir=${directory}`,
      `--IdentityProvider.token=${token}`
    ],
    { env, stdio: 'ignore', cwd: directory }
  );
  const headers = { Authorization: `token ${token}` };
  const request = async (method: string, path: string, body: unknown): Promise<IAnswer> => {
    const response = await fetch(`http://${base}${path}`, {
      method,
      headers: { ...headers, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) })
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
  };
  const socket = (path: string): WebSocket =>
    new WebSocket(`ws://${base}${path}`, { headers, perMessageDeflate: false });
  for (let tries = 0; ; tries += 1) {
    try {
      if ((await request('GET', '/api/status', undefined)).status === 200) {
        break;
      }
    } catch (error) {
      if (tries > 300) {
        throw error;
      }
    }
    await sleep(100);
  }
  const path = join(runtime, 'nbcontainer', 'daemon.sock');
  return {
    serverPid: server.pid ?? 0,
    daemonPid: () =>
      (JSON.parse(readFileSync(join(runtime, 'nbcontainer', 'daemon.json'), 'utf8')) as { pid: number }).pid,
    direct: {
      ...socketTransport(path),
      socket: address => new WebSocket(`ws+unix://${path}:${address}`, { perMessageDeflate: false })
    },
    through: {
      request: (method, address, body) => request(method, `${PREFIX}${address}`, body),
      socket: address => socket(`${PREFIX}${address}`)
    },
    ask: async (method, address, body) => (await request(method, address, body)).body,
    socket,
    stop: async () => {
      const ended = new Promise(resolve => server.once('close', resolve));
      server.kill('SIGTERM');
      await ended;
      await runProgram(program, [...entry, 'daemon', 'stop'], { env });
    }
  };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>(resolve => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise(resolve => probe.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
