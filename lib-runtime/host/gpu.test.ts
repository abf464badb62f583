// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findDriver } from './gpu.ts';
import { elf, ldCache } from './library-testing.ts';
import { parseLdCache } from './ld-cache.ts';
import { readSharedObject } from './shared-object.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nbc-gpu-'));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function put(path: string, content: Buffer | string = ''): void {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, content);
}

function driverLoaded(version: string): void {
  put(
    'proc/driver/nvidia/version',
    `NVRM version: NVIDIA UNIX x86_64 Kernel Module  ${version}  Tue Feb 20 2024\nGCC version: 12\n`
  );
}

/** A driver's directory: libcuda with its links, ML, a library without links, GLVND that is not the driver's. */
function putDriver(directory: string, version: string): void {
  put(`${directory}/libcuda.so.${version}`, elf('libcuda.so.1'));
  symlinkSync(`libcuda.so.${version}`, join(root, directory, 'libcuda.so.1'));
  symlinkSync('libcuda.so.1', join(root, directory, 'libcuda.so'));
  put(`${directory}/libnvidia-ml.so.${version}`, elf('libnvidia-ml.so.1'));
  put(`${directory}/libnvidia-glcore.so.${version}`, elf(`libnvidia-glcore.so.${version}`));
  put(`${directory}/libGL.so.1.7.0`, elf('libGL.so.1'));
  put(`${directory}/libEGL.so.${version}`, elf('libEGL.so.1'));
}

function expected(directory: string, version: string): unknown {
  return [
    { source: `${directory}/libcuda.so.${version}`, names: [`libcuda.so.${version}`, 'libcuda.so.1', 'libcuda.so'] },
    { source: `${directory}/libnvidia-glcore.so.${version}`, names: [`libnvidia-glcore.so.${version}`] },
    {
      source: `${directory}/libnvidia-ml.so.${version}`,
      names: [`libnvidia-ml.so.${version}`, 'libnvidia-ml.so.1', 'libnvidia-ml.so']
    }
  ];
}

const VERSION = '550.54.15';

