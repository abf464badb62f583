// SPDX-License-Identifier: BSD-3-Clause
/** Bearer tokens checked by a real docker-registry; Basic is in client.test.ts. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificate } from '../../tests/support/certificate.ts';
import { writeOciLayout } from '../../tests/support/oci-layout.ts';
import type { IWrittenImage } from '../../tests/support/oci-layout.ts';
import { startRegistry } from '../../tests/support/registry.ts';
import type { ITestRegistry } from '../../tests/support/registry.ts';
import { REFRESH_TOKEN, startTokenServer } from '../../tests/support/token-server.ts';
import type { ITokenServer } from '../../tests/support/token-server.ts';
import { Authorizer, parseChallenges } from './auth.ts';
import { RegistryClient } from './client.ts';
import type { IRegistryOptions } from './client.ts';
import { parseReference } from './reference.ts';

const login = { username: 'anna', password: 'sesame' };
const AMD64 = { machine: 'x86_64' };
let root: string;
let image: IWrittenImage;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'nbc-auth-'));
  image = await writeOciLayout(join(root, 'layout'), { layers: [{ entries: [{ name: 'a', content: 'a' }] }] });
});
afterAll(() => rm(root, { recursive: true, force: true }));

const client = (options: IRegistryOptions = {}) =>
  new RegistryClient({ plainHttp: true, env: { HOME: '/nonexistent' }, ...options });

describe('bearer tokens', () => {
  let tokens: ITokenServer;
  let registry: ITestRegistry;
  beforeAll(async () => {
    tokens = await startTokenServer(root, { login });
    registry = await startRegistry({ token: tokens.token });
    await registry.push(join(root, 'layout'), 'group/image:1', { login });
  });
  afterAll(async () => {
    await registry.stop();
    await tokens.stop();
  });
  afterEach(() => {
    Object.assign(tokens, { life: 300, sayLife: true });
  });
  const reference = () => parseReference(`${registry.host}/group/image:1`);

  it('fetches one token for many requests', async () => {
    tokens.asked.length = 0;
    const one = client({ credentials: login });
    const found = await one.getManifest(reference(), AMD64);
    expect(found.digest).toBe(image.manifest.digest);
    await Promise.all([one.getConfig(reference(), found.manifest), one.getConfig(reference(), found.manifest)]);
    expect(tokens.asked).toEqual(['basic']);
  });

  it('exchanges a refresh token', async () => {
    tokens.asked.length = 0;
    await client({ credentials: { identityToken: REFRESH_TOKEN } }).getManifest(reference(), AMD64);
    expect(tokens.asked).toEqual(['refresh']);
  });

  it('fetches a new token before the old one expires', async () => {
    tokens.life = 1;
    const one = client({ credentials: login });
    const found = await one.getManifest(reference(), AMD64);
    tokens.asked.length = 0;
    await new Promise(resolve => setTimeout(resolve, 1000));
    await one.getConfig(reference(), found.manifest);
    expect(tokens.asked).toEqual(['basic']);
  });

  it('fetches a new token when the registry does not take the old one any more', async () => {
    // docker-registry allows a minute of leeway after `exp`.
    Object.assign(tokens, { life: -57, sayLife: false });
    const one = client({ credentials: login });
    const found = await one.getManifest(reference(), AMD64);
    Object.assign(tokens, { life: 300 });
    tokens.asked.length = 0;
    await new Promise(resolve => setTimeout(resolve, 4100));
    await one.getConfig(reference(), found.manifest);
    expect(tokens.asked).toEqual(['basic']);
  });

  it('refuses wrong credentials and none, without a secret in the message', async () => {
    const anonymous = client().getManifest(reference(), AMD64);
    await expect(anonymous).rejects.toMatchObject({
      code: 'unauthorized',
      message: `${registry.host} gives no access without a login`
    });
    const env = { DOCKER_USERNAME: 'anna', DOCKER_PASSWORD: 'wrong-secret' };
    const error: unknown = await client({ env })
      .getManifest(reference(), AMD64)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'unauthorized' });
    expect(String(error)).toContain('refuses the credentials from DOCKER_USERNAME');
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toMatch(/wrong-secret|d3Jvbmct/);
  });
});

it('reads public images with an anonymous token', async () => {
  const directory = await mkdtemp(join(root, 'public-'));
  const tokens = await startTokenServer(directory, { login, public: true });
  const registry = await startRegistry({ token: tokens.token });
  try {
    await registry.push(join(root, 'layout'), 'group/image:1', { login });
    tokens.asked.length = 0;
    const found = await client().getManifest(parseReference(`${registry.host}/group/image:1`), AMD64);
    expect(found.digest).toBe(image.manifest.digest);
    expect(tokens.asked).toEqual(['anonymous']);
  } finally {
    await registry.stop();
    await tokens.stop();
  }
});

it('sends no password to a token server without encryption, nor to no address', async () => {
  for (const realm of ['http://tokens.example/token', 'file:///etc/passwd', 'not an address']) {
    const sent: string[] = [];
    const authorizer = new Authorizer(
      'registry.example',
      false,
      () => Promise.resolve({ credentials: login }),
      url => {
        sent.push(url);
        return Promise.resolve(new Response('{"token":"x"}'));
      }
    );
    const response = new Response('', { status: 401, headers: { 'www-authenticate': `Bearer realm="${realm}"` } });
    await expect(authorizer.answer(response, 'repository:a:pull', undefined)).rejects.toMatchObject({
      code: 'unauthorized'
    });
    expect(sent).toEqual([]);
  }
});

describe('HTTPS', () => {
  it('says that a certificate is not trusted, trusts one that it is given, and tells HTTPS from HTTP', async () => {
    const directory = await mkdtemp(join(root, 'tls-'));
    const tls = await makeCertificate(directory);
    const registry = await startRegistry({ tls });
    try {
      await registry.push(join(root, 'layout'), 'group/image:1');
      const reference = parseReference(`${registry.host}/group/image:1`);
      await expect(client({ plainHttp: false }).getManifest(reference, AMD64)).rejects.toMatchObject({
        code: 'network',
        message: `the certificate of ${registry.host} is not trusted`
      });
      const error: unknown = await client()
        .getManifest(reference, AMD64)
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'network', fix: 'Leave out --no-https' });
      const program = `
        import { RegistryClient } from ${JSON.stringify(join(import.meta.dirname, 'client.ts'))};
        import { parseReference } from ${JSON.stringify(join(import.meta.dirname, 'reference.ts'))};
        const found = await new RegistryClient({ env: { SSL_CERT_FILE: ${JSON.stringify(tls.certificate)} } }).getManifest(
          parseReference('${registry.host}/group/image:1'), { machine: 'x86_64' });
        process.stdout.write(found.digest);`;
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
        env: { ...process.env, NO_COLOR: '1' }
      });
      expect(stdout).toBe(image.manifest.digest);
    } finally {
      await registry.stop();
    }
  });
});

describe('parseChallenges', () => {
  it.each([
    ['Basic realm="x y"', [{ scheme: 'basic', parameters: { realm: 'x y' } }]],
    [
      'Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push"',
      [{ scheme: 'bearer', parameters: { realm: 'https://a/t', service: 's', scope: 'repository:a/b:pull,push' } }]
    ],
    [
      'Negotiate, Basic realm=plain, bearer Realm="q\\"q"',
      [
        { scheme: 'negotiate', parameters: {} },
        { scheme: 'basic', parameters: { realm: 'plain' } },
        { scheme: 'bearer', parameters: { realm: 'q"q' } }
      ]
    ],
    ['', []],
    ['=', []],
    ['realm="x"', []]
  ])('%s', (header, challenges) => {
    expect(parseChallenges(header)).toEqual(challenges);
  });
});
