// SPDX-License-Identifier: BSD-3-Clause
/** The rows of `doctor`, as data: what each probe means for somebody who wants to start a container. */
import type { IHostFacts, ProbeName } from '../host/facts.ts';
import type { ISurvey } from '../host/survey.ts';
import { isPrivileged } from '../run/identity.ts';
import { squashfuse } from '../run/rootfs.ts';

export interface IContext {
  readonly host: IHostFacts;
  readonly survey: ISurvey;
  /** The namespaces engine has what it needs: tmpfs and binds. */
  readonly mounts: boolean;
  readonly root: boolean;
}

type Text = string | ((context: IContext) => string);

export interface ICheck {
  readonly group: string;
  readonly probe: ProbeName;
  readonly check: string;
  /** What follows when it works. */
  readonly works: Text;
  /** What is done when it does not. */
  readonly denied: Text;
  readonly remedy?: (context: IContext) => string | undefined;
}

const NAMESPACES = 'namespaces and mounts';
const ROOT = 'the root of a container';
const DEVICES = 'images and devices';
const PROCESSES = 'processes';

/** What is said of single mounts where there are none at all. */
const PTRACE = 'the ptrace engine needs none';
const withMounts =
  (text: string) =>
  ({ mounts }: IContext): string =>
    mounts ? text : PTRACE;

/** Denied by EACCES where other mounts work: a rule about procfs, and not one of ours to get around. */
const IN_PLACE = withMounts('in-place root: / and /proc stay, the directories of the image are bound over');

/** The kernel mounts a SIF. */
export function mountsImages(host: IHostFacts): boolean {
  return isPrivileged(host) && host.probes['loop-device'].ok;
}

function servesImages(host: IHostFacts): boolean {
  return squashfuse(host) !== undefined;
}

function withoutOverlay({ probes, tools }: IHostFacts): string {
  return probes['fuse-mount'].ok && tools['fuse-overlayfs'] !== undefined
    ? '--writable-tmpfs takes a copy of the image; --overlay needs --overlay-driver fuse'
    : '--writable-tmpfs takes a copy of the image, --overlay is refused';
}

function withoutFuse(host: IHostFacts): string {
  return mountsImages(host) ? 'not needed: loop devices work' : 'a SIF is unpacked once into the store';
}

function namespaceRemedy({ root, survey }: IContext): string | undefined {
  const { settings } = survey;
  if (settings['user.max_user_namespaces'] === '0') {
    return 'sysctl user.max_user_namespaces=15000';
  }
  if (settings['kernel.unprivileged_userns_clone'] === '0') {
    return 'sysctl kernel.unprivileged_userns_clone=1';
  }
  if (settings['kernel.apparmor_restrict_unprivileged_userns'] === '1' && !root) {
    return 'sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with `userns,`';
  }
  return survey.seccomp === 'none'
    ? 'sysctl user.max_user_namespaces, or the rule of the security module'
    : 'a seccomp profile that permits unshare, clone and mount with namespaces';
}

