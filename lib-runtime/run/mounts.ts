// SPDX-License-Identifier: BSD-3-Clause
/**
 * What is mounted into a container and in which order (runtimes.md 2.4; tag order dev, binds, kernel, home, tmp, files,
 * user binds sorted by path, cwd). Pure: says what, not how; underlay.ts makes steps of it.
 */
import type { BindFlag } from '../engines/steps.ts';
import type { IAccount, IHostFacts } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { groupFor, passwdFor } from './accounts.ts';
import { askedDrivers, driverFiles } from './driver-mounts.ts';
import { fabricDevices } from './fabric.ts';
import { insideAccount } from './identity.ts';
import { findInImage, isWithin, normalise } from './image-tree.ts';
import { minimalDevices } from './minimal-dev.ts';
import type { IHostDirectory, INote, IRefusal } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';
import { scratchMounts, tmpMounts } from './tmp-mounts.ts';

export type MountPurpose =
  'dev' | 'proc' | 'sys' | 'system' | 'home' | 'tmp' | 'scratch' | 'account' | 'gpu' | 'bind' | 'cwd' | 'hidden';

interface IMountCommon {
  /** Absolute path inside, normalised, symlinks not yet followed. */
  readonly target: string;
  readonly purpose: MountPurpose;
  readonly reason: string;
}

export type Mount =
  | (IMountCommon & {
      readonly kind: 'bind';
      readonly source: string;
      readonly type: 'directory' | 'file';
      readonly flags: readonly BindFlag[];
      /** The container starts without it when it cannot be made. */
      readonly optional: boolean;
      /** A symlink at the target is replaced, not followed (etc/localtime). */
      readonly replace?: boolean;
    })
  | (IMountCommon & { readonly kind: 'tmpfs'; readonly options: string; readonly flags: readonly BindFlag[] })
  /** A generated file over the target. */
  | (IMountCommon & { readonly kind: 'content'; readonly content: string; readonly mode: number })
  /** A symlink in a tmpfs that was mounted before. */
  | (IMountCommon & { readonly kind: 'symlink'; readonly text: string })
  /** Makes a tmpfs that was mounted before read-only. */
  | (IMountCommon & { readonly kind: 'seal' });

export interface IMounts {
  readonly kind: 'mounts';
  readonly mounts: readonly Mount[];
  /** HOME inside. */
  readonly home: string;
  /** Where to start, best first. */
  readonly workingDirectories: readonly string[];
  readonly notes: readonly INote[];
  /** Made on the host before the start, parents first. */
  readonly hostDirectories: readonly IHostDirectory[];
}

const ORDINARY: readonly BindFlag[] = ['rec', 'nosuid', 'nodev'];
const KERNEL: readonly BindFlag[] = ['rec', 'nosuid', 'nodev', 'noexec'];

/** Directories of a system: the caller's working directory is not bound over the image's. */
const NEVER_CWD = /^\/(|etc|bin|mnt|usr|var|opt|sbin|lib|lib64|(sys|proc|dev).*)$/;

/** What --no-mount may name (devpts is a part of dev here, hostfs is never mounted). */
const NO_MOUNT = /^(|proc|sys|dev|devpts|home|tmp|hostfs|cwd|bind-paths|\/.*)$/;

/** HOME inside: the target of --home, /root for uid 0, else the account's. */
export function homeInside(spec: IRunSpec, host: Pick<IHostFacts, 'account' | 'unprivileged'>): string {
  const account = insideAccount(spec, host);
  return normalise(spec.home?.target ?? (account.uid === 0 ? '/root' : account.home));
}

/** A path of the host as the user wrote it, absolute. */
export function hostPath(path: string, workingDirectory: string): string {
  return normalise(path.startsWith('/') ? path : `${workingDirectory}/${path}`);
}

