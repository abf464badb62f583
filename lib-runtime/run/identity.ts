// SPDX-License-Identifier: BSD-3-Clause
/** Which namespaces the caller needs so that mounts may be made, and who he is inside (DESIGN.md 2). Pure. */
import type { IAccount, IHostFacts, IIdRange, IProbeResult } from '../host/facts.ts';
import type { IPlannedStep, Step } from '../engines/steps.ts';
import type { INote, IRefusal } from './plan-types.ts';
import type { IRunSpec, ISecurity } from './spec.ts';

type Unshare = Extract<Step, { op: 'unshare' }>;

export type Identity =
  /** `privileged`: no user namespace is involved, so loop devices are within reach. */
  | {
      readonly ok: true;
      readonly privileged: boolean;
      readonly unshare: Unshare;
      readonly reason: string;
      /** Ownership is only pretended: there is one id, and package managers ask for more. */
      readonly fakes: boolean;
      /** Files of other ids than the caller's can be owned inside, so that an image keeps its owners. */
      readonly severalIds: boolean;
      readonly notes: readonly INote[];
    }
  | { readonly ok: false; readonly reason: string };

/** What of a RunSpec decides on the identity. */
export type Wishes = Pick<IRunSpec, 'userNamespace' | 'fakeroot' | 'as' | 'writableTmpfs' | 'overlayDriver'>;

/** Real root with the right to mount: CAP_SYS_ADMIN and a mount namespace that could be made. */
export function isPrivileged(host: IHostFacts): boolean {
  return host.account.uid === 0 && host.capabilities.includes('CAP_SYS_ADMIN') && host.probes['mount-namespace'].ok;
}

/** --userns and --fakeroot ask for a user namespace also where root needs none. */
export function callerIdentity(host: IHostFacts, wishes: Wishes): Identity {
  const asked = wishes.fakeroot ? '--fakeroot' : wishes.userNamespace ? '--userns' : undefined;
  const probe = host.probes['user-mount-namespace'];
  const severalIds = host.account.uid === 0 && idCount(host.idMaps?.uid) > 1;
  const unshared = { op: 'unshare', namespaces: ['mount'] } as const;
  const real = { ok: true, privileged: true, unshare: unshared, fakes: false, severalIds } as const;
  if (isPrivileged(host) && asked === undefined) {
    return { ...real, reason: 'root with CAP_SYS_ADMIN may mount; no user namespace is needed', notes: [] };
  }
  if (isPrivileged(host) && wishes.fakeroot && !probe.ok) {
    const text = `no user namespace can be made${errnoText(probe)}: you are real root inside, as outside`;
    return { ...real, reason: text, notes: [{ level: 'info', text }] };
  }
  if (!probe.ok) {
    const why = host.probes['user-namespace'].ok
      ? `no mount namespace can be made in a user namespace${errnoText(probe)}`
      : `no user namespace can be made${errnoText(host.probes['user-namespace'])}`;
    const lacks = host.account.uid === 0 && !isPrivileged(host);
    return { ok: false, reason: lacks ? `root has no CAP_SYS_ADMIN here, and ${why}` : why };
  }
  const { kind, unshare, reason } = idMaps(host, wishes);
  return {
    ok: true,
    privileged: false,
    unshare: { op: 'unshare', namespaces: ['user', 'mount'], ...unshare },
    reason: `${asked === undefined ? 'mounting needs' : `${asked} asks for`} a user namespace; ${reason}`,
    fakes: wishes.fakeroot && kind === 'single',
    severalIds: kind === 'range' || (kind === 'full' && severalIds),
    notes: []
  };
}

/** What the kernel wants of one that maps ids beside its own (user_namespaces(7)); SETFCAP for mapping uid 0. */
const MAPPING = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETFCAP'];

interface IIdMaps {
  readonly kind: 'full' | 'range' | 'single';
  readonly unshare: Pick<Unshare, 'uidMap' | 'gidMap' | 'mapHelpers'>;
  readonly reason: string;
}

/**
 * Root hands on every id that it has itself, as apt and others need more than one; a user that is to be root gets the
 * range of /etc/subuid, else but his own id.
 */
function idMaps(host: IHostFacts, wishes: Wishes): IIdMaps {
  const { uid, gid } = host.account;
  if (uid === 0 && MAPPING.every(name => host.capabilities.includes(name))) {
    const unshare = { uidMap: handedOn(host.idMaps?.uid), gidMap: handedOn(host.idMaps?.gid) };
    return { kind: 'full', unshare, reason: 'every id stays what it is' };
  }
  const helpers = rangeHelpers(host, wishes);
  if (helpers !== undefined && host.subordinate !== undefined) {
    const { uid: uids, gid: gids } = host.subordinate;
    const reason = `uid ${uid} and gid ${gid} are root, the others come from the ranges of /etc/subuid and /etc/subgid`;
    return {
      kind: 'range',
      unshare: { uidMap: rangeMap(uid, uids), gidMap: rangeMap(gid, gids), mapHelpers: helpers },
      reason
    };
  }
  return single(host.account, wishes.fakeroot);
}

function single({ uid, gid }: Pick<IAccount, 'uid' | 'gid'>, root: boolean): IIdMaps {
  const inside = (id: number): number => (root ? 0 : id);
  return {
    kind: 'single',
    unshare: { uidMap: `${inside(uid)} ${uid} 1`, gidMap: `${inside(gid)} ${gid} 1` },
    reason:
      uid === 0
        ? 'uid 0 and gid 0 stay what they are'
        : `uid ${uid} and gid ${gid} ${root ? 'are root' : 'stay what they are'}`
  };
}

