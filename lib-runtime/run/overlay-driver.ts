// SPDX-License-Identifier: BSD-3-Clause
/** What lays layers and changes over an image: the kernel's overlayfs, or fuse-overlayfs when that was asked for. Pure. */
import type { IPlannedStep } from '../engines/steps.ts';
import type { IHostFacts } from '../host/facts.ts';
import { errnoText } from './identity.ts';
import type { IRunSpec } from './spec.ts';

type Wishes = Pick<IRunSpec, 'overlayDriver' | 'overlays' | 'writableTmpfs'>;

/** Host directories, uppermost first. */
export interface ILayers {
  readonly lower: readonly string[];
  readonly upper?: string | undefined;
  readonly work?: string | undefined;
}

/** Absolute path of fuse-overlayfs where it was asked for; undefined for the kernel's. */
export function overlayProgram({ overlayDriver }: Wishes, { tools }: IHostFacts): string | undefined {
  return overlayDriver === 'fuse' ? (tools['fuse-overlayfs'] ?? 'fuse-overlayfs') : undefined;
}

/** Why nothing can be laid over the image in the way asked for; undefined where it can, or was not asked for. */
export function whyNoOverlay(
  { overlayDriver, overlays, writableTmpfs }: Wishes,
  { probes, tools }: IHostFacts,
  privileged: boolean
): { readonly reason: string; readonly fix: string } | undefined {
  const layered = overlays.length > 0;
  const served = probes['fuse-mount'].ok && tools['fuse-overlayfs'] !== undefined;
  // Without a word on it, --writable-tmpfs takes a copy instead.
  if (!layered && (!writableTmpfs || overlayDriver === undefined)) {
    return undefined;
  }
  switch (overlayDriver) {
    case 'copy':
      return layered
        ? { reason: 'a copy of the image has no layers', fix: 'Leave --overlay-driver out, or use --writable-tmpfs' }
        : undefined;
    case 'fuse': {
      const reason = probes['fuse-mount'].ok
        ? 'there is no fuse-overlayfs on this machine'
        : `FUSE file systems cannot be mounted here${errnoText(probes['fuse-mount'])}`;
      return served ? undefined : { reason, fix: 'Install fuse-overlayfs, or leave --overlay-driver out' };
    }
    default: {
      const probe = probes[privileged ? 'overlay' : 'user-overlay'];
      const others = layered
        ? 'Bind a writable directory instead, or use --writable-tmpfs'
        : 'Leave --overlay-driver out';
      return probe.ok
        ? undefined
        : {
            reason: `this host denies overlay mounts${errnoText(probe)}`,
            fix: served ? 'Add --overlay-driver fuse' : others
          };
    }
  }
}

/** The mount that makes the layers the root under construction. */
export function overlaySteps(
  { lower, upper, work }: ILayers,
  program: string | undefined,
  stage: string,
  privileged: boolean,
  reason: string
): IPlannedStep[] {
  if (program === undefined) {
    const changes = upper === undefined || work === undefined ? {} : { upper, work };
    return [{ step: { op: 'overlay', lower, ...changes, userxattr: !privileged }, reason }];
  }
  // Beside the root and then bound on it: the root may be one of the layers, and the program would look into itself.
  const mountpoint = `${stage}/merged`;
  const changes = upper === undefined || work === undefined ? [] : [`upperdir=${upper}`, `workdir=${work}`];
  return [
    {
      step: {
        op: 'fuse',
        program,
        // Without noacl, layers that FUSE serves cannot be read in a user namespace: they answer EOPNOTSUPP to ACLs.
        options: ['noacl', `lowerdir=${lower.join(':')}`, ...changes].join(','),
        source: '',
        mountpoint,
        // It sees what was mounted before, and owns files as the container does; it leaves modes to the kernel.
        wishes: ['modes', 'inside']
      },
      reason
    },
    {
      step: { op: 'bind', source: mountpoint, target: '/', flags: ['nosuid', 'nodev'] },
      reason: 'what fuse-overlayfs serves is the root'
    }
  ];
}
