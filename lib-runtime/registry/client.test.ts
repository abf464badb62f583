// SPDX-License-Identifier: BSD-3-Clause
/** Manifests, configurations and small blobs against a real docker-registry. */
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeOciIndex, writeOciLayout } from '../../tests/support/oci-layout.ts';
import type { IWrittenImage } from '../../tests/support/oci-layout.ts';
import { startProxy } from '../../tests/support/proxy.ts';
import { startRegistry } from '../../tests/support/registry.ts';
import type { ITestRegistry } from '../../tests/support/registry.ts';
import { ContainerError } from '../support/errors.ts';
import { RegistryClient } from './client.ts';
import type { IRegistryOptions } from './client.ts';
import { parseReference } from './reference.ts';

const login = { username: 'anna', password: 'p:w and "more"' };
const AMD64 = { machine: 'x86_64' };
let root: string;
let open: ITestRegistry;
let closed: ITestRegistry;
let image: IWrittenImage;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'nbc-client-'));
  [open, closed] = await Promise.all([startRegistry(), startRegistry({ htpasswd: login })]);
  const layout = join(root, 'layout');
  image = await writeOciLayout(layout, {
    config: { Env: ['A=b'], Entrypoint: ['/hello'] },
    layers: [{ entries: [{ name: 'hello', content: 'hello' }] }]
  });
  await Promise.all([open.push(layout, 'group/image:1'), closed.push(layout, 'group/image:1')]);
});
afterAll(async () => {
  await Promise.all([open.stop(), closed.stop()]);
  await rm(root, { recursive: true, force: true });
});

const fast = { retry: { baseDelay: 5 }, plainHttp: true, env: { HOME: '/nonexistent' } } satisfies IRegistryOptions;
const client = (options: IRegistryOptions = {}) => new RegistryClient({ ...fast, ...options });
const reference = (registry: { host: string }, rest = 'group/image:1') => parseReference(`${registry.host}/${rest}`);
async function failure(promise: Promise<unknown>): Promise<ContainerError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown
  );
  expect(error).toBeInstanceOf(ContainerError);
  return error as ContainerError;
}

describe('manifests', () => {
  it('fetches by tag and by digest, with the configuration', async () => {
    const found = await client().getManifest(reference(open), AMD64);
    expect(found).toMatchObject({ digest: image.manifest.digest, mediaType: image.manifest.mediaType });
    expect(found.indexDigest).toBeUndefined();
    const byDigest = await client().getManifest(reference(open, `group/image@${image.manifest.digest}`), AMD64);
    expect(byDigest.manifest).toEqual(found.manifest);
    const { config, raw } = await client().getConfig(reference(open), found.manifest);
    expect(config.config).toMatchObject({ Env: ['A=b'], Entrypoint: ['/hello'] });
    expect(raw.length).toBe(image.config.size);
  });

  it.each(['oci', 'docker'] as const)('chooses from an index with %s media types', async mediaTypes => {
    const layout = join(root, `index-${mediaTypes}`);
    const { index, images } = await writeOciIndex(
      layout,
      ['arm64', 'amd64'].map(architecture => ({
        platform: { architecture },
        layers: [{ entries: [{ name: architecture, content: architecture }] }]
      })),
      { mediaTypes }
    );
    await open.push(layout, `group/${mediaTypes}:1`);
    const name = reference(open, `group/${mediaTypes}:1`);
    for (const [machine, position] of [
      ['aarch64', 0],
      ['x86_64', 1]
    ] as const) {
      const found = await client().getManifest(name, { machine });
      expect(found).toMatchObject({ digest: images[position]?.manifest.digest, indexDigest: index.digest });
    }
    expect(await failure(client().getManifest(name, { machine: 's390x' }))).toMatchObject({ code: 'architecture' });
  });

  it('says what is unknown', async () => {
    const tag = await failure(client().getManifest(reference(open, 'group/image:2'), AMD64));
    expect(tag).toMatchObject({ code: 'not-found' });
    expect(tag.toSentence()).toContain('group/image:2');
    expect(await failure(client().getManifest(reference(open, 'group/other:2'), AMD64))).toMatchObject({
      code: 'not-found'
    });
    const digest = await failure(client().getManifest(reference(open, `group/image@sha256:${'0'.repeat(64)}`), AMD64));
    expect(digest).toMatchObject({ code: 'not-found' });
  });

  it('does not believe a manifest with another digest', async () => {
    const body = JSON.stringify({ schemaVersion: 2, config: {}, layers: [] });
    const proxy = await startProxy(open.host);
    try {
      proxy.behaviour.next = [{ status: 200, headers: { 'content-type': 'application/json' }, body }];
      const wanted = reference(proxy, `group/image@${image.manifest.digest}`);
      expect(await failure(client().getManifest(wanted, AMD64))).toMatchObject({ code: 'digest-mismatch' });
    } finally {
      await proxy.stop();
    }
  });

  it('tries again after 503, 429 and a Retry-After, and gives up in the end', async () => {
    const proxy = await startProxy(open.host);
    try {
      proxy.behaviour.next = [{ status: 503 }, { status: 429, headers: { 'retry-after': '0' } }, { status: 502 }];
      expect((await client().getManifest(reference(proxy), AMD64)).digest).toBe(image.manifest.digest);
      expect(proxy.seen.map(({ status }) => status)).toEqual([503, 429, 502, 200]);
      proxy.behaviour.next = [{ status: 429, headers: { 'retry-after': '3600' } }];
      const refused = await failure(client().getManifest(reference(proxy), AMD64));
      expect(refused).toMatchObject({ code: 'refused' });
      expect(refused.toSentence()).toContain('log in');
      proxy.behaviour.next = Array.from({ length: 9 }, () => ({ status: 500 }));
      const broken = client({ retry: { attempts: 3, baseDelay: 1 } }).getManifest(reference(proxy), AMD64);
      expect(await failure(broken)).toMatchObject({ code: 'network' });
      expect(proxy.behaviour.next).toHaveLength(6);
    } finally {
      await proxy.stop();
    }
  });
});

