// SPDX-License-Identifier: BSD-3-Clause
/** The small /dev of --contain: the devices that every program may expect, and the GPU's with --nv or --rocm. */
import type { Mount } from './mounts.ts';

/** What every program may expect. */
export const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'] as const;
const LINKS = { fd: '/proc/self/fd', stdin: '/proc/self/fd/0', stdout: '/proc/self/fd/1', stderr: '/proc/self/fd/2' };

export function minimalDevices(gpuDevices: readonly string[]): Mount[] {
  const common = { purpose: 'dev', reason: '--contain: a small /dev' } as const;
  const device = { ...common, kind: 'bind', type: 'file', flags: ['nosuid'], optional: true } as const;
  const links = { ...LINKS, ptmx: 'pts/ptmx' };
  return [
    { ...common, kind: 'tmpfs', target: '/dev', options: 'mode=0755', flags: ['nosuid'] },
    ...DEVICES.map((name): Mount => ({ ...device, source: `/dev/${name}`, target: `/dev/${name}` })),
    ...gpuDevices.map((path): Mount => ({
      ...device,
      source: path,
      target: path,
      reason: 'a device of the GPU'
    })),
    {
      ...common,
      kind: 'bind',
      type: 'directory',
      source: '/dev/pts',
      target: '/dev/pts',
      flags: ['rec', 'nosuid'],
      optional: true,
      reason: "--contain: the host's terminals, so that the caller's own works"
    },
    { ...common, kind: 'tmpfs', target: '/dev/shm', options: 'mode=1777', flags: ['nosuid', 'nodev'] },
    ...Object.entries(links).map(([name, text]): Mount => ({
      ...common,
      kind: 'symlink',
      target: `/dev/${name}`,
      text
    }))
  ];
}
