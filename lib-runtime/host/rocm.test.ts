// SPDX-License-Identifier: BSD-3-Clause
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { elf, ldCache } from './library-testing.ts';
import { findRocm } from './rocm.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nbc-rocm-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, content: Buffer | string = ''): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

it('finds libraries below /opt/rocm and in the cache, once each, with their links', async () => {
  put('/opt/rocm/lib/libamdhip64.so.6.2.1', elf('libamdhip64.so.6'));
  symlinkSync('libamdhip64.so.6.2.1', join(root, '/opt/rocm/lib/libamdhip64.so.6'));
  put('/opt/rocm/lib/librocblas.so.4', elf('librocblas.so.4'));
  put('/usr/lib/x86_64-linux-gnu/libdrm_amdgpu.so.1.0.0', elf('libdrm_amdgpu.so.1'));
  put('/usr/lib/i386-linux-gnu/libdrm.so.2', elf('libdrm.so.2', 3, 1));
  put('/usr/lib/old/libamdhip64.so.6', elf('libamdhip64.so.6'));
  put(
    '/etc/ld.so.cache',
    ldCache([
      ['libdrm_amdgpu.so.1', '/usr/lib/x86_64-linux-gnu/libdrm_amdgpu.so.1.0.0'],
      ['libdrm.so.2', '/usr/lib/i386-linux-gnu/libdrm.so.2'],
      ['libamdhip64.so.6', '/usr/lib/old/libamdhip64.so.6']
    ])
  );
  put('/opt/rocm/bin/rocminfo');
  put('/usr/bin/rocm-smi');
  ['/dev/kfd', '/dev/dri/card0', '/dev/dri/renderD128', '/dev/dri/by-path'].forEach(path => put(path));
  expect(await findRocm({}, root, 'x86_64')).toEqual({
    libraries: [
      { source: '/opt/rocm/lib/libamdhip64.so.6', names: ['libamdhip64.so.6', 'libamdhip64.so.6.2.1'] },
      {
        source: '/usr/lib/x86_64-linux-gnu/libdrm_amdgpu.so.1.0.0',
        names: ['libdrm_amdgpu.so.1.0.0', 'libdrm_amdgpu.so.1']
      }
    ],
    binaries: ['/usr/bin/rocm-smi', '/opt/rocm/bin/rocminfo'],
    devices: ['/dev/kfd', '/dev/dri/card0', '/dev/dri/renderD128'],
    files: [],
    notes: []
  });
});

it('takes the libraries of an ordinary desktop for no ROCm', async () => {
  put('/opt/rocm/lib/libdrm_amdgpu.so.1', elf('libdrm_amdgpu.so.1'));
  expect((await findRocm({}, root, 'x86_64')).libraries).toEqual([]);
});

it('finds nothing, and says why, where there is nothing', async () => {
  expect(await findRocm({}, root)).toMatchObject({
    libraries: [],
    devices: [],
    notes: [expect.stringContaining('/dev/kfd')]
  });
});
