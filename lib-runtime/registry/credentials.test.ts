// SPDX-License-Identifier: BSD-3-Clause
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { configKeys, findCredentials } from './credentials.ts';

let root: string;
let home: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'nbc-credentials-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));
beforeEach(async () => {
  home = join(root, `home${count++}`);
  await mkdir(join(home, '.docker'), { recursive: true });
  await mkdir(join(home, '.apptainer'), { recursive: true });
});

const auth = (name: string) => Buffer.from(`${name}:pass:word`).toString('base64');
const config = (path: string, value: unknown) => writeFile(join(home, path), JSON.stringify(value));
const find = (registry: string, env: Record<string, string> = {}, repository = 'org/image') =>
  findCredentials(registry, repository, { env: { HOME: home, ...env } });

describe('findCredentials', () => {
  it('follows the priority of Apptainer, one source after the other', async () => {
    await config('.docker/config.json', { auths: { 'ghcr.io': { auth: auth('docker') } } });
    expect(await find('ghcr.io')).toMatchObject({ credentials: { username: 'docker', password: 'pass:word' } });
    await config('.apptainer/docker-config.json', { auths: { 'ghcr.io': { auth: auth('apptainer') } } });
    expect(await find('ghcr.io')).toMatchObject({ credentials: { username: 'apptainer' } });
    const env: Record<string, string> = { DOCKER_USERNAME: 'env', DOCKER_PASSWORD: 'p' };
    expect(await find('ghcr.io', env)).toMatchObject({ credentials: { username: 'env' }, source: 'DOCKER_USERNAME' });
    Object.assign(env, { SINGULARITY_DOCKER_USERNAME: 'old', SINGULARITY_DOCKER_PASSWORD: 'p' });
    expect(await find('ghcr.io', env)).toMatchObject({ credentials: { username: 'old' } });
    Object.assign(env, { APPTAINER_DOCKER_USERNAME: 'new', APPTAINER_DOCKER_PASSWORD: 'p' });
    expect(await find('ghcr.io', env)).toMatchObject({ credentials: { username: 'new' } });
    const explicit = { username: 'option', password: 'p' };
    expect(await findCredentials('ghcr.io', 'a/b', { env, explicit })).toMatchObject({ credentials: explicit });
  });

  it.each([
    ['docker.io', 'https://index.docker.io/v1/'],
    ['docker.io', 'docker.io'],
    ['docker.io', 'https://index.docker.io/v2'],
    ['ghcr.io', 'https://ghcr.io'],
    ['localhost:5000', 'localhost:5000'],
    ['quay.io', 'quay.io/org'],
    ['quay.io', 'quay.io/org/image']
  ])('finds %s under %s', async (registry, key) => {
    await config('.docker/config.json', { auths: { 'other.io': { auth: auth('no') }, [key]: { auth: auth('yes') } } });
    expect(await find(registry)).toMatchObject({ credentials: { username: 'yes' } });
  });

  it.each([
    ['quay.io', 'quay.io/other'],
    ['io', 'ghcr.io'],
    ['ghcr.io', 'ghcr.io:5000'],
    ['evil-ghcr.io', 'ghcr.io']
  ])('gives %s nothing that stands under %s', async (registry, key) => {
    await config('.docker/config.json', { auths: { [key]: { auth: auth('secret') } } });
    expect(await find(registry)).toEqual({});
  });

  it('takes the most particular entry', () => {
    expect(configKeys('quay.io', 'a/b')).toEqual(['quay.io/a/b', 'quay.io/a', 'quay.io']);
    expect(configKeys('docker.io', 'library/x')[0]).toBe('index.docker.io/library/x');
  });

  it('reads DOCKER_CONFIG and the file of podman', async () => {
    await config('.apptainer/config.json', { auths: { 'ghcr.io': { auth: auth('moved') } } });
    expect(await find('ghcr.io', { DOCKER_CONFIG: join(home, '.apptainer') })).toMatchObject({
      credentials: { username: 'moved' }
    });
    await mkdir(join(home, 'run/containers'), { recursive: true });
    await config('run/containers/auth.json', { auths: { 'ghcr.io': { auth: auth('podman') } } });
    expect(await find('ghcr.io', { XDG_RUNTIME_DIR: join(home, 'run') })).toMatchObject({
      credentials: { username: 'podman' }
    });
  });

  it('takes an identity token', async () => {
    await config('.docker/config.json', { auths: { 'ghcr.io': { auth: auth('x'), identitytoken: 'tok' } } });
    expect(await find('ghcr.io')).toMatchObject({ credentials: { identityToken: 'tok' } });
  });

  it.each([[null], [[]], [{ auths: [] }], [{ auths: { 'ghcr.io': null } }], [{ auths: { 'ghcr.io': { auth: 5 } } }]])(
    'finds nothing in %j',
    async value => {
      await config('.docker/config.json', value);
      expect(await find('ghcr.io')).toEqual({});
    }
  );

  it('tells of a damaged file without its text', async () => {
    await writeFile(join(home, '.docker/config.json'), '{"auths": {"ghcr.io": {"auth": "c2VjcmV0');
    const { note } = await find('ghcr.io');
    expect(note).toContain('.docker/config.json cannot be read');
    const authFile = join(home, '.docker/config.json');
    const error: unknown = await findCredentials('ghcr.io', 'a', { authFile }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'corrupt' });
    expect(String(error)).not.toContain('c2VjcmV0');
    await expect(findCredentials('ghcr.io', 'a', { authFile: join(home, 'absent') })).rejects.toMatchObject({
      code: 'not-found'
    });
  });
});

