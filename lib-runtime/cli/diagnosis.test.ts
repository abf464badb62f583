// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { type IHostFacts, PROBES, type ProbeName } from '../host/facts.ts';
import type { IPlace, ISurvey } from '../host/survey.ts';
import { hostFacts, ROOT } from '../run/testing.ts';
import { CHECKS } from './checks.ts';
import { describeMachine, diagnose, type IFinding } from './diagnosis.ts';

function around(more: Partial<ISurvey> = {}): ISurvey {
  return {
    noNewPrivileges: false,
    seccomp: 'none',
    settings: {},
    cores: 2,
    memoryBytes: 8 * 1024 ** 3,
    places: [],
    ...more
  };
}

function all(names: readonly ProbeName[], errno: string): Partial<Record<ProbeName, string>> {
  return Object.fromEntries(names.map(name => [name, errno]));
}

const MOUNTS: readonly ProbeName[] = ['tmpfs', 'bind', 'bind-procfs', 'fresh-procfs', 'pivot-root', 'user-overlay'];
const NAMESPACES: readonly ProbeName[] = ['user-namespace', 'mount-namespace', 'user-mount-namespace', 'user-full-map'];

const COLAB = hostFacts({ 'bind-procfs': 'EACCES', 'fresh-procfs': 'EACCES', 'loop-device': 'ENOENT' }, ROOT);
const SERVED = { ...COLAB, tools: { squashfuse_ll: '/usr/bin/squashfuse_ll' } };
const KAGGLE = hostFacts(all([...NAMESPACES, ...MOUNTS, 'overlay'], 'EPERM'), {
  ...ROOT,
  capabilities: ['CAP_MKNOD', 'CAP_SETUID', 'CAP_SYS_CHROOT'],
  tools: { proot: '/usr/bin/proot' }
});
const POD = hostFacts({
  ...all(['user-mount-namespace', ...MOUNTS], 'EACCES'),
  ...all(['mount-namespace', 'overlay', 'chroot', 'user-full-map'], 'EPERM')
});
const CLUSTER = hostFacts({
  ...all(['mount-namespace', 'overlay', 'chroot', 'user-full-map', 'mknod'], 'EPERM'),
  'loop-device': 'EACCES'
});

function find(host: IHostFacts, survey: ISurvey, check: RegExp): IFinding | undefined {
  return diagnose(host, survey).find(finding => check.test(finding.check));
}

