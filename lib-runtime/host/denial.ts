// SPDX-License-Identifier: BSD-3-Clause
/** Who denies what a probe found denied, told by the errno and by what surrounds this process. Pure. */
import type { IHostFacts, ProbeName } from './facts.ts';
import type { ISurvey } from './survey.ts';

type Machine = Pick<IHostFacts, 'account' | 'capabilities' | 'probes'>;
type Surroundings = Pick<ISurvey, 'noNewPrivileges' | 'seccomp' | 'label' | 'chrooted' | 'settings'>;

/** What is tried with the caller's own rights, and the capability that it takes (capabilities(7)). */
const NEEDS: Partial<Record<ProbeName, string>> = {
  'mount-namespace': 'CAP_SYS_ADMIN',
  overlay: 'CAP_SYS_ADMIN',
  chroot: 'CAP_SYS_CHROOT',
  mknod: 'CAP_MKNOD',
  'user-full-map': 'CAP_SETUID'
};

/** Tried in whatever mount namespace could be made. */
const IN_NAMESPACE: ReadonlySet<ProbeName> = new Set<ProbeName>([
  ...(['tmpfs', 'bind', 'bind-procfs', 'fresh-procfs', 'pivot-root', 'user-overlay', 'fuse-mount'] as const)
]);
const USER_NAMESPACES: ReadonlySet<ProbeName> = new Set<ProbeName>(['user-namespace', 'user-mount-namespace']);
const DEVICES: ReadonlySet<ProbeName> = new Set<ProbeName>(['fuse-device', 'loop-device']);

/** What the kernel refuses to a process in a chroot (user_namespaces(7), pivot_root(2)), and how. */
const CHROOT: Partial<Record<ProbeName, string>> = {
  'user-namespace': 'EPERM',
  'user-full-map': 'EPERM',
  'user-mount-namespace': 'EPERM',
  'user-overlay': 'EPERM',
  'pivot-root': 'EINVAL'
};

/** A few words, such as `seccomp filter`; undefined for a probe that succeeded. */
export function deniedBy(probe: ProbeName, machine: Machine, around: Surroundings): string | undefined {
  const { ok, errno } = machine.probes[probe];
  if (ok) {
    return undefined;
  }
  if (around.chrooted && CHROOT[probe] === errno) {
    return 'chroot';
  }
  switch (errno) {
    case 'ENOENT':
    case 'ENXIO':
      return 'no such device';
    case 'ENODEV':
      return 'kernel without it';
    case 'ENOSYS':
    case 'EINVAL':
      return 'kernel or sandbox without it';
    case 'EBUSY':
      return probe === 'seccomp-notification' ? 'another supervisor' : 'in use';
    case 'ENOSPC':
    case 'EUSERS':
      return setting('user.max_user_namespaces', around);
    case 'EROFS':
      return 'read-only file system';
    case 'EACCES':
      return byAccess(probe, machine, around);
    case 'EPERM':
      return byPermission(probe, machine, around);
    default:
      return 'unknown';
  }
}

/** EACCES is the errno of file permissions and of security modules. */
function byAccess(probe: ProbeName, { probes }: Machine, around: Surroundings): string {
  const file = DEVICES.has(probe) || probe === 'write-root' || (probe === 'fuse-mount' && !probes['fuse-device'].ok);
  return file ? 'file permissions' : securityModule(around);
}

function byPermission(probe: ProbeName, machine: Machine, around: Surroundings): string {
  const { account, capabilities, probes } = machine;
  const needed = NEEDS[probe];
  if (needed !== undefined && !capabilities.includes(needed)) {
    return account.uid === 0 ? `root without ${needed}` : 'not root';
  }
  if (USER_NAMESPACES.has(probe)) {
    return byNamespaceRule(around);
  }
  if (IN_NAMESPACE.has(probe) && !probes['mount-namespace'].ok && !probes['user-mount-namespace'].ok) {
    return 'no mount namespace';
  }
  if (probe === 'fresh-procfs') {
    return 'masked /proc';
  }
  if (DEVICES.has(probe)) {
    return probe === 'loop-device' ? 'user namespace, or device control group' : 'device control group';
  }
  if (probe === 'ptrace' && Number(around.settings['kernel.yama.ptrace_scope'] ?? '0') >= 2) {
    return setting('kernel.yama.ptrace_scope', around);
  }
  return around.seccomp === 'none' ? securityModule(around) : 'seccomp filter';
}

function byNamespaceRule(around: Surroundings): string {
  const { settings } = around;
  if (settings['kernel.unprivileged_userns_clone'] === '0') {
    return setting('kernel.unprivileged_userns_clone', around);
  }
  if (around.seccomp !== 'none') {
    return 'seccomp filter';
  }
  return settings['kernel.apparmor_restrict_unprivileged_userns'] === '1'
    ? setting('kernel.apparmor_restrict_unprivileged_userns', around)
    : securityModule(around);
}

function securityModule({ label }: Surroundings): string {
  return label === undefined ? 'security module' : `security module (${label})`;
}

function setting(name: string, { settings }: Surroundings): string {
  return settings[name] === undefined ? name : `${name} = ${settings[name]}`;
}
