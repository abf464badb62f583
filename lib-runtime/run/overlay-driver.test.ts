// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { IHostFacts } from '../host/facts.ts';
import { type Denied, namespaces, plan, steps } from './plan-testing.ts';
import type { IRunSpec } from './spec.ts';
import { HELLO, hostFacts, imageFacts, ROOT } from './testing.ts';

const TOOLS = { tools: { 'fuse-overlayfs': '/usr/bin/fuse-overlayfs', squashfuse_ll: '/usr/bin/squashfuse_ll' } };
const paths = { ...hostFacts().paths, '/o': { real: '/o', type: 'directory' as const } };
const MEMORY: Partial<IRunSpec> = { writableTmpfs: true };
const DIRECTORY: Partial<IRunSpec> = { overlays: [{ path: '/o', readOnly: false }] };
const DENIED: Denied = { 'user-overlay': 'EPERM', overlay: 'EPERM' };
const FUSE = { overlayDriver: 'fuse' } as const;
const KERNEL = { overlayDriver: 'kernel' } as const;
const COPY = { overlayDriver: 'copy' } as const;

/** `overlay`, `fuse-overlayfs`, `copy`, or the refusal. */
function layers(spec: Partial<IRunSpec>, denied: Denied, host: Partial<IHostFacts>): string {
  const result = plan(imageFacts(HELLO), spec, denied, { paths, kernel: '6.8.0', ...host });
  if (result.kind === 'refusal') {
    return `${result.message}: ${result.reason}. ${result.fix}`;
  }
  const all = namespaces(result).steps.map(({ step }) => step);
  const served = all.some(step => step.op === 'fuse' && step.program.endsWith('fuse-overlayfs'));
  const kernel = all.some(step => step.op === 'overlay');
  return [served && 'fuse-overlayfs', kernel && 'overlay', result.rootfs.kind === 'copy' && 'copy']
    .filter(Boolean)
    .join(' and ');
}

describe('--overlay-driver', () => {
  it.each<[string, Partial<IRunSpec>, Denied, Partial<IHostFacts>, string]>([
    ['nothing said', MEMORY, {}, TOOLS, 'overlay'],
    ['nothing said, denied', MEMORY, DENIED, TOOLS, 'copy'],
    ['kernel', { ...MEMORY, ...KERNEL }, {}, TOOLS, 'overlay'],
    [
      'kernel, denied',
      { ...MEMORY, ...KERNEL },
      DENIED,
      {},
      '--overlay-driver cannot be honoured: this host denies overlay mounts (EPERM). Leave --overlay-driver out'
    ],
    ['fuse', { ...MEMORY, ...FUSE }, {}, TOOLS, 'fuse-overlayfs'],
    ['fuse, the kernel denies', { ...MEMORY, ...FUSE }, DENIED, TOOLS, 'fuse-overlayfs'],
    ['fuse, a directory', { ...DIRECTORY, ...FUSE }, DENIED, TOOLS, 'fuse-overlayfs'],
    [
      'fuse, not there',
      { ...MEMORY, ...FUSE },
      {},
      {},
      '--overlay-driver cannot be honoured: there is no fuse-overlayfs on this machine. Install fuse-overlayfs, or leave --overlay-driver out'
    ],
    [
      'fuse, denied',
      { ...DIRECTORY, ...FUSE },
      { 'fuse-mount': 'EPERM' },
      TOOLS,
      '--overlay /o cannot be honoured: FUSE file systems cannot be mounted here (EPERM). Install fuse-overlayfs, or leave --overlay-driver out'
    ],
    ['copy', { ...MEMORY, ...COPY }, {}, TOOLS, 'copy'],
    [
      'copy, a directory',
      { ...DIRECTORY, ...COPY },
      {},
      TOOLS,
      '--overlay /o cannot be honoured: a copy of the image has no layers. Leave --overlay-driver out, or use --writable-tmpfs'
    ],
    [
      'a directory, denied, with fuse-overlayfs',
      DIRECTORY,
      DENIED,
      TOOLS,
      '--overlay /o cannot be honoured: this host denies overlay mounts (EPERM). Add --overlay-driver fuse'
    ],
    [
      'a directory, denied',
      DIRECTORY,
      DENIED,
      {},
      '--overlay /o cannot be honoured: this host denies overlay mounts (EPERM). Bind a writable directory instead, or use --writable-tmpfs'
    ],
    ['nothing to lay over it', FUSE, {}, {}, '']
  ])('%s', (_, spec, denied, host, expected) => {
    expect(layers(spec, denied, host)).toBe(expected);
  });

  it('fuse serves inside, beside the root, and is bound on it', () => {
    const result = plan(imageFacts(HELLO), { ...DIRECTORY, ...FUSE }, {}, { ...TOOLS, paths });
    const stage = '/run/nbc/stage';
    expect(steps(result, /merged/)).toEqual([
      `fuse /usr/bin/fuse-overlayfs noacl,lowerdir=/store/trees/plain:${stage}/root,upperdir=/o/upper,workdir=/o/work ${stage}/merged modes,inside`,
      `bind ${stage}/merged / nosuid,nodev`
    ]);
  });

  it('fuse can change what squashfuse_ll serves on every kernel', () => {
    const old = { ...ROOT, ...TOOLS, kernel: '5.15.0' };
    const served = plan(imageFacts(HELLO), { ...MEMORY, ...FUSE }, { 'loop-device': 'ENOENT' }, old);
    expect(steps(served, /^fuse|^bind.*merged/).map(text => text.split(' ')[1])).toEqual([
      '/usr/bin/squashfuse_ll',
      '/usr/bin/fuse-overlayfs',
      '/run/nbc/stage/merged'
    ]);
  });
});