describe('credential helpers', () => {
  let env: Record<string, string>;
  beforeEach(async () => {
    env = { PATH: `${home}/bin:${process.env['PATH'] ?? ''}` };
    await mkdir(join(home, 'bin'));
  });
  const helper = async (name: string, script: string) => {
    const path = join(home, 'bin', `docker-credential-${name}`);
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
  };

  it('asks with the server on standard input', async () => {
    const log = join(home, 'log');
    await helper('good', `echo "$*" > '${log}'; cat >> '${log}'; echo '{"Username":"h","Secret":"s"}'`);
    await config('.docker/config.json', { credsStore: 'good', auths: { 'ghcr.io': {} } });
    expect(await find('ghcr.io', env)).toEqual({
      credentials: { username: 'h', password: 's' },
      source: 'docker-credential-good'
    });
    expect(await readFile(log, 'utf8')).toBe('get\nghcr.io');
    await find('docker.io', env);
    expect(await readFile(log, 'utf8')).toBe('get\nhttps://index.docker.io/v1/');
  });

  it('prefers the helper of the registry, and reads a refresh token', async () => {
    await helper('all', `echo '{"Username":"all","Secret":"s"}'`);
    await helper('one', `echo '{"Username":"<token>","Secret":"refresh"}'`);
    await config('.docker/config.json', { credsStore: 'all', credHelpers: { 'ghcr.io': 'one' } });
    expect(await find('ghcr.io', env)).toMatchObject({ credentials: { identityToken: 'refresh' } });
    expect(await find('quay.io', env)).toMatchObject({ credentials: { username: 'all' } });
  });

  it.each([
    ['not found', `echo 'credentials not found in native keychain'; exit 1`, undefined],
    ['broken', `echo 'secret-text'; exit 1`, 'failed'],
    ['no JSON', `echo 'secret-text'`, 'no answer that can be read']
  ])('goes on when it is %s', async (_name, script, note) => {
    await helper('x', script);
    await config('.docker/config.json', { credsStore: 'x', auths: { 'quay.io': { auth: auth('file') } } });
    const found = await find('ghcr.io', env);
    expect(found.credentials).toBeUndefined();
    if (note === undefined) {
      expect(found.note).toBeUndefined();
    } else {
      expect(found.note).toContain(note);
    }
    expect(JSON.stringify(found)).not.toContain('secret-text');
    expect(await find('quay.io', env)).toMatchObject({ credentials: { username: 'file' } });
  });

  it('says that it is not installed, and runs nothing that is not a name', async () => {
    await config('.docker/config.json', { credsStore: 'desktop' });
    expect((await find('ghcr.io', env)).note).toContain('docker-credential-desktop');
    await config('.docker/config.json', { credsStore: '../../bin/x; touch /tmp/x' });
    expect((await find('ghcr.io', env)).note).toContain('cannot be a program');
  });
});