/** The mounts for a spec, in order, or why a wish cannot be met. */
export function containerMounts(spec: IRunSpec, host: IHostFacts, image: IImageFacts): IMounts | IRefusal {
  const notes: INote[] = [];
  const skipped = (...names: string[]): boolean => names.some(name => spec.noMount.includes(name));
  const exists = (path: string): boolean => host.paths[path] !== null;
  const typeOf = (path: string): 'directory' | 'file' => {
    const type = host.paths[path]?.type ?? 'directory';
    return type === 'directory' ? 'directory' : 'file';
  };
  for (const name of spec.noMount.filter(name => !NO_MOUNT.test(name))) {
    notes.push({ level: 'warning', text: `--no-mount knows no mount "${name}"` });
  }
  const mounts: Mount[] = [];
  const bind = (
    source: string,
    target: string,
    purpose: MountPurpose,
    reason: string,
    extra: { flags?: readonly BindFlag[]; type?: 'directory' | 'file'; optional?: boolean; replace?: boolean } = {}
  ): void => {
    const { flags = ORDINARY, type = 'directory', optional = false, replace = false } = extra;
    mounts.push({ kind: 'bind', source, target, type, flags, optional, purpose, reason, ...(replace && { replace }) });
  };

  if (!skipped('dev', '/dev')) {
    if (spec.contain) {
      const devices = minimalDevices(askedDrivers(spec, host).flatMap(({ facts }) => facts?.devices ?? []));
      mounts.push(...devices.filter(({ target }) => !skipped('devpts') || !/^\/dev\/(pts|ptmx)$/.test(target)));
      mounts.push(...fabricDevices(host));
    } else {
      bind('/dev', '/dev', 'dev', "the host's devices", { flags: ['rec', 'nosuid'] });
    }
  }
  systemFiles(spec, host, image, skipped, bind);
  if (!skipped('proc', '/proc')) {
    bind('/proc', '/proc', 'proc', "the host's processes; no pid namespace was asked for", { flags: KERNEL });
  }
  if (!skipped('sys', '/sys')) {
    bind('/sys', '/sys', 'sys', "the host's kernel objects", { flags: KERNEL });
  }

  const home = homeInside(spec, host);
  const usesWorkdir = spec.contain || spec.scratch.length > 0;
  const workdir =
    spec.workdir === undefined || !usesWorkdir ? undefined : hostPath(spec.workdir, host.workingDirectory);
  if (workdir !== undefined && host.paths[workdir]?.type !== 'directory') {
    return {
      kind: 'refusal',
      code: 'not-found',
      message: `--workdir ${workdir} cannot be honoured`,
      reason: `the host has no directory ${workdir}`,
      fix: 'Make it first'
    };
  }
  const keptHome: IHostDirectory = { path: `${workdir}/home`, mode: 0o700 };
  const homeMount = homeOf(spec, host, home, skipped('home'), workdir && keptHome.path, notes);
  if (homeMount?.kind === 'bind' && (host.paths[homeMount.source]?.type ?? 'directory') !== 'directory') {
    return {
      kind: 'refusal',
      code: 'usage',
      message: `--home ${homeMount.source} cannot be honoured`,
      reason: `${homeMount.source} is no directory`,
      fix: 'Choose a directory for the home'
    };
  }
  const keepsHome = homeMount?.kind === 'bind' && homeMount.source === keptHome.path;
  const tmp = tmpMounts(spec, host, image, workdir, skipped);
  const scratch = scratchMounts(spec, workdir);
  // Home comes before tmp in Apptainer; one below /tmp would be hidden by it.
  const late = homeMount !== undefined && tmp.mounts.some(({ target }) => isWithin(home, target) && home !== target);
  mounts.push(...(homeMount && !late ? [homeMount] : []), ...tmp.mounts, ...(homeMount && late ? [homeMount] : []));
  mounts.push(...scratch.mounts);

  if (homeMount?.kind !== 'bind' || !isWithin('/etc/passwd', home)) {
    accountFiles(spec, insideAccount(spec, host), image, home, skipped, mounts);
  }
  if (spec.dns.length > 0) {
    const content = spec.dns.map(address => `nameserver ${address}\n`).join('');
    mounts.push({
      kind: 'content',
      target: '/etc/resolv.conf',
      content,
      mode: 0o644,
      purpose: 'system',
      reason: '--dns'
    });
  }
  if (spec.network) {
    notes.push({ level: 'warning', text: '--net has no effect: the network of the host is always shared' });
  }
  driverFiles(askedDrivers(spec, host), mounts, notes);

  const binds = spec.binds
    .map(({ source, target, readOnly }) => ({
      source: hostPath(source, host.workingDirectory),
      target: hostPath(target, host.workingDirectory),
      readOnly
    }))
    .sort((left, right) => (left.target < right.target ? -1 : left.target > right.target ? 1 : 0));
  for (const { source, target, readOnly } of binds) {
    if (!exists(source)) {
      return {
        kind: 'refusal',
        code: 'not-found',
        message: `--bind ${source} cannot be honoured`,
        reason: `the host has no ${source}`,
        fix: 'Check the spelling of the path or make the directory first'
      };
    }
    if (target === '/') {
      return {
        kind: 'refusal',
        code: 'usage',
        message: `--bind ${source}:/ cannot be honoured`,
        reason: 'a bind over / would hide the image itself',
        fix: 'Choose another path inside the container'
      };
    }
    const flags: BindFlag[] = ['rec', 'nosuid', ...(isWithin(source, '/dev') ? [] : (['nodev'] as const))];
    bind(source, target, 'bind', `--bind ${source}:${target}${readOnly ? ':ro' : ''}`, {
      flags: readOnly ? [...flags, 'ro'] : flags,
      type: typeOf(source)
    });
  }

  const cwd = normalise(host.workingDirectory);
  const wantsCwd = !spec.contain && !skipped('cwd', cwd) && !NEVER_CWD.test(cwd) && exists(cwd);
  const shown = wantsCwd && isShown(cwd, mounts, host);
  if (wantsCwd && !shown) {
    // Nobody asked for it: what hides it need not have a place for it.
    const optional = mounts.some(({ target }) => target !== '/' && isWithin(cwd, target));
    bind(cwd, cwd, 'cwd', 'the working directory of the caller', { optional });
    // The last one would hide what is bound inside it: it goes before that.
    const inside = mounts.findIndex(({ target }) => target !== cwd && isWithin(target, cwd));
    if (inside >= 0) {
      mounts.splice(inside, 0, ...mounts.splice(-1));
    }
  }
  // One that was asked for is taken or nothing; the caller's own need not be there.
  const start = spec.contain ? home : cwd;
  const workingDirectories =
    spec.workingDirectory === undefined ? [...new Set([start, home, '/'])] : [hostPath(spec.workingDirectory, '/')];
  const hostDirectories = [...tmp.hostDirectories, ...(keepsHome ? [keptHome] : []), ...scratch.hostDirectories];
  return { kind: 'mounts', mounts, home, workingDirectories, notes, hostDirectories };
}