describe('findDriver', () => {
  it.each<[string, string, Record<string, string>]>([
    ['Colab (LD_LIBRARY_PATH)', '/usr/lib64-nvidia', { LD_LIBRARY_PATH: '/usr/lib64-nvidia' }],
    ['Colab after su -', '/usr/lib64-nvidia', {}],
    ['Kaggle, GKE', '/usr/local/nvidia/lib64', { LD_LIBRARY_PATH: '/usr/local/cuda/lib64:/usr/local/nvidia/lib64' }],
    ['Ubuntu, and docker with the NVIDIA toolkit', '/usr/lib/x86_64-linux-gnu', {}],
    ['Debian', '/usr/lib/x86_64-linux-gnu/nvidia/current', {}],
    ['EL', '/usr/lib64', {}],
    ['NixOS', '/run/opengl-driver/lib', {}],
    ['a directory of an administrator', '/opt/nvidia drivers', { LD_LIBRARY_PATH: 'relative:/opt/nvidia drivers/:' }]
  ])('finds the libraries of %s', async (_, directory, env) => {
    driverLoaded(VERSION);
    putDriver(directory, VERSION);
    const facts = await findDriver(env, root, 'x86_64');
    expect(facts.driverVersion).toBe(VERSION);
    expect(facts.libraries).toEqual(expected(directory, VERSION));
    expect(facts.notes).toEqual([]);
  });

  it.each([false, true])('finds what only the loader cache knows (old table first: %s)', async old => {
    driverLoaded(VERSION);
    putDriver('/srv/driver', VERSION);
    put(
      '/etc/ld.so.cache',
      ldCache(
        [
          ['libc.so.6', '/lib/libc.so.6'],
          ['libcuda.so.1', '/srv/driver/libcuda.so.1']
        ],
        old
      )
    );
    expect((await findDriver({}, root, 'x86_64')).libraries).toEqual(expected('/srv/driver', VERSION));
  });

  it('reads the version of the open kernel module', async () => {
    put(
      'proc/driver/nvidia/version',
      'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n'
    );
    putDriver('/usr/lib64', '580.65.06');
    expect((await findDriver({}, root, 'x86_64')).driverVersion).toBe('580.65.06');
  });

  it('passes decoys over and says so', async () => {
    driverLoaded(VERSION);
    putDriver('/usr/lib64-nvidia', VERSION);
    putDriver('/usr/local/cuda-12.8/compat', '570.124.06');
    put('/usr/local/cuda/lib64/stubs/libcuda.so', elf('libcuda.so.1'));
    putDriver('/usr/lib/x86_64-linux-gnu', '535.183.01');
    const LD_LIBRARY_PATH = '/usr/local/cuda-12.8/compat:/usr/local/cuda/lib64/stubs:/usr/lib64-nvidia';
    const facts = await findDriver({ LD_LIBRARY_PATH }, root, 'x86_64');
    expect(facts.libraries).toEqual(expected('/usr/lib64-nvidia', VERSION));
    expect(facts.notes).toEqual([
      '/usr/local/cuda-12.8/compat is passed over: the cuda-compat package of another driver version',
      '/usr/local/cuda/lib64/stubs is passed over: stubs for the linker',
      `/usr/lib/x86_64-linux-gnu/libcuda.so.535.183.01 is passed over: the driver is ${VERSION}`,
      `/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.535.183.01 is passed over: the driver is ${VERSION}`
    ]);
  });

  it.each<[string, Buffer, string]>([
    ['another architecture', elf('libcuda.so.1', 183), 'it is for aarch64'],
    ['32 bits', elf('libcuda.so.1', 3, 1), 'it is for i686'],
    ['an empty leftover of an image', Buffer.alloc(0), 'it is no shared library'],
    ['a cut file', elf('libcuda.so.1').subarray(0, 30), 'it is no shared library']
  ])('passes %s over', async (_, content, why) => {
    driverLoaded(VERSION);
    putDriver('/usr/lib64', VERSION);
    put(`/usr/lib64-nvidia/libcuda.so.${VERSION}`, content);
    const facts = await findDriver({}, root, 'x86_64');
    expect(facts.libraries).toEqual(expected('/usr/lib64', VERSION));
    expect(facts.notes).toEqual([`/usr/lib64-nvidia/libcuda.so.${VERSION} is passed over: ${why}`]);
  });

  it('takes the version from the library when the driver cannot be asked', async () => {
    putDriver('/usr/local/nvidia/lib64', VERSION);
    const facts = await findDriver({}, root, 'x86_64');
    expect(facts.driverVersion).toBe(VERSION);
    expect(facts.notes).toEqual([
      '/proc/driver/nvidia/version cannot be read: the kernel driver is not loaded, or not shown here'
    ]);
  });

  it('finds programs, devices and files of the driver', async () => {
    driverLoaded(VERSION);
    putDriver('/usr/lib64-nvidia', VERSION);
    for (const path of [
      '/opt/bin/nvidia-smi',
      '/dev/nvidia0',
      '/dev/nvidiactl',
      '/dev/nvidia-uvm',
      '/dev/nvidia-caps/nvidia-cap1',
      '/dev/null',
      '/usr/share/vulkan/icd.d/nvidia_icd.json'
    ]) {
      put(path);
    }
    put(`/usr/lib64-nvidia/vdpau/libvdpau_nvidia.so.${VERSION}`, elf('libvdpau_nvidia.so.1'));
    const facts = await findDriver({ PATH: '/nowhere' }, root, 'x86_64');
    expect(facts.binaries).toEqual(['/opt/bin/nvidia-smi']);
    expect(facts.devices).toEqual([
      '/dev/nvidia-uvm',
      '/dev/nvidia0',
      '/dev/nvidiactl',
      '/dev/nvidia-caps/nvidia-cap1'
    ]);
    expect(facts.files).toEqual(['/usr/share/vulkan/icd.d/nvidia_icd.json']);
    expect(facts.libraries.at(-1)?.source).toBe(`/usr/lib64-nvidia/vdpau/libvdpau_nvidia.so.${VERSION}`);
  });

  it('takes the whole directory under WSL', async () => {
    for (const name of ['libcuda.so.1.1', 'libdxcore.so', 'libnvidia-ml.so.1']) {
      put(`/usr/lib/wsl/lib/${name}`, elf(name));
    }
    put('/usr/lib/wsl/lib/nvidia-smi');
    put('/usr/lib/wsl/drivers/nv/libnv.so');
    put('/dev/dxg');
    expect(await findDriver({}, root, 'x86_64')).toEqual({
      libraries: ['libcuda.so.1.1', 'libdxcore.so', 'libnvidia-ml.so.1'].map(name => ({
        source: `/usr/lib/wsl/lib/${name}`,
        names: [name]
      })),
      binaries: ['/usr/lib/wsl/lib/nvidia-smi'],
      devices: ['/dev/dxg'],
      files: ['/usr/lib/wsl/drivers/'],
      notes: []
    });
  });

  it('finds nothing, and says why, where there is nothing', async () => {
    expect(await findDriver({}, root, 'x86_64')).toEqual({
      libraries: [],
      binaries: [],
      devices: [],
      files: [],
      notes: ['/proc/driver/nvidia/version cannot be read: the kernel driver is not loaded, or not shown here']
    });
    driverLoaded(VERSION);
    expect((await findDriver({}, root, 'x86_64')).notes).toEqual([
      expect.stringMatching(/^no libraries of driver 550\.54\.15 were found/)
    ]);
  });
});

describe('readers', () => {
  it.runIf(existsSync('/etc/ld.so.cache') && existsSync('/sbin/ldconfig'))('reads the cache as ldconfig does', () => {
    const printed = execFileSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' })
      .split('\n')
      .flatMap(line => /^\t(\S+) \(.*\) => (.*)$/.exec(line)?.slice(1, 3).join(' ') ?? []);
    const mine = parseLdCache(readFileSync('/etc/ld.so.cache')).map(({ name, path }) => `${name} ${path}`);
    expect(mine.length).toBeGreaterThan(5);
    expect(mine).toEqual(printed);
  });

  it.each([
    Buffer.alloc(0),
    Buffer.from('ld.so-1.7.0'),
    Buffer.from(`glibc-ld.so.cache1.1${'\xff'.repeat(100)}`, 'latin1')
  ])('takes no harm from what is no cache', bytes => {
    expect(parseLdCache(bytes)).toEqual([]);
  });

  it('reads the SONAME of real libraries', async () => {
    const library = parseLdCache(readFileSync('/etc/ld.so.cache')).find(({ name }) => name === 'libc.so.6');
    const object = library && (await readSharedObject(library.path));
    expect(object?.soname).toBe('libc.so.6');
    expect(await readSharedObject('/etc/passwd')).toBeUndefined();
  });
});
