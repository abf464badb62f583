// SPDX-License-Identifier: BSD-3-Clause
/**
 * The overlay partition that `apptainer overlay create image.sif` adds to a SIF: its changes are seen in every container
 * of the image, and --writable changes it. Pure.
 */
import type { IHostFacts } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { callerIdentity, errnoText } from './identity.ts';
import type { INote } from './plan-types.ts';
import { squashfsLayer } from './rootfs.ts';
import type { IRunSpec } from './spec.ts';

interface ISettled {
  readonly spec: IRunSpec;
  readonly host: IHostFacts;
  readonly notes: readonly INote[];
}

/** The wishes with the partition as the lowest overlay, or with a note on why it is left out. */
export function withOwnOverlay(spec: IRunSpec, host: IHostFacts, image: IImageFacts): ISettled {
  const { overlay, path, name } = image;
  // With both --writable and --overlay the refusal is that of any other image.
  if (overlay === undefined || (spec.writable && spec.overlays.length > 0)) {
    return { spec, host, notes: [] };
  }
  const readOnly = overlay.fileSystem === 'squashfs' || !spec.writable;
  const why = whyLeftOut(spec, host, overlay);
  if (why !== undefined && !spec.writable) {
    const text = `the overlay partition of ${name} is left out, and what it changes is not seen: ${why}`;
    return { spec, host, notes: [{ level: 'warning', text, lasting: true }] };
  }
  if (spec.writable && readOnly) {
    return { spec, host, notes: [] };
  }
  return {
    spec: { ...spec, writable: false, overlays: [{ path, readOnly, image: overlay }, ...spec.overlays] },
    // The file was opened a moment ago: nobody else has asked for its path.
    host: { ...host, paths: { ...host.paths, [path]: { real: path, type: 'file' } } },
    notes: []
  };
}

function whyLeftOut(spec: IRunSpec, host: IHostFacts, image: NonNullable<IImageFacts['overlay']>): string | undefined {
  const identity = callerIdentity(host, spec);
  if (!identity.ok || spec.engine === 'ptrace' || spec.root === 'chroot') {
    return 'nothing can be mounted';
  }
  const overlay = host.probes[identity.privileged ? 'overlay' : 'user-overlay'];
  if (!overlay.ok) {
    return `this host denies overlay mounts${errnoText(overlay)}`;
  }
  if (image.fileSystem === 'squashfs') {
    const layer = squashfsLayer({ file: '', ...image }, '', host, identity);
    return 'denied' in layer ? layer.denied : undefined;
  }
  const loop = host.probes['loop-device'];
  return !identity.privileged
    ? 'mounting it needs root'
    : loop.ok
      ? undefined
      : `no loop device can be used here${errnoText(loop)}`;
}
