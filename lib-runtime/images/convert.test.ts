// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ILayerEntry } from '../../tests/support/oci-layout.ts';
import { primaryPartition, readSif, readSifObject } from '../formats/sif/reader.ts';
import type { IOrigin } from './convention.ts';
import { DirectorySink, writeTree } from './directory-sink.ts';
import type { ILayer } from './layer.ts';
import { writeSif } from './sif-sink.ts';
import { listDirectory, tarLayer } from './testing.ts';

const dir = (name: string, mode = 0o755): ILayerEntry => ({ name: `${name}/`, type: 'directory', mode });
const file = (name: string, content: string | Uint8Array = name, mode = 0o644): ILayerEntry => ({
  name,
  content,
  mode
});

function origin(architecture = 'amd64'): IOrigin {
  const config = { Env: ['A=1'], Cmd: ['sh'], Labels: { who: 'me' }, WorkingDir: '/srv' };
  return { config, architecture, bootstrap: 'docker', from: 'a/b:c', builtAt: new Date(1.7e12) };
}

/** The first bytes of a program for a machine; enough for everyone who looks at the header only. */
function elf(machine: number): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.writeUInt16LE(2, 16);
  bytes.writeUInt16LE(machine, 18);
  return bytes;
}

async function stack(): Promise<ILayer[]> {
  return [
    await tarLayer('base', [
      dir('.'),
      dir('bin'),
      file('bin/busybox', elf(183), 0o755),
      { name: 'bin/sh', type: 'symlink', linkname: 'busybox' },
      dir('etc'),
      file('etc/hosts', '10.0.0.1 of-the-image'),
      file('etc/old'),
      dir('big'),
      file('big/file', Buffer.alloc(300_000, 'abc')),
      { name: 'big/same', type: 'link', linkname: 'big/file' },
      { ...file('etc/secret', 's', 0o4640), uid: 7, gid: 9 },
      dir('root', 0o700),
      dir('tmp', 0o1777),
      { name: 'environment', type: 'symlink', linkname: '/etc/elsewhere' }
    ]),
    await tarLayer('top', [file('etc/.wh.old', ''), file('etc/ünïcode name\n', 'x'), file('usr/share/x', 'y')])
  ];
}

let work = '';
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'nbc-convert-'));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

