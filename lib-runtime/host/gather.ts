// SPDX-License-Identifier: BSD-3-Clause
/** Gathers HostFacts: everything that planning needs to know of this machine, as plain data. */
import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { freemem, machine, release } from 'node:os';
import { join } from 'node:path';
import { ContainerError, errnoOf } from '../support/errors.ts';
import { readAccount, readText } from './account.ts';
import { parseStatus } from './capabilities.ts';
import { findCompanion } from './companion.ts';
import type { IGpuFacts, IHostFacts, INode } from './facts.ts';
import { gatherIdentities } from './identities.ts';
import { launcherPath } from './launcher-path.ts';
import { detectPlatform } from './platform.ts';
import { probeHost } from './probe.ts';
import { ensureRuntimeDirectory } from './runtime-directory.ts';

export interface IGatherOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Absolute host paths whose canonical form and type the planner will ask for. */
  readonly paths: readonly string[];
  readonly gpu?: IGpuFacts;
  readonly rocm?: IGpuFacts;
  /** Whether the caller may have to be somebody else inside (host/identities.ts); default true. */
  readonly identities?: boolean;
  /** Probes anew instead of from the cache. */
  readonly fresh?: boolean;
  /** Another launcher than that of this installation. */
  readonly launcher?: string;
}

/** Helpers looked for on PATH, then where systems keep what an ordinary PATH lacks. */
const TOOLS = ['proot', 'newuidmap', 'newgidmap', 'apptainer', 'singularity', 'ldconfig', 'nvidia-smi'];
const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Helpers that are of use where FUSE file systems may be mounted; Apptainer's packages bring theirs along. */
const FUSE_TOOLS = ['squashfuse_ll', 'fuse-overlayfs'];
const FUSE_PATH = ['/usr/libexec/apptainer/bin', '/usr/local/libexec/apptainer/bin'];

/**
 * Looks at the machine; a few milliseconds once the probes are cached. It waits for nothing else: each of some two
 * hundred look-ups takes microseconds, and ten times as long by way of the thread pool.
 * Throws a ContainerError `permission` (runtime directory) or `unsupported` (no launcher for this machine, no /proc).
 */
export async function gatherHostFacts(options: IGatherOptions): Promise<IHostFacts> {
  const { env } = options;
  const runtimeDirectory = ensureRuntimeDirectory(env);
  const launcher = options.launcher ?? launcherPath();
  const probes = await probeHost(launcher, runtimeDirectory, { fresh: options.fresh ?? false });
  const account = readAccount(env);
  const status = parseStatus(readStatus());
  return {
    account,
    probes,
    platform: detectPlatform(env),
    machine: machine(),
    kernel: release(),
    capabilities: status.capabilities,
    root: listNodes('/'),
    runtimeDirectory,
    // The smaller of what the machine and what our cgroup has left.
    memoryBytes: Math.min(freemem(), process.availableMemory()),
    tools: findTools(env, probes['fuse-mount'].ok),
    ...(account.uid === 0 && { idMaps: readIdMaps() }),
    ...((options.identities ?? true) && gatherIdentities(account, status.noNewPrivileges, env, options.cwd)),
    workingDirectory: options.cwd,
    umask: status.umask,
    paths: lookAt(options.paths),
    ...(options.gpu && { gpu: options.gpu }),
    ...(options.rocm && { rocm: options.rocm })
  };
}

/** Nothing that is planned without /proc would be right: who we are and what is mounted stands there. */
function readStatus(): string {
  const text = readText('/proc/self/status');
  if (text === '') {
    throw new ContainerError({
      code: 'unsupported',
      step: 'look at the machine',
      message: 'there is no /proc here',
      reason: 'a chroot or container without it says nothing of its own processes and mounts',
      fix: 'As root: mount -t proc proc /proc'
    });
  }
  return text;
}

function readIdMaps(): { uid: string; gid: string } {
  return { uid: readText('/proc/self/uid_map'), gid: readText('/proc/self/gid_map') };
}

function typeOf(entry: { isDirectory(): boolean; isFile(): boolean; isSymbolicLink(): boolean }): INode['type'] {
  return entry.isDirectory() ? 'directory' : entry.isFile() ? 'file' : entry.isSymbolicLink() ? 'symlink' : 'other';
}

/** Entries of a directory, sorted by name; an entry that vanishes meanwhile is left out. */
export function listNodes(directory: string): INode[] {
  return readdirSync(directory)
    .sort()
    .map((name): INode | undefined => {
      const path = join(directory, name);
      const status = lstatSync(path, { throwIfNoEntry: false });
      const type = status && typeOf(status);
      return (
        status &&
        type && { name, type, mode: status.mode & 0o7777, ...(type === 'symlink' && { target: readlinkSync(path) }) }
      );
    })
    .filter(node => node !== undefined);
}

function lookAt(paths: readonly string[]): IHostFacts['paths'] {
  const looked = paths.map(path => {
    try {
      const real = realpathSync.native(path);
      return [path, { real, type: typeOf(statSync(real)) }] as const;
    } catch (error) {
      if (errnoOf(error) === undefined) {
        throw error;
      }
      return [path, null] as const;
    }
  });
  return Object.fromEntries(looked);
}

function findTools(env: Readonly<Record<string, string | undefined>>, fuse: boolean): Record<string, string> {
  const path = env['PATH'] ?? '';
  const directories = [...new Set([...path.split(':').filter(part => part.startsWith('/')), ...SYSTEM_PATH])];
  const found: Record<string, string> = {};
  const wanted = fuse ? [...TOOLS, ...FUSE_TOOLS] : TOOLS;
  for (const name of wanted) {
    const places = FUSE_TOOLS.includes(name) ? [...directories, ...FUSE_PATH] : directories;
    const file = places.map(directory => join(directory, name)).find(candidate => existsSync(candidate));
    if (file !== undefined) {
      found[name] = file;
    }
  }
  const companion = env['NBCONTAINER_PROOT'] || found['proot'] === undefined ? findCompanion(env) : undefined;
  return companion === undefined ? found : { ...found, proot: companion };
}