type Binder = (
  source: string,
  target: string,
  purpose: MountPurpose,
  reason: string,
  extra?: { flags?: readonly BindFlag[]; type?: 'directory' | 'file'; optional?: boolean; replace?: boolean }
) => void;

/** `bind path = /etc/localtime, /etc/hosts` of apptainer.conf, and resolv.conf: passed over when the host has none. */
function systemFiles(
  spec: IRunSpec,
  host: IHostFacts,
  image: IImageFacts,
  skipped: (...names: string[]) => boolean,
  bind: Binder
): void {
  const has = (path: string): boolean => host.paths[path] !== null && host.paths[path] !== undefined;
  // Read-only, unlike Apptainer's: a container's root must not edit the host's.
  const file = { type: 'file', flags: ['ro', 'nosuid', 'nodev'], optional: true } as const;
  const zone = host.paths['/etc/localtime']?.real;
  const imageZone = findInImage(image.tree, '/etc/localtime', false);
  const linked = imageZone.kind === 'found' && imageZone.type === 'other';
  const ownZone = image.tree['/etc']?.find(node => node.name === 'localtime')?.target;
  const owned = administers(spec, insideAccount(spec, host));
  if (zone !== undefined && !owned && !skipped('bind-paths', '/etc/localtime') && !sameZone(zone, ownZone)) {
    bind('/etc/localtime', '/etc/localtime', 'system', "the host's time zone", { ...file, replace: linked });
  }
  if (has('/etc/hosts') && !skipped('bind-paths', '/etc/hosts')) {
    bind('/etc/hosts', '/etc/hosts', 'system', "the host's names", file);
  }
  if (spec.dns.length === 0 && has('/etc/resolv.conf') && !skipped('/etc/resolv.conf')) {
    const source = host.paths['/etc/resolv.conf']?.real ?? '/etc/resolv.conf';
    bind(source, '/etc/resolv.conf', 'system', "the host's name servers", file);
  }
}

/** Both are zoneinfo files of one name: nothing would change. Every name of UTC is one. */
function sameZone(hostFile: string, imageLink: string | undefined): boolean {
  const name = (path: string): string => {
    const zone = /zoneinfo\/(.+)$/.exec(path)?.[1] ?? path;
    return /^(Etc\/)?(UTC|UCT|Universal|Zulu|GMT)$/.test(zone) ? 'UTC' : zone;
  };
  return imageLink !== undefined && /zoneinfo\//.test(hostFile) && name(hostFile) === name(imageLink);
}

