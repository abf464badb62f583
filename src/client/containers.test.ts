// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { IChannelHandlers } from '../../lib-runtime/api/channel.ts';
import type { IAnswer } from '../../lib-runtime/api/client.ts';
import { Containers } from './containers.ts';
import type { JupyterTransport } from './transport.ts';

interface IAsked {
  readonly path: string;
  answer(answer: IAnswer): void;
}

/** A server whose answers come when the test says so. */
class Server {
  readonly asked: IAsked[] = [];
  hello: IAnswer = { status: 200, body: { api: 2, root_dir: '/srv', daemon: false } };
  channel: IChannelHandlers | undefined;
  readonly transport = {
    request: (_method: string, path: string) =>
      new Promise<IAnswer>(resolve => this.asked.push({ path, answer: resolve })),
    server: () => Promise.resolve(this.hello),
    open: (_path: string, handlers: IChannelHandlers) => {
      this.channel = handlers;
      return { send: () => undefined, close: () => undefined };
    }
  } as unknown as JupyterTransport;

  /** Answers the first `count` requests that wait. */
  async answer(count: number, status = 200): Promise<void> {
    for (const { path, answer } of this.asked.splice(0, count)) {
      const list = path.slice(1);
      answer(status === 200 ? { status, body: { [list]: [] } } : { status, body: { error: { message: 'no daemon' } } });
    }
    await vi.advanceTimersByTimeAsync(0);
  }

  connected(): void {
    this.channel?.onOpen();
    this.channel?.onMessage('');
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('window', { addEventListener: () => undefined });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function containersOf({ transport }: Server): Containers {
  const words = { offline: 'no answer', otherVersion: 'other version' };
  return new Containers({ transport, localPath: path => path, words });
}

it('an answer of before does not take back what a later one has told', async () => {
  const server = new Server();
  const containers = containersOf(server);
  containers.connect();
  server.connected();
  await server.answer(3);
  server.channel?.onClose(1006);
  expect(containers.state).toBe('offline');
  await vi.advanceTimersByTimeAsync(0);
  // "Why?", then the button "Try now": its lists are asked for while the daemon comes up.
  await server.answer(1, 503);
  containers.retry();
  const late = server.asked.length;
  expect(late).toBe(3);
  server.connected();
  const [...first] = server.asked.splice(0, late);
  await server.answer(3);
  expect(containers.state).toBe('connected');
  server.asked.push(...first);
  await server.answer(3, 503);
  expect(containers.state).toBe('connected');
});

it('a server that was away at first is asked again what it is', async () => {
  const server = new Server();
  const containers = containersOf(server);
  const { hello } = server;
  server.hello = { status: 502, body: undefined };
  await containers.greet();
  expect(containers.hostPath('images/a.sif')).toBe(undefined);
  server.hello = hello;
  containers.connect();
  server.connected();
  await server.answer(3);
  expect(containers.hostPath('images/a.sif')).toBe('/srv/images/a.sif');
});
