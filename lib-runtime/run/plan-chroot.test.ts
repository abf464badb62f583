// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { IHostFacts } from '../host/facts.ts';
import { withCopy } from './launch.ts';
import type { IRefusal, Plan } from './plan-types.ts';
import { type Denied, namespaces, plan, steps } from './plan-testing.ts';
import type { IRunSpec } from './spec.ts';
import { DEBIAN, HELLO, imageFacts, ROOT } from './testing.ts';

/** Root in plain docker: no mounts, no user namespaces. */
const DOCKER: Denied = {
  'user-namespace': 'EPERM',
  'user-mount-namespace': 'EPERM',
  'mount-namespace': 'EPERM',
  tmpfs: 'EPERM',
  bind: 'EPERM',
  'bind-procfs': 'EPERM',
  'pivot-root': 'EPERM'
};
const DOCKERS: Partial<IHostFacts> = {
  ...ROOT,
  capabilities: ['CAP_SYS_CHROOT', 'CAP_MKNOD', 'CAP_SETUID', 'CAP_SETGID']
};

const chroot = (
  spec: Partial<IRunSpec> = {},
  denied: Denied = {},
  host: Partial<IHostFacts> = {},
  tree = DEBIAN
): Plan | IRefusal =>
  plan(imageFacts(tree), { root: 'chroot', ...spec }, { ...DOCKER, ...denied }, { ...DOCKERS, ...host });

describe('--root chroot', () => {
  it('mounts nothing: a copy of the image gets what binds would have shown', () => {
    const result = namespaces(chroot());
    expect(result.root).toBe('chroot');
    expect(result.rootfs).toMatchObject({ kind: 'copy', view: 'plain' });
    expect(steps(result, /^(unshare|private|stage|bind|tmpfs|overlay|pivot|squashfs|procfs)/)).toEqual([]);
    expect(steps(result)).toEqual([
      'tree /@copy@',
      'mkdir /etc 0755',
      'take /etc/hosts /etc/hosts',
      'take /etc/resolv.conf /etc/resolv.conf',
      'mkdir /root 0700',
      'mkdir /tmp 1777',
      'mkdir /var/tmp 1777',
      'mkdir /dev/shm 1777',
      'device /dev/null 0666 1:3',
      'device /dev/zero 0666 1:5',
      'device /dev/full 0666 1:7',
      'device /dev/random 0666 1:8',
      'device /dev/urandom 0666 1:9',
      'device /dev/tty 0666 5:0',
      'chroot /@copy@',
      'umask 0022',
      'no-new-privileges',
      'chdir /root or /'
    ]);
    expect(result.notes[0]).toMatchObject({
      level: 'warning',
      text: expect.stringContaining('neither /proc nor /sys')
    });
  });

  it('works in the copy once that is made', () => {
    const moved = withCopy(namespaces(chroot()), '/store/tmp/writable-1/tree');
    expect(steps(moved, /^(tree|chroot)/)).toEqual([
      'tree /store/tmp/writable-1/tree',
      'chroot /store/tmp/writable-1/tree'
    ]);
  });

  it('makes what an image without directories lacks', () => {
    expect(steps(chroot({}, {}, {}, HELLO), /^(mkdir|take)/)).toEqual([
      'mkdir /etc 0755',
      'take /etc/hosts /etc/hosts',
      'take /etc/resolv.conf /etc/resolv.conf',
      'mkdir /root 0700',
      'mkdir /tmp 1777',
      'mkdir /var/tmp 1777',
      'mkdir /dev/shm 1777'
    ]);
  });

  it('is never chosen by itself', () => {
    expect(plan(imageFacts(DEBIAN), {}, DOCKER, DOCKERS)).toMatchObject({ kind: 'refusal' });
    expect(plan(imageFacts(DEBIAN), {}, DOCKER, { ...DOCKERS, tools: { proot: '/usr/bin/proot' } })).toMatchObject({
      engine: 'ptrace'
    });
  });

  it('says what is missing when no device can be made', () => {
    const result = namespaces(chroot({}, { mknod: 'EPERM' }));
    expect(steps(result, /^device/)).toEqual([]);
    expect(result.notes.map(({ text }) => text)).toContain(
      'no device can be made here (EPERM): there is no /dev/null inside'
    );
  });

  it('really becomes the account of --as user', () => {
    const unprivileged: IHostFacts['unprivileged'] = {
      account: { uid: 1001, gid: 1001, name: 'user', gecos: '', home: '/home/user', shell: '/bin/sh', groups: [] },
      origin: 'an id that nobody has here',
      hasHome: false,
      workingDirectory: { enter: true, write: false }
    };
    const maps = { uid: '0 0 4294967295', gid: '0 0 4294967295' };
    const result = chroot({ as: 'user' }, {}, { unprivileged, idMaps: maps });
    expect(steps(result, /home|account|own|chdir/)).toEqual([
      'mkdir /home/user 0700',
      'own /home/user 1001:1001',
      'account 1001:1001',
      'chdir /home/user or /'
    ]);
  });

  it('leaves a sandbox that is changed in place as it is', () => {
    const image = imageFacts(DEBIAN, { source: { kind: 'directory', directory: '/home/ada/box' } });
    const result = plan(image, { root: 'chroot', writable: true }, DOCKER, DOCKERS);
    expect(namespaces(result).rootfs).toEqual({ kind: 'directory', directory: '/home/ada/box' });
    expect(steps(result)).toEqual([
      'tree /home/ada/box',
      'chroot /home/ada/box',
      'umask 0022',
      'no-new-privileges',
      'chdir /root or /'
    ]);
  });

  const WISHES: readonly [string, Partial<IRunSpec>][] = [
    ['--bind /tmp', { binds: [{ source: '/tmp', target: '/mine', readOnly: false }] }],
    ['--nv', { nv: true }],
    ['--rocm', { rocm: true }],
    ['--home', { home: { source: '/tmp', target: '/tmp' } }],
    ['an instance', { instance: { name: 'web', keeps: true } }]
  ];
  it.each(WISHES)('refuses %s, which needs a mount or a namespace', (what, spec) => {
    expect(chroot(spec)).toMatchObject({
      kind: 'refusal',
      message: `${what} cannot be had with --root chroot`,
      fix: expect.stringContaining('Leave --root out')
    });
  });

  it('says which flags are in vain', () => {
    const { notes } = namespaces(chroot({ pid: true, hostname: 'box' }));
    expect(notes.at(-1)?.text).toBe('--root chroot makes no namespaces: --pid, --hostname have no effect');
  });
});

