// SPDX-License-Identifier: BSD-3-Clause
/** What `doctor` says, computed from HostFacts alone: a check, its outcome, what follows, who could change it. */
import type { IHostFacts, IProbeResult, ProbeName } from '../host/facts.ts';

export interface IFinding {
  readonly check: string;
  readonly outcome: 'works' | 'denied' | 'absent';
  readonly errno?: string;
  /** What nbcontainer does about it. */
  readonly consequence: string;
  /** What an administrator could change, when something can be. */
  readonly remedy?: string;
}

interface ICheck {
  readonly probe: ProbeName;
  readonly check: string;
  readonly works: string;
  readonly denied: string;
  readonly remedy?: string;
}

const CHECKS: readonly ICheck[] = [
  {
    probe: 'mount-namespace',
    check: 'mount namespace, as you are',
    works: 'containers start with your own rights',
    denied: 'a user namespace is tried first'
  },
  {
    probe: 'user-mount-namespace',
    check: 'user namespace with mounts',
    works: 'containers start without root',
    denied: 'without root only the ptrace engine is left',
    remedy: 'allow unprivileged user namespaces (user.max_user_namespaces, AppArmor, seccomp profile)'
  },
  {
    probe: 'tmpfs',
    check: 'mount a tmpfs',
    works: 'the root of a container is put together in memory',
    denied: 'mounts are denied: the ptrace engine is used',
    remedy: 'an AppArmor or seccomp profile that permits mount'
  },
  {
    probe: 'bind',
    check: 'bind mount',
    works: 'your files appear in the container at native speed',
    denied: 'the ptrace engine translates paths instead, slower'
  },
  {
    probe: 'bind-procfs',
    check: 'bind mount of /proc',
    works: 'the usual root (pivot) is used',
    denied: 'the in-place root is used: / and /proc stay, the directories of the image are bound over'
  },
  {
    probe: 'fresh-procfs',
    check: 'new procfs',
    works: 'containers could have a process list of their own',
    denied: 'containers see the processes of the host'
  },
  {
    probe: 'pivot-root',
    check: 'change of root (pivot_root)',
    works: 'the host is out of sight in the container',
    denied: 'the in-place root or the ptrace engine is used'
  },
  {
    probe: 'overlay',
    check: 'overlay file system',
    works: '--writable-tmpfs works',
    denied: '--writable-tmpfs is refused'
  },
  {
    probe: 'user-overlay',
    check: 'overlay in a user namespace',
    works: '--writable-tmpfs works without root',
    denied: '--writable-tmpfs needs root here'
  },
  {
    probe: 'loop-device',
    check: 'loop device',
    works: 'a SIF is mounted and starts at once',
    denied: 'a SIF is unpacked once into the store; later starts use that tree'
  },
  {
    probe: 'fuse-device',
    check: '/dev/fuse',
    works: 'FUSE is there (not used yet)',
    denied: 'no FUSE: a SIF is unpacked once into the store'
  },
  {
    probe: 'ptrace',
    check: 'ptrace',
    works: 'the ptrace engine can be used when PRoot is there',
    denied: 'there is no way to start without mounts'
  },
  {
    probe: 'seccomp-filter',
    check: 'seccomp filter',
    works: 'system calls could be filtered',
    denied: 'nothing depends on it yet'
  },
  {
    probe: 'write-root',
    check: 'new entries in /',
    works: 'the in-place root can show directories that the host lacks',
    denied: 'images with such directories need another root'
  }
];

/** Findings in the order of the table; a probe that was not made counts as absent. */
export function diagnose(host: IHostFacts): IFinding[] {
  const findings = CHECKS.map(check => finding(check, host.probes[check.probe]));
  const proot = host.tools['proot'];
  findings.push({
    check: 'PRoot',
    outcome: proot === undefined ? 'absent' : 'works',
    consequence:
      proot === undefined
        ? 'the ptrace engine cannot be used'
        : 'the ptrace engine can be used where mounts are denied',
    ...(proot === undefined && { remedy: 'install the Debian package proot' })
  });
  return findings;
}

function finding(check: ICheck, result: IProbeResult | undefined): IFinding {
  if (result?.ok) {
    return { check: check.check, outcome: 'works', consequence: check.works };
  }
  return {
    check: check.check,
    outcome: result === undefined ? 'absent' : 'denied',
    consequence: check.denied,
    ...(result?.errno !== undefined && { errno: result.errno }),
    ...(check.remedy !== undefined && { remedy: check.remedy })
  };
}

/** One paragraph on the graphics card. */
export function diagnoseGpu(host: IHostFacts): string {
  const gpu = host.gpu;
  if (gpu === undefined || (gpu.driverVersion === undefined && gpu.libraries.length === 0)) {
    return 'no NVIDIA driver found';
  }
  const directories = new Set(gpu.libraries.map(library => library.source.replace(/\/[^/]*$/, '')));
  const where = directories.size > 0 ? ` in ${[...directories].join(', ')}` : '';
  return `NVIDIA driver ${gpu.driverVersion ?? '(version unknown)'}, ${gpu.libraries.length} libraries${where}, ${
    gpu.devices.length
  } devices`;
}
