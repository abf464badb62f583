// SPDX-License-Identifier: BSD-3-Clause
/**
 * --overlay PATH[:ro]: directories and ext3 images whose changes lie over the image, laid out as Apptainer does (`upper`
 * and `work` inside), and squashfs images, whose root is the layer. Pure.
 */
import type { IPlannedStep } from '../engines/steps.ts';
import type { IHostFacts } from '../host/facts.ts';
import { errnoText } from './identity.ts';
import { hostPath } from './mounts.ts';
import { type ILayers, whyNoOverlay } from './overlay-driver.ts';
import type { IHostDirectory, INote, IRefusal } from './plan-types.ts';
import { type ICircumstances, squashfsLayer, stageOf } from './rootfs.ts';
import type { IOverlay, IRunSpec } from './spec.ts';

/** Host directories, uppermost first. */
export interface IOverlays {
  readonly kind: 'overlays';
  readonly lower: readonly string[];
  /** The directory that gets the changes, with its work directory beside it. */
  readonly upper?: string;
  readonly work?: string;
  /** Images to mount first: those of `lower`, `upper` and `work` that lie below a mountpoint. */
  readonly images: readonly ILayerImage[];
  /** Made before the start. */
  readonly hostDirectories: readonly IHostDirectory[];
  readonly notes: readonly INote[];
}

interface ILayerImage {
  readonly path: string;
  readonly mountpoint: string;
  readonly readOnly: boolean;
  readonly image: NonNullable<IOverlay['image']>;
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
  const notes: INote[] = [];
  const overlays = spec.overlays.map(({ path, readOnly, image }, at) => {
    const full = hostPath(path, host.workingDirectory);
    if (image?.fileSystem === 'squashfs' && !readOnly) {
      const text = `Overlay image ${path} is not writable, proceeding with read-only`;
      notes.push({ level: 'warning', text });
    }
    return image === undefined
      ? { path: full, readOnly }
      : {
          path: full,
          readOnly: readOnly || image.fileSystem === 'squashfs',
          image,
          mountpoint: `${stageOf(host)}/overlay-${at}`
        };
  });
  for (const { path, image } of overlays) {
    const type = host.paths[path]?.type;
    if (type !== 'directory' && (type === undefined || image === undefined)) {
      const missing = type === undefined;
      return refusal(
        missing ? 'not-found' : 'usage',
        path,
        missing ? `the host has no ${path}` : 'it is neither a directory nor an image (ext3, squashfs, SIF)',
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
    .map(({ path, mountpoint, image }) => {
      const holdsUpper = image?.fileSystem === 'ext3' || host.paths[`${path}/upper`]?.type === 'directory';
      return `${mountpoint ?? path}${holdsUpper ? '/upper' : ''}`;
    })
    .reverse();
  const images = overlays.flatMap(({ path, mountpoint, image, readOnly }) =>
    image === undefined ? [] : [{ path, mountpoint, image, readOnly }]
  );
  if (writable === undefined) {
    return { kind: 'overlays', lower, images, hostDirectories: [], notes };
  }
  const base = writable.mountpoint ?? writable.path;
  const [upper, work] = [`${base}/upper`, `${base}/work`];
  const made = writable.mountpoint === undefined ? [upper, work] : [];
  const hostDirectories = made.map(path => ({ path, mode: 0o755 }));
  return { kind: 'overlays', lower, upper, work, images, hostDirectories, notes };
}

/** Why the layers cannot be mounted on this machine; undefined where they can. */
export function overlaysDenied(
  overlays: IOverlays | undefined,
  spec: IRunSpec,
  host: IHostFacts,
  by: IMounter
): IRefusal | undefined {
  const loop = host.probes['loop-device'];
  for (const layer of overlays?.images ?? []) {
    if (layer.image.fileSystem === 'ext3' && (!by.privileged || !loop.ok)) {
      const why = by.privileged ? `no loop device can be used here${errnoText(loop)}` : 'mounting an image needs root';
      return refusal('refused', layer.path, why, 'Use a directory for --overlay');
    }
    const mount = layerStep(layer, host, by);
    if ('denied' in mount) {
      return refusal('refused', layer.path, mount.denied, 'Unpack it into a directory, or install squashfuse');
    }
  }
  const denied = whyNoOverlay(spec, host, by.privileged);
  return denied && refusal('refused', spec.overlays[0]?.path, denied.reason, denied.fix);
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
 * The layers. The root under construction, which holds the mount points that the image lacks, is the lowest one: so
 * the user's directory gets the changes of the container and nothing else.
 *
 * @param image where the image's files are.
 */
export function layersOver({ lower, upper, work }: IOverlays, image: string, stage: string): ILayers {
  const changes = upper === undefined ? {} : { upper, work };
  return { lower: [...lower, image, `${stage}/root`], ...changes };
}

/** Who mounts. */
type IMounter = Pick<ICircumstances, 'privileged' | 'severalIds'>;

function layerStep({ path, mountpoint, readOnly, image }: ILayerImage, host: IHostFacts, by: IMounter) {
  const { fileSystem, offset, size } = image;
  return fileSystem === 'ext3'
    ? { step: { op: 'ext3', image: path, offset, size, mountpoint, readOnly } as const }
    : squashfsLayer({ file: path, offset, size }, mountpoint, host, by);
}

/** The mounts of the images. */
export function overlayImages({ images }: IOverlays, host: IHostFacts, by: IMounter): IPlannedStep[] {
  return images.flatMap(layer => {
    const mount = layerStep(layer, host, by);
    return 'step' in mount ? [{ step: mount.step, reason: `--overlay ${layer.path}` }] : [];
  });
}

function refusal(code: IRefusal['code'], path: string | undefined, reason: string, fix: string): IRefusal {
  const what = path === undefined ? '--overlay-driver' : `--overlay ${path}`;
  return { kind: 'refusal', code, message: `${what} cannot be honoured`, reason, fix };
}
