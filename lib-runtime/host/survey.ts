// SPDX-License-Identifier: BSD-3-Clause
/**
 * What only a diagnosis wants to know of this machine: who confines this process, and on what kinds of file systems its
 * directories lie. Nothing is planned by it, so an ordinary start does not pay for it.
 */
import { readFile, realpath, statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { dirname } from 'node:path';

export interface IPlace {
  /** What it is for: `home`, `store`, `trees`, `temporary files`. */
  readonly name: string;
  readonly path: string;
  /** Type as in /proc/self/mountinfo (`ext4`, `overlay`, `fuse.drive`), when that could be read. */
  readonly fileSystem?: string;
  /** It, or the file system below it, is mounted with this option. */
  readonly noexec: boolean;
  readonly readOnly: boolean;
  /** Bytes that this user may still write; quotas are not seen. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface ISurvey {
  readonly noNewPrivileges: boolean;
  readonly seccomp: 'none' | 'strict' | 'filter';
  /** Label of a security module (`docker-default (enforce)`), when there is one. */
  readonly label?: string;
  /** `/` is a directory of a mount (chroot(8)): the kernel gives no user namespace there, and pivot_root fails. */
  readonly chrooted?: true;
  /** Values of the settings that permit or deny, by name (`user.max_user_namespaces`); what is absent is left out. */
  readonly settings: Readonly<Record<string, string>>;
  /** Processors that this process may use. */
  readonly cores: number;
  /** Of the machine, or of our control group where that has less. */
  readonly memoryBytes: number;
  readonly places: readonly IPlace[];
}

/** sysctl names of what decides about namespaces and tracing. */
const SETTINGS = [
  'user.max_user_namespaces',
  'kernel.unprivileged_userns_clone',
  'kernel.apparmor_restrict_unprivileged_userns',
  'kernel.yama.ptrace_scope'
];

/** Looks around; what cannot be read is left out. @param places what for, and where; they need not exist. */
export async function surveyHost(places: Readonly<Record<string, string>>): Promise<ISurvey> {
  const [status, mounts, label, ...values] = await Promise.all([
    text('/proc/self/status'),
    text('/proc/self/mountinfo'),
    text('/proc/self/attr/current'),
    ...SETTINGS.map(name => text(`/proc/sys/${name.replaceAll('.', '/')}`))
  ]);
  const table = parseMounts(mounts);
  const looked = await Promise.all(Object.entries(places).map(([name, path]) => lookAt(name, path, table)));
  return {
    ...parseConfinement(status, label),
    ...(isChroot(table) && { chrooted: true }),
    settings: Object.fromEntries(SETTINGS.map((name, at) => [name, (values[at] ?? '').trim()]).filter(([, v]) => v)),
    cores: availableParallelism(),
    memoryBytes: Math.min(totalmem(), process.constrainedMemory() || Infinity),
    places: looked.filter(place => place !== undefined)
  };
}

function text(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

const SECCOMP = ['none', 'strict', 'filter'] as const;

/** Who confines the process, from /proc/self/status and /proc/self/attr/current (proc(5)). Pure. */
export function parseConfinement(
  status: string,
  label: string
): Pick<ISurvey, 'noNewPrivileges' | 'seccomp'> & { readonly label?: string } {
  const field = (name: string): string => new RegExp(`^${name}:\\s*(\\d+)$`, 'm').exec(status)?.[1] ?? '0';
  // The kernel ends it with a NUL or a newline; a module that does nothing says "unconfined" or "kernel".
  const own = label.replace(/[\0\n].*$/s, '').trim();
  return {
    noNewPrivileges: field('NoNewPrivs') === '1',
    seccomp: SECCOMP[Number(field('Seccomp'))] ?? 'filter',
    ...(own !== '' && own !== 'unconfined' && own !== 'kernel' && { label: own })
  };
}

export interface IMountEntry {
  readonly point: string;
  readonly type: string;
  /** Of this mount and of its file system. */
  readonly options: readonly string[];
}

/** The lines of /proc/self/mountinfo (proc(5)), in their order. Pure. */
export function parseMounts(mountinfo: string): IMountEntry[] {
  return mountinfo.split('\n').flatMap((line): IMountEntry[] => {
    const [before = '', after] = line.split(' - ');
    const [, , , , point, own = ''] = before.split(' ');
    if (after === undefined || point === undefined) {
      return [];
    }
    const [type = '', , whole = ''] = after.split(' ');
    const escaped = /\\([0-3][0-7]{2})/g;
    const plain = point.replace(escaped, (_match, code: string) => String.fromCharCode(parseInt(code, 8)));
    return [{ point: plain, type, options: [...own.split(','), ...whole.split(',')] }];
  });
}

/** No mount is where we have `/`; a table that cannot be read says nothing. Pure. */
export function isChroot(table: readonly IMountEntry[]): boolean {
  return table.length > 0 && !table.some(({ point }) => point === '/');
}

/** The mount that a canonical path lies on: the longest mount point above it, the last of those on one point. Pure. */
export function mountOf(path: string, table: readonly IMountEntry[]): IMountEntry | undefined {
  return table.reduce<IMountEntry | undefined>((best, entry) => {
    const within = entry.point === '/' || path === entry.point || path.startsWith(`${entry.point}/`);
    return within && entry.point.length >= (best?.point.length ?? 0) ? entry : best;
  }, undefined);
}

async function lookAt(name: string, path: string, table: readonly IMountEntry[]): Promise<IPlace | undefined> {
  // A store that nobody has written yet lies on the file system of its nearest parent.
  for (let directory = path; ; directory = dirname(directory)) {
    const real = await realpath(directory).catch(() => undefined);
    if (real !== undefined) {
      const space = await statfs(real).catch(() => undefined);
      const mount = mountOf(real, table);
      return (
        space && {
          name,
          path,
          ...(mount !== undefined && { fileSystem: mount.type }),
          noexec: mount?.options.includes('noexec') ?? false,
          readOnly: mount?.options.includes('ro') ?? false,
          freeBytes: space.bavail * space.bsize,
          totalBytes: space.blocks * space.bsize
        }
      );
    }
    if (dirname(directory) === directory) {
      return undefined;
    }
  }
}
