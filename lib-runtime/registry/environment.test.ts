// SPDX-License-Identifier: BSD-3-Clause
/** Proxies; private certificates are in auth.test.ts. Settings of the process, so tried in one of their own. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { splitCertificates } from './environment.ts';

it('goes through HTTP_PROXY but not for hosts of NO_PROXY', async () => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    // A proxy is asked for whole addresses (RFC 9112 3.2.2), a server for paths.
    const proxied = request.url?.startsWith('http://');
    seen.push(`${proxied ? 'proxied' : 'direct'} ${request.url ?? ''}`);
    response.writeHead(proxied ? 502 : 404).end();
  });
  server.on('connect', (request, socket) => {
    seen.push(`proxied ${request.url ?? ''}`);
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const program = `
    import { RegistryClient } from ${JSON.stringify(join(import.meta.dirname, 'client.ts'))};
    import { parseReference } from ${JSON.stringify(join(import.meta.dirname, 'reference.ts'))};
    const env = { HTTP_PROXY: 'http://${host}', HTTPS_PROXY: 'http://${host}', NO_PROXY: '127.0.0.1' };
    const client = new RegistryClient({ plainHttp: true, env, retry: { attempts: 1 } });
    const secure = new RegistryClient({ env, retry: { attempts: 1 } });
    for (const [from, name] of [[client, 'registry.test/a/b:1'], [secure, 'registry.test/a/b:1'], [client, '${host}/a/b:1']]) {
      await from.getManifest(parseReference(name), { machine: 'x86_64' }).catch(error => console.log(error.code));
    }`;
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    expect(seen).toEqual([
      'proxied http://registry.test/v2/a/b/manifests/1',
      'proxied registry.test:443',
      'direct /v2/a/b/manifests/1'
    ]);
    expect(stdout).toBe('network\nnetwork\nnot-found\n');
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

it('splits a bundle', () => {
  const one = '-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----';
  expect(splitCertificates(`# a\n${one}\n# b\n${one}\n`)).toEqual([one, one]);
  expect(splitCertificates('')).toEqual([]);
});
