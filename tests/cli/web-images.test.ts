// SPDX-License-Identifier: BSD-3-Clause
/** Images of web servers and SIF files in registries, as a user names them. */
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type IWorkplace, makeWorkplace } from '../support/cli.ts';
import { OS_NAMES, testImages } from '../support/images.ts';
import { pushArtifact } from '../support/oras.ts';
import { startRegistry } from '../support/registry.ts';
import { type ITestWebServer, startWebServer } from '../support/web-server.ts';

let maker: IWorkplace;
let work: IWorkplace;
let server: ITestWebServer;
let sif: Buffer;
beforeAll(async () => {
  maker = await makeWorkplace();
  const pulled = await maker.nbcontainer(['-q', 'pull', 'box.sif', `oci:${join(await testImages(), 'busybox')}`]);
  expect(pulled.status, pulled.stderr).toBe(0);
  sif = await readFile(join(maker.cwd, 'box.sif'));
}, 60_000);
afterAll(() => maker.dispose());
beforeEach(async () => {
  work = await makeWorkplace();
  server = await startWebServer();
  server.files.set('/singularity/box:1.0--h5', { content: sif });
});
afterEach(async () => {
  await server.stop();
  await work.dispose();
});

describe('https:// and http://', () => {
  it('start a container, the second time without the network', async () => {
    const image = `${server.origin}/singularity/box:1.0--h5`;
    const exec = (): ReturnType<IWorkplace['nbcontainer']> =>
      work.nbcontainer(['-q', 'exec', image, 'cat', '/etc/os-release']);
    const first = await exec();
    expect(first, first.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining(OS_NAMES.busybox) });
    const asked = server.seen.length;
    expect(asked).toBeGreaterThan(0);
    expect(await exec()).toMatchObject({ status: 0, stdout: first.stdout });
    expect((await work.nbcontainer(['inspect', image])).stdout).toContain('build-arch');
    expect(server.seen).toHaveLength(asked);
  });

  it('are listed, counted as net and removed by their address', async () => {
    const image = `${server.origin}/singularity/box:1.0--h5`;
    // As Nextflow calls it.
    const pulled = await work.nbcontainer(['pull', '--name', 'box.img.pulling.1', image]);
    expect(pulled, pulled.stderr).toMatchObject({ status: 0, stderr: expect.not.stringContaining('WARNING') });
    expect((await readFile(join(work.cwd, 'box.img.pulling.1'))).equals(sif)).toBe(true);
    expect((await work.nbcontainer(['images'])).stdout).toContain(image);
    const count = async (type: string): Promise<string> =>
      (await work.nbcontainer(['cache', 'list', '--type', type])).stdout.slice(0, 'There are 1'.length);
    expect([await count('net'), await count('oci')]).toEqual(['There are 1', 'There are 0']);
    expect(await work.nbcontainer(['rm', image])).toMatchObject({ status: 0 });
    expect((await work.nbcontainer(['images'])).stdout).not.toContain(image);
    expect((await stat(join(work.cwd, 'box.img.pulling.1'))).size).toBe(sif.length);
  });

  it('become a sandbox', async () => {
    const built = await work.nbcontainer(['build', '--sandbox', 'box', `${server.origin}/singularity/box:1.0--h5`]);
    expect(built.status, built.stderr).toBe(0);
    expect(await readdir(join(work.cwd, 'box'))).toContain('etc');
    await rm(join(work.cwd, 'box'), { recursive: true });
  });

  it('go through a proxy, and warn where nothing is encrypted', async () => {
    server.files.set('http://depot.test/a.sif', { content: sif });
    const env = { HTTP_PROXY: server.origin, http_proxy: server.origin, NO_PROXY: '', no_proxy: '' };
    const pulled = await work.nbcontainer(['pull', 'http://depot.test/a.sif'], { env });
    expect(pulled.status, pulled.stderr).toBe(0);
    expect(pulled.stderr).toMatch(/^WARNING: The image comes from depot\.test without encryption/m);
    expect((await readFile(join(work.cwd, 'a.sif'))).equals(sif)).toBe(true);
  });
});

describe('oras://', () => {
  it('starts a container from a SIF in a registry that wants a login', async () => {
    const login = { username: 'ada', password: 'secret-word' };
    const registry = await startRegistry({ htpasswd: login });
    try {
      await pushArtifact(registry.host, 'lab/box', '1', { files: [{ content: sif }] }, login);
      const env = { DOCKER_USERNAME: login.username, DOCKER_PASSWORD: login.password };
      for (const scheme of ['oras', 'docker']) {
        const image = `${scheme}://${registry.host}/lab/box:1`;
        const run = await work.nbcontainer(['-q', 'exec', '--no-https', image, 'cat', '/etc/os-release'], { env });
        expect(run, run.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining(OS_NAMES.busybox) });
      }
      // One file, as it is in the registry.
      const [file, ...others] = await readdir(join(work.home, 'images'));
      expect(others).toEqual([]);
      expect((await readFile(join(work.home, 'images', file ?? ''))).equals(sif)).toBe(true);
    } finally {
      await registry.stop();
    }
  });
});
