// SPDX-License-Identifier: BSD-3-Clause
/** Where the files of an image come from: loop device, FUSE, tree. */
import { describe, expect, it } from 'vitest';
import type { IHostFacts } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import type { Denied } from './plan-testing.ts';
import { namespaces, plan, steps } from './plan-testing.ts';
import type { IRunSpec } from './spec.ts';
import { COLAB, DEBIAN, HELLO, hostFacts, imageFacts, ROOT } from './testing.ts';

const SERVED = { tools: { squashfuse_ll: '/usr/bin/squashfuse_ll' } };
const BOTH = { tools: { ...SERVED.tools, newuidmap: '/usr/bin/newuidmap', newgidmap: '/usr/bin/newgidmap' } };
const RANGE = { subordinate: { uid: { start: 100000, count: 65536 }, gid: { start: 100000, count: 65536 } } };
const ALL = ['CAP_SYS_ADMIN', 'CAP_SETUID', 'CAP_SETGID', 'CAP_SETFCAP'];
const NO_LOOP = { 'loop-device': 'ENOENT' };
const UPPER = { overlays: [{ path: '/o', readOnly: false }] };
const LOWER = { overlays: [{ path: '/o', readOnly: true }] };
const paths = { ...hostFacts().paths, '/o': { real: '/o', type: 'directory' as const } };
const NEW = { kernel: '6.18.44-fc', paths };

/** `loop`, `fuse checked`, `fuse`, `tree`, `copy`: what brings the files, and whether the kernel checks modes. */
function source(
  spec: Partial<IRunSpec>,
  denied: Denied,
  host: Partial<IHostFacts>,
  image: Partial<IImageFacts>
): string {
  const result = namespaces(plan(imageFacts(HELLO, image), spec, denied, host));
  const mounted = result.steps.map(({ step }) => step).find(({ op }) => op === 'squashfs' || op === 'fuse');
  expect(mounted !== undefined).toBe(result.rootfs.kind === 'mounted');
  return mounted?.op === 'fuse'
    ? `fuse${mounted.wishes.includes('modes') ? ' checked' : ''}`
    : mounted === undefined
      ? result.rootfs.kind
      : 'loop';
}

describe('the files of a squashfs image', () => {
  it.each<[string, Partial<IRunSpec>, Denied, Partial<IHostFacts>, Partial<IImageFacts>, string]>([
    ['root with loop devices', {}, {}, { ...ROOT, ...SERVED }, {}, 'loop'],
    ['the same with a tree', {}, {}, { ...ROOT, ...SERVED }, { unpacked: true }, 'loop'],
    ['root without loop devices', {}, NO_LOOP, { ...ROOT, ...SERVED }, {}, 'fuse checked'],
    ['a user', {}, {}, SERVED, {}, 'fuse'],
    ['a user with a tree', {}, {}, SERVED, { unpacked: true }, 'tree'],
    ['a user, --unsquash', { unsquash: true }, {}, SERVED, {}, 'tree'],
    ['a user, no squashfuse_ll', {}, {}, { tools: { squashfuse: '/usr/bin/squashfuse' } }, {}, 'tree'],
    ['a user, no FUSE', {}, { 'fuse-mount': 'ENOENT' }, SERVED, {}, 'tree'],
    ['--fakeroot with a range', { fakeroot: true }, {}, { ...BOTH, ...RANGE }, {}, 'fuse checked'],
    ['--fakeroot with one id', { fakeroot: true }, {}, SERVED, {}, 'fuse'],
    ['root, --userns', { userNamespace: true }, {}, { ...ROOT, ...SERVED, capabilities: ALL }, {}, 'fuse checked'],
    [
      'root of a namespace with one id',
      {},
      NO_LOOP,
      { ...ROOT, ...SERVED, idMaps: { uid: '0 1000 1\n', gid: '0 1000 1\n' } },
      {},
      'fuse'
    ],
    // What lies below an overlay that takes changes:
    ['root, in memory', { writableTmpfs: true }, NO_LOOP, { ...ROOT, ...SERVED, ...NEW }, {}, 'fuse checked'],
    ['root, Linux 6.4', { writableTmpfs: true }, NO_LOOP, { ...ROOT, ...SERVED, kernel: '6.4.9' }, {}, 'tree'],
    ['root, Linux 5.15', { writableTmpfs: true }, NO_LOOP, { ...ROOT, ...SERVED, kernel: '5.15.0-91' }, {}, 'tree'],
    [
      'root, Linux 5.14',
      { writableTmpfs: true },
      NO_LOOP,
      { ...ROOT, ...SERVED, kernel: '5.14.0' },
      {},
      'fuse checked'
    ],
    ['root, Linux 6.5', { writableTmpfs: true }, NO_LOOP, { ...ROOT, ...SERVED, kernel: '6.5.0' }, {}, 'fuse checked'],
    ['a user, in memory', { writableTmpfs: true }, {}, { ...SERVED, ...NEW }, {}, 'tree'],
    ['a user, in a directory', UPPER, {}, { ...SERVED, ...NEW }, {}, 'tree'],
    ['a user, layers to read', LOWER, {}, { ...SERVED, ...NEW }, {}, 'fuse'],
    ['a range, in a directory', { ...UPPER, fakeroot: true }, {}, { ...BOTH, ...RANGE, ...NEW }, {}, 'fuse checked'],
    ['a copy', { writableTmpfs: true }, { ...NO_LOOP, overlay: 'EPERM' }, { ...ROOT, ...SERVED, ...NEW }, {}, 'copy']
  ])('%s', (_, spec, denied, host, image, expected) => {
    expect(source(spec, denied, host, image)).toBe(expected);
  });

  it('are served from the offset of the partition, and why is said once', () => {
    const result = plan(imageFacts(HELLO), { noMount: ['home', 'cwd', 'tmp'] }, {}, SERVED);
    expect(steps(result, /^fuse|^bind.*hello/)).toEqual([
      'fuse /usr/bin/squashfuse_ll offset=4096 /images/image.sif /run/nbc/stage/image ro',
      'bind /run/nbc/stage/image/hello /hello ro,nosuid,nodev'
    ]);
    expect(namespaces(result)).toMatchObject({
      rootfs: { kind: 'mounted', server: '/usr/bin/squashfuse_ll' },
      notes: expect.arrayContaining([
        {
          level: 'info',
          lasting: true,
          text: 'squashfuse_ll (FUSE) serves the image: mounting its squashfs needs root'
        }
      ]) as unknown
    });
  });

  it('need no offset when the squashfs is the file', () => {
    const image: Partial<IImageFacts> = {
      source: { kind: 'squashfs', file: '/i.sqfs', offset: 0, size: 1, compression: 'xz' }
    };
    expect(steps(plan(imageFacts(HELLO, image), {}, {}, SERVED), /fuse/)).toEqual([
      'fuse /usr/bin/squashfuse_ll /i.sqfs /run/nbc/stage/image ro'
    ]);
  });

  it('are served in place, too', () => {
    const result = plan(imageFacts(DEBIAN), {}, COLAB, { ...ROOT, ...SERVED });
    expect(namespaces(result)).toMatchObject({ root: 'in-place', rootfs: { kind: 'mounted' } });
    expect(steps(result, /^fuse/)).toEqual([
      'fuse /usr/bin/squashfuse_ll offset=4096 /images/image.sif /run/nbc/stage/image ro,modes'
    ]);
  });
});