/** Root in a root that can be written to: packages bring accounts and a time zone, which no bind may stand in for. */
function administers(spec: IRunSpec, account: IAccount): boolean {
  return account.uid === 0 && (spec.writable || spec.writableTmpfs || spec.overlays.some(({ readOnly }) => !readOnly));
}

function homeOf(
  spec: IRunSpec,
  host: IHostFacts,
  home: string,
  skipped: boolean,
  kept: string | undefined,
  notes: INote[]
): Mount | undefined {
  if (spec.noHome || skipped || home === '/') {
    return undefined;
  }
  const common = { target: home, purpose: 'home' } as const;
  const inside = insideAccount(spec, host);
  const empty = (reason: string): Mount => ({
    ...common,
    kind: 'tmpfs',
    options:
      spec.as === 'user' && host.account.uid === 0 ? `mode=0700,uid=${inside.uid},gid=${inside.gid}` : 'mode=0700',
    flags: ['nosuid', 'nodev'],
    reason
  });
  if (spec.contain && spec.home === undefined && kept !== undefined) {
    const bound = { kind: 'bind', source: kept, type: 'directory', flags: ORDINARY, optional: false } as const;
    return { ...common, ...bound, reason: '--workdir: a home that stays' };
  }
  if (spec.contain && spec.home === undefined) {
    return empty('--contain: an empty home');
  }
  const source = spec.home === undefined ? hostHome(spec, host) : hostPath(spec.home.source, host.workingDirectory);
  if (source === undefined) {
    notes.push({
      level: 'info',
      text: `${home} is empty and gone at the end: ${inside.name} has no home on this machine`
    });
    return empty('--as user: an empty home');
  }
  if (host.paths[source] === null || source === '' || source === '/') {
    notes.push({
      level: 'warning',
      text: `the home directory ${source || '(none)'} cannot be used: an empty one takes its place`
    });
    return empty('the host has no such home: an empty directory takes its place');
  }
  return {
    ...common,
    kind: 'bind',
    source,
    type: 'directory',
    flags: ORDINARY,
    optional: false,
    reason: spec.home === undefined ? "the caller's home" : '--home'
  };
}

/** The home to be bound; undefined when the account of `--as user` has none. */
function hostHome(spec: IRunSpec, { account, unprivileged }: IHostFacts): string | undefined {
  if (spec.as !== 'user' || account.uid !== 0 || unprivileged === undefined) {
    return account.home;
  }
  return unprivileged.hasHome ? unprivileged.account.home : undefined;
}

/** passwd and group of the image with the caller in them; nothing when the image has none. */
function accountFiles(
  spec: IRunSpec,
  account: IAccount,
  image: IImageFacts,
  home: string,
  skipped: (...names: string[]) => boolean,
  mounts: Mount[]
): void {
  const common = { kind: 'content', purpose: 'account', mode: 0o644 } as const;
  if (administers(spec, account) && /^[^:\n]*:[^:\n]*:0:/m.test(image.passwd ?? '')) {
    return; // the image knows root, and packages make accounts of their own
  }
  if (image.passwd !== undefined && !skipped('/etc/passwd')) {
    const content = passwdFor(image.passwd, account, home);
    if (content !== image.passwd) {
      mounts.push({ ...common, target: '/etc/passwd', content, reason: "the image's accounts and the caller's" });
    }
  }
  if (image.group !== undefined && !skipped('/etc/group')) {
    const content = groupFor(image.group, account);
    if (content !== image.group) {
      mounts.push({ ...common, target: '/etc/group', content, reason: "the image's groups and the caller's" });
    }
  }
}

/** The path is visible at the same place through a mount that was planned before, or is itself a target. */
function isShown(path: string, mounts: readonly Mount[], host: IHostFacts): boolean {
  const outer = mounts.filter(mount => mount.kind === 'bind' && isWithin(path, mount.target)).at(-1);
  if (outer === undefined || outer.kind !== 'bind') {
    return false;
  }
  const source = host.paths[outer.source]?.real ?? outer.source;
  const real = host.paths[path]?.real ?? path;
  return outer.target === path || real === source + path.slice(outer.target.length);
}
