// SPDX-License-Identifier: BSD-3-Clause
/** Servers that begin an answer and then fall silent, or never come to its end. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { RegistryClient } from './client.ts';
import { parseReference } from './reference.ts';
import { WebFile } from './web.ts';

let server: Server | undefined;
let connections = new Set<Socket>();
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** @returns `127.0.0.1:PORT` */
async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener).listen(0, '127.0.0.1');
  const open = new Set<Socket>();
  connections = open;
  server.on('connection', socket => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const quick = { env: {}, retry: { attempts: 1 }, timeout: 200 };
const client = (): RegistryClient => new RegistryClient({ ...quick, plainHttp: true });

it('an error whose page never ends is told all the same', async () => {
  const host = await serve((_request, response) => {
    response.writeHead(503, { 'content-length': '100' });
    response.write('{');
  });
  const file = new WebFile({ url: `http://${host}/a.sif` }, quick);
  await expect(file.look()).rejects.toMatchObject({ code: 'network', reason: 'it answered 503' });
  await expect(client().getManifest(parseReference(`${host}/a/b:1`), { machine: 'x86_64' })).rejects.toMatchObject({
    code: 'network',
    reason: 'it answered 503'
  });
});

it.each([
  ['silence', (): string => ''],
  ['no end', (): string => ' '.repeat(1 << 16)]
])('a token server with %s is given up', async (_, more) => {
  let sent = 0;
  const host = await serve((request, response) => {
    if (request.url?.startsWith('/v2/')) {
      const challenge = `Bearer realm="http://${request.headers.host}/token"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
      return;
    }
    response.writeHead(200);
    const write = (): void => {
      sent += more().length;
      if (sent < 256 << 20) {
        response.write(more() || '{"token":', () => more() && setImmediate(write));
      }
    };
    write();
  });
  const asked = client().getManifest(parseReference(`${host}/a/b:1`), { machine: 'x86_64' });
  await expect(asked).rejects.toMatchObject({ step: expect.stringMatching(/^(pull|login)$/) as string });
  expect(sent).toBeLessThan(64 << 20);
});

it('a file that cannot be written ends its connection', async () => {
  const host = await serve((_request, response) => {
    response.writeHead(200);
    response.write(Buffer.alloc(1024, 'hsqs'));
  });
  const directory = await mkdtemp(join(tmpdir(), 'nbc-stalled-'));
  try {
    const file = new WebFile({ url: `http://${host}/a.sif` }, { ...quick, timeout: 60_000 });
    await file.look();
    await expect(file.download(join(directory, 'absent', 'a.sif'), {})).rejects.toMatchObject({ errno: 'ENOENT' });
    while (connections.size > 0) {
      await new Promise(resolve => setImmediate(resolve));
    }
    expect(await readdir(directory)).toEqual([]);
  } finally {
    await rm(directory, { recursive: true });
  }
});
