// SPDX-License-Identifier: BSD-3-Clause
/** Overlay images: made, written to, read again, and never by two writers at once. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatherHostFacts } from '../../lib-runtime/host/gather.ts';
import { isPrivileged } from '../../lib-runtime/run/identity.ts';
import { type IOutcome, type IWorkplace, makeWorkplace } from '../support/cli.ts';
import { testImages } from '../support/images.ts';

let work: IWorkplace;
const n = (...args: string[]): Promise<IOutcome> => work.nbcontainer(args);
const sh = (script: string, ...options: string[]): Promise<IOutcome> =>
  n('-q', 'exec', ...options, 'box.sif', 'sh', '-c', script);

beforeAll(async () => {
  work = await makeWorkplace();
  expect((await n('-q', 'pull', 'box.sif', `oci:${join(await testImages(), 'busybox')}`)).status).toBe(0);
}, 120_000);
afterAll(() => work?.dispose());

const host = await gatherHostFacts({ env: process.env, cwd: '/', paths: [] });
const canMount = isPrivileged(host) && host.probes['loop-device'].ok && host.probes.overlay.ok;
const hasMkfs = ['/usr/sbin/mkfs.ext3', '/sbin/mkfs.ext3', '/usr/bin/mkfs.ext3'].some(existsSync);

describe.runIf(hasMkfs)('overlay create', () => {
  it('writes an ext3 file system that e2fsck finds clean', async () => {
    expect((await n('overlay', 'create', '--sparse', '--create-dir', '/srv/a b', 'clean.img')).status).toBe(0);
    const { size, blocks, mode } = await stat(join(work.cwd, 'clean.img'));
    expect([size, mode & 0o777]).toEqual([64 * 1024 * 1024, 0o600]);
    expect(blocks * 512).toBeLessThan(size);
    const check = spawnSync('/usr/sbin/e2fsck', ['-fn', join(work.cwd, 'clean.img')], { encoding: 'utf8' });
    expect(check.status, check.stdout).toBe(0);
    const list = spawnSync('/usr/sbin/debugfs', ['-R', 'ls -p /upper/srv', join(work.cwd, 'clean.img')], {
      encoding: 'utf8'
    });
    expect(list.stdout).toContain('/a b/');
  });

  it.each([
    [['--size', '10', 'small.img'], 255, 'must be equal or greater than 64 MiB'],
    [['--size', 'x', 'small.img'], 1, 'is no number of MiB'],
    [['clean.img'], 255, 'already exists'],
    [['box.sif'], 255, 'already exists'],
    [['none/small.img'], 255, 'no such file']
  ])('%j ends with status %i', async (words, status, text) => {
    const before = await readdir(work.cwd);
    const refused = await n('overlay', 'create', ...words);
    expect([refused.status, refused.stderr]).toEqual([status, expect.stringContaining(text)]);
    expect(await readdir(work.cwd)).toEqual(before);
  });
});

describe.runIf(hasMkfs && canMount)('--overlay IMAGE', () => {
  beforeAll(async () => {
    expect((await n('overlay', 'create', '--sparse', 'work.img')).status).toBe(0);
  });

  it('keeps changes, shows them read-only, and leaves no loop device behind', async () => {
    expect((await sh('echo kept > /usr/mark; cat /usr/mark', '--overlay', 'work.img')).stdout).toBe('kept\n');
    const read = await sh('cat /usr/mark; echo x > /usr/mark', '--overlay', 'work.img:ro');
    expect([read.stdout, read.status]).toEqual(['kept\n', 1]);
    expect((await sh('cat /usr/mark')).status).toBe(1);
    const loops = spawnSync('losetup', ['-a'], { encoding: 'utf8' }).stdout;
    expect(loops).not.toContain(join(work.cwd, 'work.img'));
  });

  it('refuses a second writer', async () => {
    const script = 'echo ready > /out/ready; while [ ! -e /out/go ]; do sleep 0.05; done; echo done';
    const first = sh(script, '--overlay', 'work.img', '--bind', `${work.directory}:/out`);
    await expect.poll(() => existsSync(join(work.directory, 'ready')), { timeout: 10_000 }).toBe(true);
    const second = await sh('true', '--overlay', 'work.img');
    await writeFile(join(work.directory, 'go'), '');
    expect([second.status, second.stderr]).toEqual([
      255,
      expect.stringContaining('another container uses this overlay image')
    ]);
    expect((await first).stdout).toBe('done\n');
  });
});

it('says that a text file is no overlay', async () => {
  await writeFile(join(work.cwd, 'text.img'), 'text');
  const refused = await sh('true', '--overlay', 'text.img');
  expect([refused.status, refused.stderr]).toEqual([
    255,
    expect.stringContaining('neither a directory nor an ext3 image')
  ]);
});
