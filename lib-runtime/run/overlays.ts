// SPDX-License-Identifier: BSD-3-Clause
/**
 * --overlay DIR[:ro]: directories whose changes lie over the image, laid out as Apptainer does (`upper` and `work`
 * inside). Pure.
 */
import type { IPlannedStep } from '../engines/steps.ts';
import type { IHostFacts } from '../host/facts.ts';
import { errnoText } from './identity.ts';
import { hostPath } from './mounts.ts';
import type { IHostDirectory, IRefusal } from './plan-types.ts';
import { stageOf } from './rootfs.ts';
import type { IRunSpec } from './spec.ts';

/** Host directories, uppermost first. */
export interface IOverlays {
  readonly kind: 'overlays';
  readonly lower: readonly string[];
  /** The directory that gets the changes, with its work directory beside it. */
  readonly upper?: string;
  readonly work?: string;
  /** Images to mount first: those of `lower`, `upper` and `work` that lie below a mountpoint. */
  readonly images: readonly { readonly path: string; readonly mountpoint: string; readonly readOnly: boolean }[];
  /** Made before the start. */
  readonly hostDirectories: readonly IHostDirectory[];
}

/** Host paths that chooseOverlays asks about. */
export function overlayPaths(spec: IRunSpec, workingDirectory: string): string[] {
  return spec.overlays
    .map(({ path }) => hostPath(path, workingDirectory))
    .flatMap(path => [path, `${path}/upper`, `${path}/work`]);
}

/** The layers asked for, undefined for none, or why they cannot be had. A later overlay lies over an earlier one. */
export function chooseOverlays(spec: IRunSpec, host: IHostFacts): IOverlays | IRefusal | undefined {
  if (spec.overlays.length === 0) {
    return undefined;
  }
  const overlays = spec.overlays.map(({ path, readOnly, image }, at) => ({
    path: hostPath(path, host.workingDirectory),
    readOnly,
    ...(image !== undefined && { mountpoint: `${stageOf(host)}/overlay-${at}` })
  }));
  for (const { path, mountpoint } of overlays) {
    const type = host.paths[path]?.type;
    if (type !== 'directory' && (type === undefined || mountpoint === undefined)) {
      const missing = type === undefined;
      return refusal(
        missing ? 'not-found' : 'usage',
        path,
        missing ? `the host has no ${path}` : 'it is neither a directory nor an ext3 image',
        missing ? 'Make the directory first, or an image with nbcontainer overlay create' : 'Use a directory'
      );
    }
  }
  const [writable, second] = overlays.filter(({ readOnly }) => !readOnly);
  if (writable !== undefined && second !== undefined) {
    const reason = `${writable.path} can be written to already, and only one overlay can`;
    return refusal('usage', second.path, reason, `Write --overlay ${second.path}:ro`);
  }
  if (writable !== undefined && spec.writableTmpfs) {
    return refusal('usage', writable.path, '--writable-tmpfs takes the changes', 'Leave one of the two out');
  }
  const lower = overlays
    .filter(({ readOnly }) => readOnly)
    .map(({ path, mountpoint }) => {
      const inside = mountpoint !== undefined || host.paths[`${path}/upper`]?.type === 'directory';
      return inside ? `${mountpoint ?? path}/upper` : path;
    })
    .reverse();
  const images = overlays.flatMap(({ path, mountpoint, readOnly }) =>
    mountpoint === undefined ? [] : [{ path, mountpoint, readOnly }]
  );
  if (writable === undefined) {
    return { kind: 'overlays', lower, images, hostDirectories: [] };
  }
  const base = writable.mountpoint ?? writable.path;
  const [upper, work] = [`${base}/upper`, `${base}/work`];
  const made = writable.mountpoint === undefined ? [upper, work] : [];
  const hostDirectories = made.map(path => ({ path, mode: 0o755 }));
  return { kind: 'overlays', lower, upper, work, images, hostDirectories };
}

/** Why the layers cannot be mounted on this machine; undefined where they can. */
export function overlaysDenied(spec: IRunSpec, host: IHostFacts, privileged: boolean): IRefusal | undefined {
  const probe = host.probes[privileged ? 'overlay' : 'user-overlay'];
  const image = spec.overlays.find(overlay => overlay.image !== undefined);
  const loop = host.probes['loop-device'];
  if (image !== undefined && (!privileged || !loop.ok)) {
    const why = privileged ? `no loop device can be used here${errnoText(loop)}` : 'mounting an image needs root';
    return refusal('refused', image.path, why, 'Use a directory for --overlay');
  }
  if (spec.overlays.length === 0 || probe.ok) {
    return undefined;
  }
  return refusal(
    'refused',
    spec.overlays[0]?.path ?? '',
    `this host denies overlay mounts${errnoText(probe)}`,
    'Bind a writable directory instead, or use --writable-tmpfs'
  );
}

/** Refusal of the ptrace engine. */
export function overlaysUnderPtrace(spec: IRunSpec): IRefusal | undefined {
  return spec.overlays.length === 0
    ? undefined
    : refusal(
        'refused',
        spec.overlays[0]?.path ?? '',
        'the ptrace engine has no overlay',
        'Bind a writable directory instead, or use --writable-tmpfs'
      );
}

/**
 * The mount. The root under construction, which holds the mount points that the image lacks, is the lowest layer: so
 * the user's directory gets the changes of the container and nothing else.
 *
 * @param image where the image's files are.
 * @param memory upper and work of --writable-tmpfs, when that was asked for as well.
 */
export function overlaysStep(
  overlays: IOverlays,
  image: string,
  stage: string,
  memory: boolean,
  privileged: boolean
): IPlannedStep {
  const upper = overlays.upper ?? (memory ? `${stage}/upper` : undefined);
  const work = overlays.work ?? (memory ? `${stage}/work` : undefined);
  return {
    step: {
      op: 'overlay',
      lower: [...overlays.lower, image, `${stage}/root`],
      ...(upper !== undefined && { upper }),
      ...(work !== undefined && { work }),
      userxattr: !privileged
    },
    reason: `--overlay: ${overlays.upper === undefined ? 'directories over the image' : `changes go to ${overlays.upper}`}`
  };
}

/** The mounts of the images. */
export function overlayImages({ images }: IOverlays): IPlannedStep[] {
  return images.map(({ path, mountpoint, readOnly }) => ({
    step: { op: 'ext3', image: path, mountpoint, readOnly },
    reason: `--overlay ${path}`
  }));
}

function refusal(code: IRefusal['code'], path: string, reason: string, fix: string): IRefusal {
  return { kind: 'refusal', code, message: `--overlay ${path} cannot be honoured`, reason, fix };
}