describe('login', () => {
  it('takes the password from options, environment and files', async () => {
    const home = join(root, 'home');
    await import('node:fs/promises').then(({ mkdir }) => mkdir(join(home, '.docker'), { recursive: true }));
    const auth = Buffer.from(`${login.username}:${login.password}`).toString('base64');
    await writeFile(join(home, '.docker/config.json'), JSON.stringify({ auths: { [closed.host]: { auth } } }));
    for (const options of [
      { credentials: login },
      { env: { DOCKER_USERNAME: login.username, DOCKER_PASSWORD: login.password } },
      { env: { HOME: home } },
      { authFile: join(home, '.docker/config.json') }
    ]) {
      const found = await client(options).getManifest(reference(closed), AMD64);
      expect(found.digest).toBe(image.manifest.digest);
    }
  });

  it('says how to log in, without a secret', async () => {
    const anonymous = await failure(client().getManifest(reference(closed), AMD64));
    expect(anonymous).toMatchObject({ code: 'unauthorized' });
    expect(anonymous.toSentence()).toContain('APPTAINER_DOCKER_USERNAME');
    const env = { APPTAINER_DOCKER_USERNAME: 'anna', APPTAINER_DOCKER_PASSWORD: 'wrong-secret' };
    const wrong = await failure(client({ env }).getManifest(reference(closed), AMD64));
    expect(wrong).toMatchObject({ code: 'unauthorized' });
    expect(wrong.toSentence()).toContain('credentials from APPTAINER_DOCKER_USERNAME');
    expect(JSON.stringify(wrong) + String(wrong.stack) + String(wrong.cause)).not.toMatch(/wrong-secret|d3Jvbmct/);
  });

  it('does not show the password to the host of a redirect', async () => {
    const proxy = await startProxy(closed.host, { signedUses: 100 });
    try {
      const one = client({ credentials: login });
      const found = await one.getManifest(reference(proxy), AMD64);
      const { config } = await one.getConfig(reference(proxy), found.manifest);
      expect(config.architecture).toBe('amd64');
      const signed = proxy.seen.filter(request => request.signed);
      expect(signed).toHaveLength(1);
      expect(signed[0]?.headers.authorization).toBeUndefined();
      expect(proxy.seen.some(request => request.headers.authorization !== undefined)).toBe(true);
    } finally {
      await proxy.stop();
    }
  });
});

describe('hosts that do not answer as they should', () => {
  it('knows an unknown host', async () => {
    const error = await failure(client().getManifest(parseReference('no-such-host.invalid/a/b'), AMD64));
    expect(error).toMatchObject({ code: 'network' });
    expect(['ENOTFOUND', 'EAI_AGAIN']).toContain(error.errno);
    expect(error.toSentence()).toContain('no-such-host.invalid');
  });

  it('knows a refused connection', async () => {
    const server = createTcpServer().listen(0, '127.0.0.1');
    await new Promise(resolve => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise(resolve => server.close(resolve));
    const error = await failure(client().getManifest(parseReference(`127.0.0.1:${port}/a/b`), AMD64));
    expect(error).toMatchObject({ code: 'network', errno: 'ECONNREFUSED' });
  });

  it('advises --no-https where TLS meets plain HTTP, and the reverse', async () => {
    const error = await failure(client({ plainHttp: false }).getManifest(reference(open), AMD64));
    expect(error).toMatchObject({ code: 'network' });
    expect(error.toSentence()).toContain('Use --no-https');
  });

  it('does not wait for ever', async () => {
    const server = createServer(() => undefined).listen(0, '127.0.0.1');
    await new Promise(resolve => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const slow = client({ timeout: 50, retry: { attempts: 2, baseDelay: 1 } });
    const error = await failure(slow.getManifest(parseReference(`127.0.0.1:${port}/a/b`), AMD64));
    expect(error).toMatchObject({ code: 'network', errno: 'ETIMEDOUT' });
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  });

  it('is cancelled at once', async () => {
    const server = createServer(() => undefined).listen(0, '127.0.0.1');
    await new Promise(resolve => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const signal = AbortSignal.timeout(50);
    const error = await failure(client({ signal }).getManifest(parseReference(`127.0.0.1:${port}/a/b`), AMD64));
    expect(error).toMatchObject({ code: 'cancelled' });
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  });
});

it('fetches a small blob, and refuses a larger one than asked for', async () => {
  const [layer] = image.layers;
  const bytes = await client().getBlob(reference(open), layer ?? image.config, { limit: 10_000 });
  const hex = layer?.digest.slice(7) ?? '';
  expect(bytes).toEqual(
    await readFile(join(open.storage, `docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`))
  );
  const error = await failure(client().getBlob(reference(open), layer ?? image.config, { limit: 10 }));
  expect(error).toMatchObject({ code: 'corrupt' });
});
