// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { deniedBy } from './denial.ts';
import { type IHostFacts, PROBES, type ProbeName } from './facts.ts';

type Machine = Parameters<typeof deniedBy>[1];
type Around = Parameters<typeof deniedBy>[2];

function machine(
  denied: Partial<Record<ProbeName, string>>,
  uid: number,
  capabilities: readonly string[] = []
): Machine {
  const probes = Object.fromEntries(
    PROBES.map(name => [name, denied[name] === undefined ? { ok: true } : { ok: false, errno: denied[name] }])
  ) as IHostFacts['probes'];
  const account = { uid, gid: uid, name: 'x', gecos: '', home: '/', shell: '/bin/sh', groups: [] };
  return { account, capabilities, probes };
}

function around(more: Partial<Around> = {}): Around {
  return { noNewPrivileges: false, seccomp: 'none', settings: {}, ...more };
}

const FILTERED = around({ seccomp: 'filter' });
const NO_NAMESPACES = { 'mount-namespace': 'EPERM', 'user-mount-namespace': 'EPERM' };

describe('deniedBy', () => {
  it.each<[string, ProbeName, Machine, Around, string | undefined]>([
    ['nobody', 'tmpfs', machine({}, 0), around(), undefined],
    ['an ordinary user', 'mount-namespace', machine({ 'mount-namespace': 'EPERM' }, 1000), around(), 'not root'],
    ['kaggle', 'mount-namespace', machine({ 'mount-namespace': 'EPERM' }, 0), FILTERED, 'root without CAP_SYS_ADMIN'],
    ['kaggle', 'user-namespace', machine({ 'user-namespace': 'EPERM' }, 0), FILTERED, 'seccomp filter'],
    ['kaggle', 'tmpfs', machine({ ...NO_NAMESPACES, tmpfs: 'EPERM' }, 0), FILTERED, 'no mount namespace'],
    ['colab', 'bind-procfs', machine({ 'bind-procfs': 'EACCES' }, 0), around(), 'security module'],
    ['colab, docker profile', 'pivot-root', machine({ 'pivot-root': 'EPERM' }, 0), FILTERED, 'seccomp filter'],
    [
      'a pod',
      'tmpfs',
      machine({ tmpfs: 'EACCES' }, 1000),
      around({ label: 'docker-default (enforce)' }),
      'security module (docker-default (enforce))'
    ],
    ['a pod with masked /proc', 'fresh-procfs', machine({ 'fresh-procfs': 'EPERM' }, 1000), around(), 'masked /proc'],
    ['no device', 'fuse-device', machine({ 'fuse-device': 'ENOENT' }, 0), around(), 'no such device'],
    ['a device group', 'fuse-device', machine({ 'fuse-device': 'EPERM' }, 0), around(), 'device control group'],
    [
      'root of a user namespace',
      'loop-device',
      machine({ 'loop-device': 'EPERM' }, 0),
      around(),
      'user namespace, or device control group'
    ],
    ['a node of root', 'loop-device', machine({ 'loop-device': 'EACCES' }, 1000), around(), 'file permissions'],
    [
      'a node of root',
      'fuse-mount',
      machine({ 'fuse-mount': 'EACCES', 'fuse-device': 'EACCES' }, 1000),
      around(),
      'file permissions'
    ],
    ['a mount rule', 'fuse-mount', machine({ 'fuse-mount': 'EACCES' }, 1000), around(), 'security module'],
    ['a cluster', 'write-root', machine({ 'write-root': 'EACCES' }, 1000), around(), 'file permissions'],
    ['a read-only image', 'write-root', machine({ 'write-root': 'EROFS' }, 0), around(), 'read-only file system'],
    ['a chroot', 'pivot-root', machine({ 'pivot-root': 'EINVAL' }, 0), around({ chrooted: true }), 'chroot'],
    ['a chroot', 'user-namespace', machine({ 'user-namespace': 'EPERM' }, 0), around({ chrooted: true }), 'chroot'],
    ['a chroot', 'tmpfs', machine({ tmpfs: 'EACCES' }, 0), around({ chrooted: true }), 'security module'],
    [
      'CentOS 7',
      'user-namespace',
      machine({ 'user-namespace': 'ENOSPC' }, 1000),
      around({ settings: { 'user.max_user_namespaces': '0' } }),
      'user.max_user_namespaces = 0'
    ],
    [
      'Debian 10',
      'user-namespace',
      machine({ 'user-namespace': 'EPERM' }, 1000),
      around({ settings: { 'kernel.unprivileged_userns_clone': '0' } }),
      'kernel.unprivileged_userns_clone = 0'
    ],
    [
      'Ubuntu 24.04',
      'user-mount-namespace',
      machine({ 'user-mount-namespace': 'EPERM' }, 1000),
      around({ settings: { 'kernel.apparmor_restrict_unprivileged_userns': '1' } }),
      'kernel.apparmor_restrict_unprivileged_userns = 1'
    ],
    [
      'yama',
      'ptrace',
      machine({ ptrace: 'EPERM' }, 1000),
      around({ settings: { 'kernel.yama.ptrace_scope': '3' } }),
      'kernel.yama.ptrace_scope = 3'
    ],
    [
      'an old docker',
      'ptrace',
      machine({ ptrace: 'EPERM' }, 1000),
      around({ seccomp: 'filter', settings: { 'kernel.yama.ptrace_scope': '1' } }),
      'seccomp filter'
    ],
    ['gVisor', 'overlay', machine({ overlay: 'ENODEV' }, 0), around(), 'kernel without it'],
    [
      'a supervisor',
      'seccomp-notification',
      machine({ 'seccomp-notification': 'EBUSY' }, 0),
      FILTERED,
      'another supervisor'
    ],
    ['something new', 'tmpfs', machine({ tmpfs: 'EIO' }, 0), around(), 'unknown']
  ])('%s: %s', (_case, probe, host, surroundings, expected) => {
    expect(deniedBy(probe, host, surroundings)).toBe(expected);
  });
});