/**
 * newuidmap and newgidmap where they are of use. A writable copy on disk would keep files of subordinate ids, which the
 * user could not remove afterwards: there a single id has to do.
 */
function rangeHelpers({ account, tools, probes }: IHostFacts, wishes: Wishes): readonly [string, string] | undefined {
  const { newuidmap, newgidmap } = tools;
  const { writableTmpfs, overlayDriver: driver } = wishes;
  const copied = writableTmpfs && (driver === 'copy' || (driver === undefined && !probes['user-overlay'].ok));
  return account.uid !== 0 && wishes.fakeroot && !copied && newuidmap !== undefined && newgidmap !== undefined
    ? [newuidmap, newgidmap]
    : undefined;
}

function rangeMap(id: number, { start, count }: IIdRange): string {
  return `0 ${id} 1\n1 ${start} ${count}`;
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

/** How many ids a map of /proc/PID/uid_map holds. */
function idCount(map: string | undefined): number {
  return handedOn(map)
    .split('\n')
    .reduce((sum, line) => sum + Number(line.split(' ')[2] ?? 0), 0);
}

/** After no-new-privileges: what makes package managers content with a single id. */
export const FAKE_ROOT: IPlannedStep = {
  step: { op: 'fake-root' },
  reason: 'there is one id only: chown, setuid and mknod are answered with success and do nothing'
};

/** Who the caller is inside: root with --fakeroot, an account without rights with `--as user`, else himself. */
export function insideAccount(
  wishes: Pick<IRunSpec, 'fakeroot' | 'as'>,
  host: Pick<IHostFacts, 'account' | 'unprivileged'>
): IAccount {
  const { account, unprivileged } = host;
  if (wishes.as === 'user' && account.uid === 0 && unprivileged !== undefined) {
    return unprivileged.account;
  }
  return wishes.fakeroot && account.uid !== 0
    ? { ...account, uid: 0, gid: 0, name: 'root', gecos: 'root', groups: [{ gid: 0, name: 'root' }] }
    : account;
}

/**
 * `--as user` or `--security uid:N` where the caller is root: the step that gives root up, and what is said; nothing for
 * everybody else.
 */
export function accountDrop(
  wishes: Pick<IRunSpec, 'fakeroot' | 'as' | 'security'>,
  host: IHostFacts
): { readonly steps: readonly IPlannedStep[]; readonly notes: readonly INote[] } | IRefusal {
  const { account, unprivileged } = host;
  if (wishes.security !== undefined && account.uid === 0) {
    return numbersDrop(wishes.security, host);
  }
  if (wishes.as !== 'user' || account.uid !== 0 || unprivileged === undefined) {
    return { steps: [], notes: [] };
  }
  const { uid, gid, name, groups } = unprivileged.account;
  const problem = whyNoDrop(host, uid, gid);
  if (problem !== undefined) {
    return {
      kind: 'refusal',
      code: 'refused',
      message: `--as user: root cannot become uid ${uid} here`,
      reason: problem,
      fix: 'Leave --as out: you are root inside then'
    };
  }
  const { enter, write } = unprivileged.workingDirectory;
  const { workingDirectory } = host;
  const able = enter ? 'can read but not write' : 'cannot enter';
  const notes: INote[] = [{ level: 'info', text: `--as user: uid ${uid} (${name}), ${unprivileged.origin}` }];
  if (!write) {
    notes.push({
      level: 'warning',
      text:
        `uid ${uid} ${able} the working directory ${workingDirectory}, which is not its own: ` +
        `start in a directory that it may write, or give it this one (chown ${uid} ${workingDirectory})`
    });
  }
  return {
    steps: [
      {
        step: { op: 'account', uid, gid, groups: groups.map(group => group.gid) },
        reason: `--as user: ${unprivileged.origin}`
      }
    ],
    notes
  };
}

/** Numbers only, as Apptainer: home, name and the rest of the environment stay those of root. */
function numbersDrop(
  { uid = 0, gids = [0] }: ISecurity,
  host: IHostFacts
): { readonly steps: readonly IPlannedStep[]; readonly notes: readonly INote[] } | IRefusal {
  const [gid = 0] = gids;
  const problem = whyNoDrop(host, uid, gid);
  return problem === undefined
    ? { steps: [{ step: { op: 'account', uid, gid, groups: gids }, reason: '--security' }], notes: [] }
    : {
        kind: 'refusal',
        code: 'refused',
        message: `--security: root cannot become uid ${uid} and gid ${gid} here`,
        reason: problem,
        fix: 'Leave --security out: you are root inside then'
      };
}

function whyNoDrop(host: IHostFacts, uid: number, gid: number): string | undefined {
  const missing = ['CAP_SETUID', 'CAP_SETGID'].filter(name => !host.capabilities.includes(name));
  if (missing.length > 0) {
    return `root has no ${missing.join(' and no ')}`;
  }
  const has = (map: string | undefined, id: number): boolean =>
    handedOn(map)
      .split('\n')
      .map(line => line.split(' ').map(Number))
      .some(([inside = 0, , count = 0]) => id >= inside && id < inside + count);
  return has(host.idMaps?.uid, uid) && has(host.idMaps?.gid, gid)
    ? undefined
    : 'this user namespace has no other id than those of root';
}

/** ` (EPERM)`, or nothing when no errno was recorded. */
export function errnoText(probe: IProbeResult): string {
  return probe.errno === undefined ? '' : ` (${probe.errno})`;
}