describe('diagnose', () => {
  it('has one row for each probe', () => {
    expect(CHECKS.map(({ probe }) => probe).sort()).toEqual([...PROBES].sort());
    // A group is shown in one piece.
    const groups = CHECKS.map(({ group }) => group).filter((group, at, list) => group !== list[at - 1]);
    expect(new Set(groups).size).toBe(groups.length);
  });

  it('finds nothing denied where everything works', () => {
    const findings = diagnose(hostFacts({}, ROOT), around());
    expect(findings.filter(({ outcome }) => outcome === 'denied')).toEqual([]);
    expect(findings.filter(({ remedy }) => remedy !== undefined)).toEqual([]);
    expect(findings.filter(({ check }) => check === 'squashfuse_ll')).toEqual([]);
  });

  const FILTER = around({ seccomp: 'filter' });
  const APPARMOR = around({ label: 'docker-default (enforce)', noNewPrivileges: true });
  it.each<[string, IHostFacts, ISurvey, RegExp, Partial<IFinding>]>([
    [
      'colab',
      COLAB,
      around(),
      /bind of \/proc/,
      {
        outcome: 'denied',
        errno: 'EACCES',
        by: 'security module',
        consequence: 'in-place root: / and /proc stay, the directories of the image are bound over'
      }
    ],
    [
      'colab',
      COLAB,
      around(),
      /loop/,
      { by: 'no such device', consequence: 'a SIF is unpacked once into the store; later starts use that tree' }
    ],
    [
      'colab',
      COLAB,
      around(),
      /FUSE mount/,
      { outcome: 'works', consequence: 'would spare the unpacking, with squashfuse_ll' }
    ],
    [
      'colab',
      COLAB,
      around(),
      /squashfuse_ll/,
      { outcome: 'absent', remedy: 'install squashfuse: a SIF starts at once then' }
    ],
    ['colab with squashfuse', SERVED, around(), /loop/, { consequence: 'squashfuse_ll serves a SIF by FUSE instead' }],
    [
      'colab with squashfuse',
      SERVED,
      around(),
      /FUSE mount/,
      { consequence: 'squashfuse_ll serves a SIF, which starts at once' }
    ],
    ['colab with squashfuse', SERVED, around(), /^squashfuse_ll/, { outcome: 'works' }],
    [
      'a machine',
      hostFacts({}, ROOT),
      around(),
      /FUSE mount/,
      { consequence: 'not needed for a SIF: loop devices work' }
    ],
    [
      'a host that has fuse-overlayfs and no overlay',
      hostFacts(
        { overlay: 'EPERM', 'user-overlay': 'EPERM' },
        { tools: { 'fuse-overlayfs': '/usr/bin/fuse-overlayfs' } }
      ),
      around(),
      /overlay in a user namespace/,
      { consequence: '--writable-tmpfs takes a copy of the image; --overlay needs --overlay-driver fuse' }
    ],
    ['colab', COLAB, around(), /PRoot/, { outcome: 'absent', consequence: 'not needed: the namespaces engine works' }],
    [
      'kaggle',
      KAGGLE,
      FILTER,
      /^user namespace$/,
      { by: 'seccomp filter', remedy: 'a seccomp profile that permits unshare, clone and mount with namespaces' }
    ],
    ['kaggle', KAGGLE, FILTER, /^tmpfs$/, { by: 'no mount namespace', consequence: 'the ptrace engine needs none' }],
    ['kaggle', KAGGLE, FILTER, /bind of \/proc/, { consequence: 'the ptrace engine needs none' }],
    [
      'kaggle',
      KAGGLE,
      FILTER,
      /PRoot/,
      { outcome: 'works', consequence: 'the ptrace engine starts containers without mounts' }
    ],
    [
      'kaggle',
      KAGGLE,
      FILTER,
      /overlay file system/,
      {
        by: 'root without CAP_SYS_ADMIN',
        consequence: '--writable-tmpfs takes a copy of the image, --overlay is refused'
      }
    ],
    [
      'a pod',
      POD,
      APPARMOR,
      /mounts in a user namespace/,
      {
        by: 'security module (docker-default (enforce))',
        remedy:
          'an AppArmor profile that permits mount (docker: --security-opt apparmor=unconfined; Kubernetes: appArmorProfile Unconfined)'
      }
    ],
    ['a pod', POD, APPARMOR, /^user namespace$/, { outcome: 'works', consequence: 'of no use without mounts in it' }],
    ['a pod without PRoot', POD, APPARMOR, /PRoot/, { outcome: 'absent', remedy: 'install the Debian package proot' }],
    [
      'a cluster',
      CLUSTER,
      around(),
      /^mount namespace/,
      { by: 'not root', consequence: 'a user namespace is made first' }
    ],
    [
      'a cluster',
      CLUSTER,
      around(),
      /newuidmap/,
      {
        outcome: 'absent',
        consequence: '--fakeroot has one id, and pretends the others',
        remedy: 'install uidmap and give the account a range in /etc/subuid and /etc/subgid'
      }
    ],
    ['a cluster', CLUSTER, around(), /overlay file system/, { consequence: 'the one in a user namespace does' }],
    [
      'an account with a range',
      { ...CLUSTER, subordinate: { uid: { start: 100000, count: 65536 }, gid: { start: 100000, count: 65536 } } },
      around(),
      /newuidmap/,
      { outcome: 'works', consequence: '--fakeroot has 65536 ids of its own' }
    ],
    [
      'CentOS 7',
      hostFacts(all([...NAMESPACES, ...MOUNTS], 'ENOSPC')),
      around({ settings: { 'user.max_user_namespaces': '0' } }),
      /^user namespace$/,
      { by: 'user.max_user_namespaces = 0', remedy: 'sysctl user.max_user_namespaces=15000' }
    ],
    [
      'Ubuntu 24.04',
      hostFacts(all([...NAMESPACES, ...MOUNTS], 'EACCES')),
      around({ settings: { 'kernel.apparmor_restrict_unprivileged_userns': '1' } }),
      /^user namespace$/,
      { remedy: 'sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with `userns,`' }
    ],
    [
      'no ptrace either',
      hostFacts(all([...MOUNTS, 'ptrace'], 'EPERM')),
      FILTER,
      /^ptrace$/,
      {
        consequence: 'there is no way to start a container',
        remedy: 'permit ptrace: sysctl kernel.yama.ptrace_scope=1, or a seccomp profile with ptrace'
      }
    ]
  ])('%s: %s', (_name, host, survey, check, expected) => {
    expect(find(host, survey, check)).toMatchObject(expected);
  });

  it('takes a probe that was not made for absent', () => {
    const host = hostFacts();
    const probes = { ...host.probes, overlay: undefined } as unknown as IHostFacts['probes'];
    expect(find({ ...host, probes }, around(), /overlay file system/)).toMatchObject({ outcome: 'absent' });
  });

  const place: IPlace = {
    name: 'store',
    path: '/s',
    fileSystem: 'nfs4',
    noexec: false,
    readOnly: false,
    freeBytes: 2 ** 30,
    totalBytes: 2 ** 31
  };
  it.each<[Partial<IPlace>, Partial<IFinding>]>([
    [{}, { check: 'store (nfs4, 1.0 GiB free)', outcome: 'works' }],
    [
      { noexec: true },
      { outcome: 'denied', by: 'mounted noexec', remedy: 'set NBCONTAINER_HOME to a directory without noexec' }
    ],
    [
      { readOnly: true },
      { outcome: 'denied', by: 'mounted read-only', consequence: 'nothing can be pulled or unpacked' }
    ],
    [
      { name: 'temporary files', noexec: true },
      { outcome: 'denied', consequence: 'programs that lie there cannot be executed, in a container neither' }
    ]
  ])('says of a directory with %j what is wrong', (more, expected) => {
    expect(diagnose(hostFacts(), around({ places: [{ ...place, ...more }] })).at(-1)).toMatchObject(expected);
  });
});

describe('describeMachine', () => {
  it.each<[IHostFacts, ISurvey, string]>([
    [
      POD,
      around({ seccomp: 'filter', noNewPrivileges: true, label: 'docker-default (enforce)' }),
      'uid 1000, no capabilities, no_new_privs, seccomp filter, label docker-default (enforce)'
    ],
    [KAGGLE, around(), 'uid 0, 3 capabilities, no SYS_ADMIN'],
    [COLAB, around(), 'uid 0, 1 capability with SYS_ADMIN']
  ])('%#', (host, survey, expected) => {
    expect(describeMachine(host, survey)[0]).toBe(expected);
  });

  it('says what memory and processors there are', () => {
    expect(describeMachine(hostFacts(), around({ cores: 1 }))[1]).toBe(
      '8.0 GiB of 8.0 GiB memory available, 1 processor'
    );
  });
});