describe('an image as SIF and as directory', () => {
  it.each(['zstd', 'gzip'] as const)('holds the same tree (%s)', async compression => {
    const conversion = { layers: await stack(), origin: origin() };
    const path = join(work, 'a b.sif');
    const written = await writeSif(path, { ...conversion, compression });
    expect(written).toMatchObject({ path, machine: 'aarch64', notes: [] });

    const sif = await readSif(path);
    expect(sif.header.arch).toBe('aarch64');
    expect(sif.descriptors.map(object => [object.type, object.name])).toEqual([
      [0x4001, ''],
      [0x4006, 'inspect-metadata.json'],
      [0x4006, 'oci-config.json'],
      [0x4004, '']
    ]);
    const [deffile, , config] = sif.descriptors;
    expect(deffile && (await readSifObject(sif, deffile)).toString()).toBe('bootstrap: docker\nfrom: a/b:c\n\n');
    expect(config && JSON.parse((await readSifObject(sif, config)).toString())).toEqual(origin().config);

    const unpacked = join(work, 'unsquashfs');
    const { offset } = primaryPartition(sif);
    execFileSync('unsquashfs', ['-q', '-n', '-o', String(offset), '-d', unpacked, path], { stdio: 'pipe' });
    const tree = join(work, 'tree');
    const { machine, notes } = await writeTree(tree, conversion, { asRoot: true });
    expect({ machine, notes }).toEqual({ machine: 'aarch64', notes: [] });
    expect(listDirectory(tree)).toEqual(listDirectory(unpacked));
    expect(readdirSync(join(tree, 'etc')).sort()).toEqual(['hosts', 'resolv.conf', 'secret', 'ünïcode name\n'].sort());
    expect(readFileSync(join(tree, 'etc/hosts'), 'utf8')).toBe('');
    expect(JSON.parse(readFileSync(join(tree, '.singularity.d/labels.json'), 'utf8'))).toMatchObject({ who: 'me' });
    expect(listDirectory(tree)).toContain('environment symlink - 0:0 .singularity.d/env/90-environment.sh 0 ');
    expect(listDirectory(tree)).toContain('links: big/file = big/same');
  });

  it('falls back on the configuration for an image without programs', async () => {
    const layers = [await tarLayer('data', [file('data.txt')])];
    const written = await writeSif(join(work, 'd.sif'), { layers, origin: origin('arm64'), compression: 'zstd' });
    expect(written.machine).toBe('aarch64');
  });

  it('reads again, by names first, where one pass is not enough', async () => {
    const layers = [
      await tarLayer('base', [dir('usr'), dir('usr/bin'), { name: 'bin', type: 'symlink', linkname: 'usr/bin' }]),
      await tarLayer('top', [file('bin/tool', elf(62), 0o755)])
    ];
    const tree = join(work, 'tree');
    const { machine } = await writeTree(tree, { layers, origin: origin() }, { asRoot: true });
    expect(machine).toBe('x86_64');
    expect(existsSync(join(tree, 'usr/bin/tool'))).toBe(true);
    const written = await writeSif(join(work, 'a.sif'), { layers, origin: origin(), compression: 'zstd' });
    expect(written.machine).toBe('x86_64');
    expect(readdirSync(work).sort()).toEqual(['a.sif', 'tree']);
  });

  it('leaves nothing behind when a layer fails', async () => {
    const broken: ILayer = {
      label: 'broken',
      async *open() {
        yield* (await tarLayer('x', [file('a', Buffer.alloc(500_000, 1))])).open();
        throw new Error('connection lost');
      }
    };
    const conversion = { layers: [broken], origin: origin() };
    await expect(writeSif(join(work, 'a.sif'), { ...conversion, compression: 'zstd' })).rejects.toMatchObject({
      name: 'ContainerError',
      reason: 'connection lost'
    });
    await expect(writeTree(join(work, 'tree'), conversion, { asRoot: false })).rejects.toThrow();
    expect(readdirSync(work)).toEqual([]);
  });

  it('leaves nothing behind when it is cancelled', async () => {
    const abort = new AbortController();
    const layer: ILayer = {
      label: 'slow',
      async *open() {
        yield* (await tarLayer('x', [file('a'), file('b')])).open();
        abort.abort();
        yield* (await tarLayer('x', [file('c')])).open();
      }
    };
    const conversion = { layers: [layer], origin: origin(), signal: abort.signal };
    const run = writeSif(join(work, 'a.sif'), { ...conversion, compression: 'gzip' });
    await expect(run).rejects.toMatchObject({ code: 'cancelled' });
    expect(readdirSync(work)).toEqual([]);
  });
});

