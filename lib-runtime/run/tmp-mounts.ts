// SPDX-License-Identifier: BSD-3-Clause
/** /tmp, /var/tmp and --scratch: places to write that are gone at the end, unless --workdir keeps them. Pure. */
import type { IHostFacts } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { findInImage, normalise } from './image-tree.ts';
import type { Mount } from './mounts.ts';
import type { IHostDirectory } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';

export interface ITmpMounts {
  readonly mounts: readonly Mount[];
  /** Made on the host before the start, parents first. */
  readonly hostDirectories: readonly IHostDirectory[];
}

type Skipped = (...names: string[]) => boolean;

/**
 * The host's /tmp and /var/tmp; with --contain empty ones, or the directories `tmp` and `var_tmp` of --workdir.
 *
 * @param workdir --workdir as an absolute host path.
 */
export function tmpMounts(
  spec: IRunSpec,
  host: IHostFacts,
  image: IImageFacts,
  workdir: string | undefined,
  skipped: Skipped
): ITmpMounts {
  const mounts: Mount[] = [];
  const hostDirectories: IHostDirectory[] = [];
  for (const target of ['/tmp', '/var/tmp'].filter(path => !skipped('tmp', path))) {
    if (target === '/var/tmp' && sameTmp(host, image)) {
      continue;
    }
    if (spec.contain && workdir !== undefined) {
      const source = `${workdir}/${target === '/tmp' ? 'tmp' : 'var_tmp'}`;
      hostDirectories.push({ path: source, mode: 0o1777 });
      mounts.push(bound(source, target, 'tmp', '--workdir: a directory that stays'));
    } else if (spec.contain || host.paths[target] === null) {
      const reason = spec.contain ? '--contain: an empty directory' : `the host has no ${target}`;
      mounts.push(empty(target, 'mode=1777', 'tmp', reason));
    } else {
      mounts.push(bound(target, target, 'tmp', `the host's ${target}`));
    }
  }
  return { mounts, hostDirectories };
}

/** --scratch: an empty directory for each path, in memory or below `scratch` of --workdir. */
export function scratchMounts(spec: IRunSpec, workdir: string | undefined): ITmpMounts {
  const mounts: Mount[] = [];
  const hostDirectories = new Map<string, IHostDirectory>();
  for (const target of spec.scratch.map(normalise)) {
    if (workdir === undefined) {
      mounts.push(empty(target, 'mode=0755', 'scratch', '--scratch: gone at the end'));
      continue;
    }
    let path = `${workdir}/scratch`;
    hostDirectories.set(path, { path, mode: 0o755 });
    for (const part of target.split('/').filter(Boolean)) {
      path = `${path}/${part}`;
      hostDirectories.set(path, { path, mode: 0o755 });
    }
    mounts.push(bound(path, target, 'scratch', '--scratch in --workdir'));
  }
  return { mounts, hostDirectories: [...hostDirectories.values()] };
}

function bound(source: string, target: string, purpose: 'tmp' | 'scratch', reason: string): Mount {
  const flags = ['rec', 'nosuid', 'nodev'] as const;
  return { kind: 'bind', source, target, type: 'directory', flags, optional: false, purpose, reason };
}

function empty(target: string, options: string, purpose: 'tmp' | 'scratch', reason: string): Mount {
  return { kind: 'tmpfs', target, options, flags: ['nosuid', 'nodev'], purpose, reason };
}

/** /var/tmp and /tmp are one directory on the host or in the image. */
function sameTmp(host: IHostFacts, image: IImageFacts): boolean {
  const found = findInImage(image.tree, '/var/tmp');
  const real = host.paths['/var/tmp']?.real;
  return (found.kind === 'found' && found.path === '/tmp') || (real !== undefined && real === host.paths['/tmp']?.real);
}
