// SPDX-License-Identifier: BSD-3-Clause
/** The calling account, from the system's tables (passwd(5), group(5)) without a shell or another program. */
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { IAccount } from './facts.ts';

type PasswdEntry = Omit<IAccount, 'groups'>;

const number = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;

/** The entry of a uid in passwd(5) text; lines that are not entries (comments, NIS) are passed over. */
export function findPasswdEntry(passwd: string, uid: number): PasswdEntry | undefined {
  for (const line of passwd.split('\n')) {
    const [name, , id, group, gecos, home, shell] = line.split(':');
    const gid = number(group);
    if (name && number(id) === uid && gid !== undefined && home !== undefined) {
      return { uid, gid, name, gecos: gecos ?? '', home: home || '/', shell: shell || '/bin/sh' };
    }
  }
  return undefined;
}

/** Names by gid of group(5) text; the first of several names for one gid counts. */
export function parseGroups(group: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const line of group.split('\n')) {
    const [name, , id] = line.split(':');
    const gid = number(id);
    if (name && gid !== undefined && !names.has(gid)) {
      names.set(gid, name);
    }
  }
  return names;
}

/** What describes an account, for {@link composeAccount}. */
export interface IAccountInputs {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly passwd: string;
  readonly group: string;
  /** From the name service switch (LDAP, SSSD), when /etc/passwd does not know the uid. */
  readonly fallback?: { readonly username: string; readonly homedir: string; readonly shell: string | null };
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Puts an account together; a uid that nobody knows (OpenShift, Kubernetes) still gets a usable one. */
export function composeAccount(inputs: IAccountInputs): IAccount {
  const { uid, gid, fallback, env } = inputs;
  const entry = findPasswdEntry(inputs.passwd, uid);
  const names = parseGroups(inputs.group);
  const gids = [gid, ...inputs.groups.filter(other => other !== gid)];
  return {
    uid,
    gid,
    name: entry?.name ?? fallback?.username ?? (env['USER'] || env['LOGNAME'] || `user${uid}`),
    gecos: entry?.gecos ?? '',
    home: entry?.home ?? fallback?.homedir ?? (env['HOME']?.startsWith('/') ? env['HOME'] : '/'),
    shell: entry?.shell ?? fallback?.shell ?? '/bin/sh',
    groups: gids.map(id => ({ gid: id, name: names.get(id) ?? `group${id}` }))
  };
}

/** The text of a file of the system; '' where it cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The account of this process (effective ids). */
export function readAccount(env: Readonly<Record<string, string | undefined>>): IAccount {
  const [passwd, group] = [readText('/etc/passwd'), readText('/etc/group')];
  const uid = process.geteuid?.() ?? 0;
  const inputs = { uid, gid: process.getegid?.() ?? 0, groups: process.getgroups?.() ?? [], passwd, group, env };
  if (findPasswdEntry(passwd, uid)) {
    return composeAccount(inputs);
  }
  try {
    return composeAccount({ ...inputs, fallback: userInfo() });
  } catch {
    return composeAccount(inputs); // no name service knows the uid
  }
}
