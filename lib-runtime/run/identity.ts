// SPDX-License-Identifier: BSD-3-Clause
/** Which namespaces the caller needs so that mounts may be made, and who he is inside. */
import type { IAccount, IHostFacts, IProbeResult } from '../host/facts.ts';
import type { Step } from '../engines/steps.ts';
import type { IRunSpec } from './spec.ts';

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

/** Pure. --userns and --fakeroot ask for a user namespace also where root needs none. */
export function callerIdentity(host: IHostFacts, wishes: Pick<IRunSpec, 'userNamespace' | 'fakeroot'>): Identity {
  const asked = wishes.fakeroot ? '--fakeroot' : wishes.userNamespace ? '--userns' : undefined;
  if (isPrivileged(host) && asked === undefined) {
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
    const lacks = host.account.uid === 0 && !isPrivileged(host);
    return { ok: false, reason: lacks ? `root has no CAP_SYS_ADMIN here, and ${why}` : why };
  }
  const { uid, gid } = host.account;
  const maps = idMaps(host, wishes.fakeroot);
  const kept =
    uid === 0
      ? 'every id stays what it is'
      : `uid ${uid} and gid ${gid} ${maps.root ? 'are root' : 'stay what they are'}`;
  return {
    ok: true,
    privileged: false,
    unshare: { op: 'unshare', namespaces: ['user', 'mount'], uidMap: maps.uid, gidMap: maps.gid },
    reason: `${asked === undefined ? 'mounting needs' : `${asked} asks for`} a user namespace; ${maps.full || uid !== 0 ? kept : 'uid 0 and gid 0 stay what they are'}`
  };
}

/** What the kernel wants of one that maps ids beside its own (user_namespaces(7)); SETFCAP for mapping uid 0. */
const MAPPING = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETFCAP'];

/** Root hands on every id that it has itself, as apt and others need more than one; a user has but his own. */
function idMaps(
  { account: { uid, gid }, capabilities, idMaps: own }: IHostFacts,
  fakeroot: boolean
): { readonly uid: string; readonly gid: string; readonly full: boolean; readonly root: boolean } {
  if (uid === 0 && MAPPING.every(name => capabilities.includes(name))) {
    return { uid: handedOn(own?.uid), gid: handedOn(own?.gid), full: true, root: true };
  }
  const inside = (id: number): number => (fakeroot ? 0 : id);
  return { uid: `${inside(uid)} ${uid} 1`, gid: `${inside(gid)} ${gid} 1`, full: false, root: fakeroot || uid === 0 };
}

/** The map that keeps each id of ours (`inside outside count` lines) what it is. */
function handedOn(map = '0 0 4294967295'): string {
  return map
    .trim()
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .map(([inside = '0', , count = '1']) => `${inside} ${inside} ${count}`)
    .join('\n');
}

/** Who the caller is inside: root with --fakeroot, else himself. */
export function insideAccount(wishes: Pick<IRunSpec, 'fakeroot'>, account: IAccount): IAccount {
  return wishes.fakeroot && account.uid !== 0
    ? { ...account, uid: 0, gid: 0, name: 'root', gecos: 'root', groups: [{ gid: 0, name: 'root' }] }
    : account;
}

/** ` (EPERM)`, or nothing when no errno was recorded. */
export function errnoText(probe: IProbeResult): string {
  return probe.errno === undefined ? '' : ` (${probe.errno})`;
}