describe('a root that is not to be had', () => {
  const USER: Partial<IHostFacts> = { tools: { proot: '/usr/bin/proot' } };
  const TABLE: readonly [NonNullable<IRunSpec['root']>, Denied, Partial<IHostFacts>, string][] = [
    ['chroot', DOCKER, USER, 'only real root may change its root without namespaces, and you are uid 1000'],
    ['chroot', { ...DOCKER, chroot: 'EPERM' }, ROOT, 'root has no CAP_SYS_CHROOT here (EPERM)'],
    ['pivot', DOCKER, USER, 'no user namespace can be made (EPERM)'],
    ['in-place', { tmpfs: 'EACCES', bind: 'EACCES' }, ROOT, 'mounts are denied here (EACCES)'],
    ['pivot', { 'bind-procfs': 'EACCES' }, ROOT, 'this host denies binding procfs (EACCES)']
  ];
  it.each(TABLE)(
    '--root %s (%#) is refused with its cause, and nothing else is taken',
    (root, denied, host, reason) => {
      expect(plan(imageFacts(DEBIAN), { root }, denied, host)).toMatchObject({
        kind: 'refusal',
        message: `--root ${root} is not possible on this machine`,
        reason,
        fix: expect.stringContaining('Leave --root out')
      });
    }
  );

  it('is said of the ptrace engine, which has its own', () => {
    expect(plan(imageFacts(DEBIAN), { root: 'pivot', engine: 'ptrace' }, {}, USER)).toMatchObject({
      message: '--root pivot is no root of the ptrace engine'
    });
  });
});
