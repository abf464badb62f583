// SPDX-License-Identifier: BSD-3-Clause
/** Who the caller may be inside a container: ranges of subordinate ids, and an account without rights for root. */
import { statSync, type Stats } from 'node:fs';
import { composeAccount, findPasswdEntry, parseGroups, readText } from './account.ts';
import type { IAccount, IHostFacts, IIdRange, IUnprivileged } from './facts.ts';

/** UID_MIN and UID_MAX of login.defs(5) as Debian has them: accounts of people. */
const FIRST_REGULAR = 1000;
const LAST_REGULAR = 59_999;

const isRegular = (uid: number): boolean => uid >= FIRST_REGULAR && uid <= LAST_REGULAR;

/** The account's first range in text of subuid(5) or subgid(5); lines go by name or by uid. */
export function findSubordinateRange(text: string, account: Pick<IAccount, 'name' | 'uid'>): IIdRange | undefined {
  for (const line of text.split('\n')) {
    const [owner, start, count] = line.split(':');
    if ((owner === account.name || owner === String(account.uid)) && isNumber(start) && isNumber(count)) {
      const range = { start: Number(start), count: Number(count) };
      if (range.count > 0 && range.start > 0) {
        return range;
      }
    }
  }
  return undefined;
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,10}$/.test(text);
}

export interface IUnprivilegedInputs {
  readonly passwd: string;
  readonly group: string;
  /** SUDO_UID. */
  readonly sudo: string | undefined;
  /** Of the working directory. */
  readonly directory: { readonly uid: number; readonly gid: number; readonly mode: number };
}

/**
 * Who `--as user` is where the caller is root: the account behind sudo, else the owner of the working directory, else
 * an id that nobody has, which exists in the container's passwd alone. Somebody else's account is never borrowed, and
 * nothing on the host is changed. Pure.
 */
export function chooseUnprivileged(inputs: IUnprivilegedInputs): Pick<IUnprivileged, 'account' | 'origin'> {
  const { passwd, group, sudo, directory } = inputs;
  if (isNumber(sudo) && isRegular(Number(sudo)) && findPasswdEntry(passwd, Number(sudo)) !== undefined) {
    return { account: known(Number(sudo), passwd, group), origin: 'the account that called sudo' };
  }
  if (isRegular(directory.uid)) {
    const { uid, gid } = directory;
    const entry = findPasswdEntry(passwd, uid);
    const account = entry ? known(uid, passwd, group) : free(uid, gid, parseGroups(group).get(gid));
    return { account, origin: 'the owner of the working directory' };
  }
  const groups = parseGroups(group);
  let uid = FIRST_REGULAR;
  while (uid < LAST_REGULAR && (findPasswdEntry(passwd, uid) !== undefined || groups.has(uid))) {
    uid++;
  }
  return {
    account: free(uid, uid, undefined),
    origin: 'an id that nobody has here; it gets no account on this machine'
  };
}

function known(uid: number, passwd: string, group: string): IAccount {
  const gid = findPasswdEntry(passwd, uid)?.gid ?? uid;
  return composeAccount({ uid, gid, groups: [gid], passwd, group, env: {} });
}

function free(uid: number, gid: number, group: string | undefined): IAccount {
  const name = 'user';
  return { uid, gid, name, gecos: '', home: '/home/user', shell: '/bin/sh', groups: [{ gid, name: group ?? name }] };
}

/** What the permission bits let an account do with a directory (ACLs are not looked at). Pure. */
export function rightsOn(
  { uid, gid, mode }: IUnprivilegedInputs['directory'],
  account: Pick<IAccount, 'uid' | 'groups'>
): { readonly enter: boolean; readonly write: boolean } {
  const shift = uid === account.uid ? 6 : account.groups.some(group => group.gid === gid) ? 3 : 0;
  const bits = (mode >> shift) & 7;
  return { enter: (bits & 1) !== 0, write: (bits & 3) === 3 };
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** The two facts, each for whom it is of use: an ordinary user, root. */
export function gatherIdentities(
  account: IAccount,
  noNewPrivileges: boolean,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string
): Pick<IHostFacts, 'subordinate' | 'unprivileged'> {
  if (account.uid !== 0) {
    if (noNewPrivileges) {
      return {}; // newuidmap is setuid root: it would have no rights
    }
    const uid = findSubordinateRange(readText('/etc/subuid'), account);
    const gid = findSubordinateRange(readText('/etc/subgid'), account);
    return uid && gid ? { subordinate: { uid, gid } } : {};
  }
  const [passwd, group] = [readText('/etc/passwd'), readText('/etc/group')];
  const directory = look(cwd) ?? { uid: 0, gid: 0, mode: 0 };
  const chosen = chooseUnprivileged({ passwd, group, sudo: env['SUDO_UID'], directory });
  const home = look(chosen.account.home);
  const hasHome = home !== undefined && home.isDirectory() && home.uid === chosen.account.uid;
  return { unprivileged: { ...chosen, hasHome, workingDirectory: rightsOn(directory, chosen.account) } };
}
