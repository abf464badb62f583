// SPDX-License-Identifier: BSD-3-Clause
/**
 * A token server as Docker Hub and GHCR have one (distribution "Token Authentication Specification"): it signs real
 * tokens that docker-registry checks. Without a login it gives no access, with a refresh token it speaks OAuth2.
 */
import { createSign, randomUUID, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeCertificate } from './certificate.ts';
import type { ILogin, IRegistryOptions } from './registry.ts';

export interface ITokenServer {
  /** For `startRegistry({ token })`. */
  readonly token: NonNullable<IRegistryOptions['token']>;
  /** `Basic name`, `refresh` or `anonymous` for each token given or refused. */
  readonly asked: string[];
  /** Life of the next tokens in seconds. */
  life: number;
  /** Also what the answer says; otherwise it says nothing of the life. */
  sayLife: boolean;
  stop(): Promise<void>;
}

export const REFRESH_TOKEN = 'refresh-me';

export async function startTokenServer(
  directory: string,
  options: { readonly login?: ILogin; readonly public?: boolean }
): Promise<ITokenServer> {
  const { certificate, key } = await makeCertificate(directory);
  const [pem, privateKey] = await Promise.all([readFile(certificate, 'utf8'), readFile(key, 'utf8')]);
  const x5c = [new X509Certificate(pem).raw.toString('base64')];
  const service = 'nbcontainer-registry';
  const issuer = 'nbcontainer-tokens';
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

  const sign = (scopes: readonly string[], life: number) => {
    const now = Math.floor(Date.now() / 1000);
    const access = scopes.map(scope => {
      const [type, name, actions = ''] = scope.split(/:(?=[^:]*:)|:(?=[^:]*$)/);
      return { type, name, actions: actions.split(',') };
    });
    const claims = {
      iss: issuer,
      sub: 'test',
      aud: service,
      nbf: now - 120,
      iat: now,
      exp: now + life,
      jti: randomUUID(),
      access
    };
    const body = `${encode({ typ: 'JWT', alg: 'RS256', x5c })}.${encode(claims)}`;
    return `${body}.${createSign('RSA-SHA256').update(body).sign(privateKey).toString('base64url')}`;
  };
  const server = createServer((request, response) => {
    void (async () => {
      let body = '';
      for await (const chunk of request) {
        body += String(chunk);
      }
      const query = new URL(request.url ?? '/', 'http://x').searchParams;
      const form = new URLSearchParams(body);
      const { authorization } = request.headers;
      const expected = options.login
        ? `Basic ${Buffer.from(`${options.login.username}:${options.login.password}`).toString('base64')}`
        : undefined;
      const refreshed = request.method === 'POST' && form.get('refresh_token') === REFRESH_TOKEN;
      const known = refreshed || (authorization !== undefined && authorization === expected);
      self.asked.push(request.method === 'POST' ? 'refresh' : authorization === undefined ? 'anonymous' : 'basic');
      if (!known && !(options.public && authorization === undefined)) {
        response.writeHead(401).end('{"details":"incorrect username or password"}');
        return;
      }
      const scopes = (request.method === 'POST' ? form : query).getAll('scope');
      const token = sign(scopes, self.life);
      response.setHeader('content-type', 'application/json');
      const life = self.sayLife ? { expires_in: self.life } : {};
      response.end(JSON.stringify(refreshed ? { access_token: token, ...life } : { token, ...life }));
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const self: ITokenServer = {
    token: { realm: `http://127.0.0.1:${port}/token`, service, issuer, rootcertbundle: certificate },
    asked: [],
    life: 300,
    sayLife: true,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    }
  };
  return self;
}
