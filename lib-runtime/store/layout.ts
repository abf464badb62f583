// SPDX-License-Identifier: BSD-3-Clause
/** Where things lie in the store, as pure functions (DESIGN 4, Store). */
import { createHash } from 'node:crypto';
import { isAbsolute, join, resolve } from 'node:path';
import { ContainerError, printable } from '../support/errors.ts';

/** Environment as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Which form of an unpacked tree: as recorded, with /bin, /sbin, /lib merged into /usr (DESIGN 3), or with owners and
 * modes that keep a container of its user from writing it (DESIGN 4).
 */
export type TreeView = 'plain' | 'merged' | 'read-only';

/**
 * $NBCONTAINER_HOME, else $XDG_DATA_HOME/nbcontainer, else ~/.local/share/nbcontainer; always absolute.
 * @param home the home directory: asked for only where it matters, as not every user has one.
 */
export function storeHome(env: Environment, home: () => string): string {
  const own = env['NBCONTAINER_HOME'];
  if (own) {
    return resolve(own);
  }
  // The XDG base directory specification says to pass over a relative path.
  const data = env['XDG_DATA_HOME'];
  return join(data && isAbsolute(data) ? data : join(home(), '.local', 'share'), 'nbcontainer');
}

/** File systems (statfs(2), f_type) that are far away or in user space: slow for thousands of small files. */
const REMOTE: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x0bd00bd0, 'Lustre'],
  [0x65735546, 'FUSE'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x517b, 'SMB'],
  [0x47504653, 'GPFS'],
  [0x00c36400, 'Ceph'],
  [0x19830326, 'BeeGFS'],
  [0x01021997, '9P'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0xaad7aaea, 'PanFS'],
  [0x7461636f, 'OCFS2'],
  [0x01161970, 'GFS2']
]);

/** Name of a network or FUSE file system, undefined for a local one. */
export function remoteFileSystem(magic: number): string | undefined {
  // Node gives f_type as a number that may be sign-extended from 32 bits.
  return REMOTE.get(magic >>> 0);
}

/** A directory for node-local data, looked at: `usable` means ours alone (or absent) and writable. */
export interface ITreesCandidate {
  readonly path: string;
  readonly magic: number;
  readonly usable: boolean;
}

/**
 * Where unpacked trees go: in the store when it is on a local disk, else in the first usable local candidate, else in
 * the store all the same.
 */
export function chooseTreesDirectory(
  home: string,
  homeMagic: number,
  candidates: readonly ITreesCandidate[]
): { readonly path: string; readonly reason?: string } {
  const remote = remoteFileSystem(homeMagic);
  if (remote === undefined) {
    return { path: join(home, 'trees') };
  }
  const local = candidates.find(other => other.usable && remoteFileSystem(other.magic) === undefined);
  if (local !== undefined) {
    return { path: join(local.path, 'trees'), reason: `${home} is on ${remote}, unpacked trees go to a local disk` };
  }
  return { path: join(home, 'trees'), reason: `${home} is on ${remote} and there is no local disk for unpacked trees` };
}

/** Directories that may hold node-local data, in the order of preference, each with a folder of this user. */
export function localCandidates(env: Environment, uid: number): string[] {
  const bases = [env['SLURM_TMPDIR'], env['TMPDIR'], '/var/tmp', '/tmp'];
  return [...new Set(bases)]
    .filter((base): base is string => base !== undefined && isAbsolute(base))
    .map(base => join(base, `nbcontainer-${uid}`));
}

const DIGEST = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

/** `blobs/sha256/HEX`; @throws ContainerError 'usage' on anything that is not a digest (and could leave the store). */
export function blobName(digest: string): string {
  if (!DIGEST.test(digest)) {
    throw new ContainerError({ code: 'usage', step: 'store', message: `'${printable(digest)}' is not a digest` });
  }
  return join('blobs', ...digest.split(':'));
}

/** The key itself; @throws ContainerError 'usage' when it is not fit for a file name. */
export function checkKey(key: string): string {
  if (!KEY.test(key)) {
    throw new ContainerError({
      code: 'usage',
      step: 'store',
      message: `'${printable(key)}' is not a key of the store`
    });
  }
  return key;
}

/** The key of an image known by digest: `sha256-HEX`. */
export function keyOfDigest(digest: string): string {
  blobName(digest);
  return digest.replace(':', '-');
}

/** File name of a reference's record: any text is allowed in it, so it is hashed. */
export function recordName(reference: string): string {
  return `${createHash('sha256').update(reference).digest('hex').slice(0, 40)}.json`;
}
