// SPDX-License-Identifier: BSD-3-Clause
/** Overlay images and layers: made, written to, read again, and never by two writers at once. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { link, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSif } from '../../lib-runtime/formats/sif/reader.ts';
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
beforeAll(() => writeFile(join(work.cwd, 'text.img'), 'text'));
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

  it('adds a partition to a SIF, once, and not to another name of the same file', async () => {
    expect((await n('-q', 'pull', 'mine.sif', `oci:${join(await testImages(), 'busybox')}`)).status).toBe(0);
    await link(join(work.cwd, 'mine.sif'), join(work.cwd, 'linked.sif'));
    const { size } = await stat(join(work.cwd, 'linked.sif'));
    expect((await n('overlay', 'create', '--sparse', '--create-dir', '/srv/mine', 'mine.sif')).status).toBe(0);
    const { descriptors } = await readSif(join(work.cwd, 'mine.sif'));
    const { partition, offset = 0 } = descriptors.at(-1) ?? {};
    expect(partition).toMatchObject({ fstype: 'ext3', parttype: 'overlay' });
    const image = `${join(work.cwd, 'mine.sif')}?offset=${offset}`;
    const check = spawnSync('/usr/sbin/e2fsck', ['-fn', image], { encoding: 'utf8' });
    expect(check.status, check.stdout).toBe(0);
    expect((await stat(join(work.cwd, 'linked.sif'))).size).toBe(size);
    const again = await n('overlay', 'create', 'mine.sif');
    expect([again.status, again.stderr]).toEqual([255, expect.stringContaining('overlay partition already exists in')]);
  });

  it.each([
    [['--size', '10', 'small.img'], 255, 'must be equal or greater than 64 MiB'],
    [['--size', 'x', 'small.img'], 1, 'is no number of MiB'],
    [['clean.img'], 255, 'already exists'],
    [['text.img'], 255, 'already exists'],
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

describe.runIf(hasMkfs && canMount)('the overlay partition of a SIF', () => {
  it('keeps what --writable changes, is seen by every start, and serves other images', async () => {
    const inside = (script: string, ...options: string[]) =>
      n('-q', 'exec', ...options, 'mine.sif', 'sh', '-c', script);
    const written = await inside('echo kept > /usr/mine && ls -d /srv/mine', '--writable');
    expect([written.stdout, written.status]).toEqual(['/srv/mine\n', 0]);
    const read = await inside('cat /usr/mine; echo x > /usr/mine');
    expect([read.stdout, read.status]).toEqual(['kept\n', 1]);
    expect((await inside('echo x > /usr/mine; cat /usr/mine', '--writable-tmpfs')).stdout).toBe('x\n');
    expect((await sh('cat /usr/mine', '--overlay', 'mine.sif:ro')).stdout).toBe('kept\n');
    expect((await n('-q', 'exec', 'linked.sif', 'cat', '/usr/mine')).status).toBe(1);
  });
});

describe.runIf(canMount)('--overlay SQUASHFS', () => {
  it('lays its root over the image, and is only read', async () => {
    const layer = join(work.directory, 'layer');
    await mkdir(join(layer, 'opt/extra'), { recursive: true });
    await writeFile(join(layer, 'opt/extra/file'), 'layered\n');
    spawnSync('mksquashfs', [layer, join(work.cwd, 'layer.sqfs'), '-all-root', '-quiet', '-no-progress']);
    const read = await sh('cat /opt/extra/file; touch /opt/x', '--overlay', 'layer.sqfs');
    expect([read.stdout, read.status]).toEqual(['layered\n', 1]);
    const both = await sh(
      'echo changed > /opt/extra/file; cat /opt/extra/file',
      ...['--overlay', 'layer.sqfs:ro', '--writable-tmpfs']
    );
    expect(both.stdout).toBe('changed\n');
    const loud = await n('exec', '--overlay', 'layer.sqfs', 'box.sif', 'true');
    expect(loud.stderr).toMatch(/^WARNING: Overlay image layer.sqfs is not writable, proceeding with read-only$/m);
  });
});

it('says that a text file is no overlay', async () => {
  const refused = await sh('true', '--overlay', 'text.img');
  expect([refused.status, refused.stderr]).toEqual([255, expect.stringContaining('neither a directory nor an image')]);
});
