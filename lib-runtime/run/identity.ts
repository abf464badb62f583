// SPDX-License-Identifier: BSD-3-Clause
/** Which namespaces the caller needs so that mounts may be made, and who he is inside: himself. */
import type { IHostFacts, IProbeResult } from '../host/facts.ts';
import type { Step } from '../engines/steps.ts';

export type Identity =
  /** `privileged`: no user namespace is involved, so loop devices and host entries are within reach. */
  | {
      readonly ok: true;
      readonly privileged: boolean;
      readonly unshare: Extract<Step, { op: 'unshare' }>;
      readonly reason: string;
    }
  | { readonly ok: false; readonly reason: string };

/** Real root with the right to mount: CAP_SYS_ADMIN and a mount namespace that could be made. */
export function isPrivileged(host: IHostFacts): boolean {
  return host.account.uid === 0 && host.capabilities.includes('CAP_SYS_ADMIN') && host.probes['mount-namespace'].ok;
}

/** Pure. */
export function callerIdentity(host: IHostFacts): Identity {
  if (isPrivileged(host)) {
    return {
      ok: true,
      privileged: true,
      unshare: { op: 'unshare', namespaces: ['mount'] },
      reason: 'root with CAP_SYS_ADMIN may mount; no user namespace is needed'
    };
  }
  const probe = host.probes['user-mount-namespace'];
  if (!probe.ok) {
    const why = host.probes['user-namespace'].ok
      ? `no mount namespace can be made in a user namespace${errnoText(probe)}`
      : `no user namespace can be made${errnoText(host.probes['user-namespace'])}`;
    return { ok: false, reason: host.account.uid === 0 ? `root has no CAP_SYS_ADMIN here, and ${why}` : why };
  }
  const { uid, gid } = host.account;
  return {
    ok: true,
    privileged: false,
    unshare: {
      op: 'unshare',
      namespaces: ['user', 'mount'],
      uidMap: `${uid} ${uid} 1`,
      gidMap: `${gid} ${gid} 1`
    },
    reason: `mounting needs a user namespace; uid ${uid} and gid ${gid} stay what they are`
  };
}

/** ` (EPERM)`, or nothing when no errno was recorded. */
export function errnoText(probe: IProbeResult): string {
  return probe.errno === undefined ? '' : ` (${probe.errno})`;
}
