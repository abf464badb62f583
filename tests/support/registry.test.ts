// SPDX-License-Identifier: BSD-3-Clause
/** The helpers of other tests must themselves be right: skopeo and umoci read what oci-layout.ts writes. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeOciIndex, writeOciLayout } from './oci-layout.ts';
import { startRegistry } from './registry.ts';
import type { ITestRegistry } from './registry.ts';

const run = promisify(execFile);
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nbc-layout-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe('test registry', () => {
  let registry: ITestRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry.stop());

  it.each(['oci', 'docker'] as const)('takes a layout with %s media types', async mediaTypes => {
    const layout = join(directory, mediaTypes);
    const image = await writeOciLayout(layout, {
      mediaTypes,
      config: { Env: ['A=b'], Cmd: ['/bin/sh'] },
      layers: [{ entries: [{ name: 'etc/' }, { name: 'etc/hello', content: 'hello\n' }] }]
    });
    const name = await registry.push(layout, `group/${mediaTypes}:1`);
    const response = await fetch(`http://${registry.host}/v2/group/${mediaTypes}/manifests/1`, {
      headers: { accept: image.manifest.mediaType }
    });
    expect(response.headers.get('docker-content-digest')).toBe(image.manifest.digest);
    const { stdout } = await run('skopeo', ['inspect', '--tls-verify=false', `docker://${name}`]);
    expect(JSON.parse(stdout)).toMatchObject({ Env: ['A=b'], Architecture: 'amd64' });
  });

  it.each(['oci', 'docker'] as const)('takes an index of two platforms with %s media types', async mediaTypes => {
    const layout = join(directory, `index-${mediaTypes}`);
    const image = (architecture: string) => ({
      platform: { architecture },
      layers: [{ entries: [{ name: 'arch', content: architecture }] }]
    });
    const { index } = await writeOciIndex(layout, [image('amd64'), image('arm64')], { mediaTypes });
    await registry.push(layout, `group/multi-${mediaTypes}:1`);
    const response = await fetch(`http://${registry.host}/v2/group/multi-${mediaTypes}/manifests/1`, {
      headers: { accept: index.mediaType }
    });
    expect(response.headers.get('docker-content-digest')).toBe(index.digest);
  });

  it('writes layers that umoci unpacks', async () => {
    const layout = join(directory, 'umoci');
    await writeOciLayout(layout, {
      layers: [{ entries: [{ name: 'a', content: 'x' }] }, { entries: [{ name: 'b', linkname: 'a' }] }]
    });
    const bundle = join(directory, 'bundle');
    await run('umoci', ['raw', 'unpack', '--rootless', '--image', `${layout}:latest`, bundle]);
    expect(await readFile(join(bundle, 'b'), 'utf8')).toBe('x');
  });
});

describe('test registry with a password', () => {
  it('refuses the anonymous and takes the right password', async () => {
    const htpasswd = { username: 'anna', password: 'p:w with space' };
    const registry = await startRegistry({ htpasswd });
    try {
      const url = `http://${registry.host}/v2/`;
      expect((await fetch(url)).status).toBe(401);
      const authorization = `Basic ${Buffer.from(`${htpasswd.username}:${htpasswd.password}`).toString('base64')}`;
      expect((await fetch(url, { headers: { authorization } })).status).toBe(200);
    } finally {
      await registry.stop();
    }
  });
});