export const CHECKS: readonly ICheck[] = [
  {
    group: NAMESPACES,
    probe: 'mount-namespace',
    check: 'mount namespace with your own rights',
    works: 'containers start with your own rights',
    denied: ({ host }) =>
      host.probes['user-mount-namespace'].ok ? 'a user namespace is made first' : 'neither way is left: ptrace engine'
  },
  {
    group: NAMESPACES,
    probe: 'user-namespace',
    check: 'user namespace',
    works: ({ mounts }) => (mounts ? '--userns and --fakeroot can be had' : 'of no use without mounts in it'),
    denied: ({ host }) =>
      host.probes['mount-namespace'].ok ? 'not needed by root; --userns is refused' : 'ptrace engine',
    remedy: context => (context.host.probes['mount-namespace'].ok ? undefined : namespaceRemedy(context))
  },
  {
    group: NAMESPACES,
    probe: 'user-full-map',
    check: 'user namespace with all ids',
    works: '--fakeroot keeps every owner of every file',
    denied: ({ root }) => (root ? '--fakeroot has one id' : 'only root may map all ids: your own id, or a range')
  },
  {
    group: NAMESPACES,
    probe: 'user-mount-namespace',
    check: 'mounts in a user namespace',
    works: 'containers start without root',
    denied: ({ mounts }) => (mounts ? 'your own rights do' : 'ptrace engine (PRoot): no mounts, slower system calls'),
    remedy: context => {
      const { mounts, host } = context;
      // Without user namespaces the row above says what to change.
      return mounts || !host.probes['user-namespace'].ok
        ? undefined
        : 'an AppArmor profile that permits mount (docker: --security-opt apparmor=unconfined; Kubernetes: appArmorProfile Unconfined)';
    }
  },
  {
    group: NAMESPACES,
    probe: 'tmpfs',
    check: 'tmpfs',
    works: 'the root of a container is put together in memory',
    denied: PTRACE
  },
  {
    group: NAMESPACES,
    probe: 'bind',
    check: 'bind mount',
    works: 'your files appear in the container at native speed',
    denied: 'PRoot translates paths instead'
  },
  {
    group: ROOT,
    probe: 'pivot-root',
    check: 'change of root (pivot_root)',
    works: 'the host is out of sight in the container',
    denied: ({ mounts, host }) =>
      mounts ? (host.probes.chroot.ok ? 'chroot takes its place' : 'in-place root') : PTRACE
  },
  {
    group: ROOT,
    probe: 'chroot',
    check: 'chroot',
    works: 'takes the place of pivot_root where that is denied',
    denied: ({ host, mounts }) =>
      !mounts ? PTRACE : host.probes['pivot-root'].ok ? 'not needed: pivot_root works' : 'no root can be changed'
  },
  {
    group: ROOT,
    probe: 'bind-procfs',
    check: 'bind of /proc',
    works: 'the usual root (pivot)',
    denied: IN_PLACE
  },
  {
    group: ROOT,
    probe: 'fresh-procfs',
    check: 'new procfs',
    works: '--pid and --containall show the processes of the container alone',
    denied: withMounts('--pid and --containall show the processes of the host, and say so')
  },
  {
    group: ROOT,
    probe: 'write-root',
    check: 'new entries in /',
    works: 'the in-place root can show directories that the host lacks',
    denied: ({ host, mounts }) =>
      mounts && !host.probes['bind-procfs'].ok
        ? 'an image with such directories needs the ptrace engine'
        : 'not needed here'
  },
  {
    group: ROOT,
    probe: 'overlay',
    check: 'overlay file system as root',
    works: '--writable-tmpfs and --overlay work',
    denied: ({ host }) => (host.probes['user-overlay'].ok ? 'the one in a user namespace does' : withoutOverlay(host))
  },
  {
    group: ROOT,
    probe: 'user-overlay',
    check: 'overlay in a user namespace',
    works: '--writable-tmpfs and --overlay work without root',
    denied: ({ host }) => (host.probes.overlay.ok ? 'the one of root does' : withoutOverlay(host))
  },
  {
    group: DEVICES,
    probe: 'loop-device',
    check: 'loop device',
    works: 'a SIF is mounted and starts at once',
    denied: ({ host }) =>
      servesImages(host)
        ? 'squashfuse_ll serves a SIF by FUSE instead'
        : 'a SIF is unpacked once into the store; later starts use that tree'
  },
  {
    group: DEVICES,
    probe: 'fuse-device',
    check: '/dev/fuse',
    works: 'a program may serve a file system',
    denied: ({ host }) => withoutFuse(host)
  },
  {
    group: DEVICES,
    probe: 'fuse-mount',
    check: 'FUSE mount',
    works: ({ host }) =>
      mountsImages(host)
        ? 'not needed for a SIF: loop devices work'
        : servesImages(host)
          ? 'squashfuse_ll serves a SIF, which starts at once'
          : 'would spare the unpacking, with squashfuse_ll',
    denied: ({ host }) => withoutFuse(host)
  },
  {
    group: DEVICES,
    probe: 'mknod',
    check: 'device nodes (mknod)',
    works: 'device nodes of an image are kept',
    denied: 'device nodes of an image are left out; containers have /dev of the host'
  },
  {
    group: PROCESSES,
    probe: 'ptrace',
    check: 'ptrace',
    works: ({ mounts, host }) =>
      mounts ? 'PRoot could run, and is not needed' : host.tools['proot'] ? 'PRoot can run' : 'PRoot could run',
    denied: ({ mounts }) => (mounts ? 'not needed' : 'there is no way to start a container'),
    remedy: ({ mounts }) =>
      mounts ? undefined : 'permit ptrace: sysctl kernel.yama.ptrace_scope=1, or a seccomp profile with ptrace'
  },
  {
    group: PROCESSES,
    probe: 'seccomp-filter',
    check: 'seccomp filter',
    works: '--fakeroot can satisfy package managers with a single id',
    denied: 'package managers may fail with --fakeroot'
  },
  {
    group: PROCESSES,
    probe: 'seccomp-notification',
    check: 'seccomp notification',
    works: 'not used yet',
    denied: 'nothing depends on it'
  }
];
