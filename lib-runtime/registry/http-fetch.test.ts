// SPDX-License-Identifier: BSD-3-Clause
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { httpFetch } from './http-fetch.ts';

let stop: (() => Promise<void>) | undefined;
afterEach(() => stop?.());

/** A server that answers every connection with these bytes and closes it. */
async function answering(answer: (socket: Socket) => void): Promise<string> {
  const server = createServer(socket => {
    socket.on('error', () => undefined);
    socket.once('data', () => answer(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stop = async () => {
    server.close();
    await once(server, 'close');
  };
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

describe('httpFetch', () => {
  // 100 000 bytes: fetch of Node 24.19 ends the process here.
  it.each([0, 100_000, 1 << 20])('waits for a slow reader of %d bytes when the server closes', async size => {
    const url = await answering(socket => {
      socket.end(`HTTP/1.0 200 OK\r\nContent-Length: ${size}\r\nX-A: 1\r\nX-A: 2\r\n\r\n${'x'.repeat(size)}`);
    });
    const response = await httpFetch(url);
    await new Promise(resolve => setTimeout(resolve, 150));
    expect(response.headers.get('x-a')).toBe('1, 2');
    expect((await response.arrayBuffer()).byteLength).toBe(size);
  });

  it('fails when the connection ends before the body does', async () => {
    const url = await answering(socket => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'));
    const response = await httpFetch(url);
    await expect(response.arrayBuffer()).rejects.toThrow();
  });

  it('follows no redirect, and knows answers without a body', async () => {
    const moved = await answering(socket =>
      socket.end('HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n')
    );
    expect((await httpFetch(moved)).headers.get('location')).toBe('/b');
    await stop?.();
    const empty = await answering(socket => socket.end('HTTP/1.1 204 No Content\r\n\r\n'));
    expect((await httpFetch(empty)).status).toBe(204);
  });

  it.each([
    ['what is no HTTP', 'SSH-2.0-OpenSSH_9\r\n'],
    ['an odd status', 'HTTP/1.1 700 Odd\r\n\r\n']
  ])('fails on %s', async (_name, text) => {
    const url = await answering(socket => socket.end(text));
    await expect(httpFetch(url)).rejects.toThrow();
  });

  it('ends with its signal, before and after the answer', async () => {
    const url = await answering(() => undefined);
    await expect(httpFetch(url, { signal: AbortSignal.timeout(50) })).rejects.toThrow();
    await stop?.();
    const begun = await answering(socket => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'));
    const response = await httpFetch(begun, { signal: AbortSignal.timeout(150) });
    await expect(response.arrayBuffer()).rejects.toThrow();
  });
});