describe('DirectorySink', () => {
  it('is not led out of its directory by symlinks', async () => {
    mkdirSync(join(work, 'out'));
    const layers = [
      await tarLayer('base', [
        { name: 'abs', type: 'symlink', linkname: join(work, 'out') },
        { name: 'rel', type: 'symlink', linkname: '../out' }
      ]),
      await tarLayer('top', [file('abs/x'), file('rel/y'), { name: 'rel/z', type: 'link', linkname: 'abs/x' }])
    ];
    await writeTree(join(work, 'tree'), { layers, origin: origin() }, { asRoot: true });
    expect(readdirSync(join(work, 'out'))).toEqual([]);
    // As in a chroot: the absolute path lies inside the tree, and `..` stops at its root.
    expect(existsSync(join(work, 'tree', work, 'out', 'x'))).toBe(true);
    expect(existsSync(join(work, 'tree', 'out', 'y'))).toBe(true);
  });

  it('does not write below or through a symlink even when it is told to', async () => {
    mkdirSync(join(work, 'out'));
    mkdirSync(join(work, 'tree'));
    const sink = new DirectorySink(join(work, 'tree'), { asRoot: true });
    const common = { mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 0 };
    await sink.add({ path: 'l', type: 'symlink', linkTarget: join(work, 'out'), ...common });
    await expect(sink.add({ path: 'l/x', type: 'file', ...common })).rejects.toMatchObject({ code: 'corrupt' });
    await expect(sink.add({ path: 'l', type: 'file', ...common })).rejects.toMatchObject({ code: 'corrupt' });
    await expect(sink.add({ path: 'l', type: 'directory', ...common })).rejects.toMatchObject({ code: 'corrupt' });
    await expect(sink.add({ path: 'h', type: 'hardlink', linkTarget: 'none', ...common })).rejects.toThrow(/hard link/);
    expect(readdirSync(join(work, 'out'))).toEqual([]);
  });

  it('makes device nodes and fifos as root', async () => {
    const layers = [
      await tarLayer('nodes', [
        { name: 'null', type: 'character-device', devmajor: 1, devminor: 3, mode: 0o666 },
        { name: '-p', type: 'fifo', mode: 0o600 }
      ])
    ];
    const { notes } = await writeTree(join(work, 'tree'), { layers, origin: origin() }, { asRoot: true });
    expect(notes).toEqual([]);
    const listing = listDirectory(join(work, 'tree'));
    expect(listing).toContain('null char 666 0:0  0 ');
    expect(listing).toContain('-p fifo 600 0:0  0 ');
  });

  it('keeps everything readable and removable for an ordinary user', async () => {
    const layers = [
      await tarLayer('modes', [
        { ...dir('locked', 0o005), uid: 5 },
        { ...file('locked/x', 'x', 0o004), uid: 5 },
        file('prog', 'x', 0o111),
        { name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }
      ])
    ];
    const { notes } = await writeTree(join(work, 'tree'), { layers, origin: origin() }, { asRoot: false });
    expect(notes).toEqual(['1 device nodes could not be kept']);
    const listing = listDirectory(join(work, 'tree'));
    expect(listing.filter(line => /^(locked|prog|null)/.test(line)).map(line => line.split(' ').slice(0, 4))).toEqual([
      ['locked', 'directory', '705', '0:0'],
      ['locked/x', 'file', '604', '0:0'],
      ['prog', 'file', '711', '0:0']
    ]);
  });
});

describe('the disk is full', () => {
  it('is said so, and nothing is left', async () => {
    const small = join(work, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=200k', 'none', small]);
    try {
      const random = Buffer.alloc(2 << 20);
      for (let at = 0; at < random.length; at += 4) {
        random.writeUInt32LE(Math.floor(Math.random() * 2 ** 32), at);
      }
      const layers = [await tarLayer('big', [file('random', random)])];
      const conversion = { layers, origin: origin() };
      const full = { code: 'no-space', errno: 'ENOSPC' };
      const sif = writeSif(join(small, 'a.sif'), { ...conversion, compression: 'zstd' });
      await expect(sif).rejects.toMatchObject(full);
      await expect(writeTree(join(small, 'tree'), conversion, { asRoot: true })).rejects.toMatchObject(full);
      expect(readdirSync(small)).toEqual([]);
    } finally {
      execFileSync('umount', [small]);
    }
  });
});

describe('an existing SIF', () => {
  it('stays whole until the new one is', async () => {
    const path = join(work, 'a.sif');
    writeFileSync(path, 'old');
    copyFileSync(path, `${path}.bak`);
    const layers: ILayer[] = [
      {
        label: 'bad',
        async *open() {
          throw new Error('no');
        }
      }
    ];
    await expect(writeSif(path, { layers, origin: origin(), compression: 'zstd' })).rejects.toThrow();
    expect(readFileSync(path, 'utf8')).toBe('old');
  });
});
