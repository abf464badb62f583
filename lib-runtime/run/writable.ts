// SPDX-License-Identifier: BSD-3-Clause
/** What --writable-tmpfs makes of a root file system: an overlay in memory, or a copy on disk where that is denied. Pure. */
import type { IPlannedStep } from '../engines/steps.ts';
import type { IHostFacts } from '../host/facts.ts';
import { errnoText } from './identity.ts';
import { overlayProgram, overlaySteps } from './overlay-driver.ts';
import { type IOverlays, layersOver, overlayImages } from './overlays.ts';
import type { INote, RootfsDemand } from './plan-types.ts';
import { type ICircumstances, type IRootfs, stageOf, whyNotWrittenOver } from './rootfs.ts';
import type { IRunSpec } from './spec.ts';

const MIB = 1024 * 1024;
/** The root under construction holds directories and small files only. */
const SKELETON_BYTES = 32 * MIB;

/** Stands in a plan for the directory of the copy, which is made (and named) at the launch. */
export const COPY = '/@copy@';

export type Writable =
  | { readonly kind: 'overlay'; readonly sizeBytes: number }
  | { readonly kind: 'copy'; readonly reason: string }
  /** The image itself. */
  | { readonly kind: 'image' };

/** How the root of the namespaces engine is made writable; undefined when it was not asked for. */
export function chooseWritable(spec: IRunSpec, host: IHostFacts, privileged: boolean): Writable | undefined {
  if (spec.writable) {
    return { kind: 'image' };
  }
  if (!spec.writableTmpfs) {
    return undefined;
  }
  if (spec.overlayDriver === 'copy') {
    return { kind: 'copy', reason: '--overlay-driver copy was asked for' };
  }
  const probe = host.probes[privileged ? 'overlay' : 'user-overlay'];
  if (!probe.ok && spec.overlayDriver === undefined) {
    return { kind: 'copy', reason: `this host denies overlay mounts${errnoText(probe)}` };
  }
  // Half of what is free now, as a tmpfs takes memory only for what is written; Apptainer's 64 MiB at the least.
  return { kind: 'overlay', sizeBytes: Math.max(64 * MIB, Math.floor(host.memoryBytes / 2 / MIB) * MIB) };
}

/** Bytes that the root under construction may take. */
export function stageBytes(writable: Writable | undefined): number {
  return writable?.kind === 'overlay' ? writable.sizeBytes : SKELETON_BYTES;
}

/** The demand for a writable copy, and what is said about it. */
export function copyDemand(demand: RootfsDemand, reason: string): { demand: RootfsDemand; note: INote } {
  const view = demand.kind === 'tree' && demand.view === 'merged' ? 'merged' : 'plain';
  return {
    demand: { kind: 'copy', view, directory: COPY },
    note: {
      level: 'info',
      text: `--writable-tmpfs: ${reason}, so this container gets a copy of the image of its own on disk, removed at the end`
    }
  };
}

/** The root file system under the layers of --overlay, else withWritable(). */
export function withLayers(
  rootfs: IRootfs,
  writable: Writable | undefined,
  overlays: IOverlays | undefined,
  spec: IRunSpec,
  host: IHostFacts,
  by: Pick<ICircumstances, 'privileged' | 'severalIds'>
): ReturnType<typeof withWritable> {
  const { privileged } = by;
  const stage = stageOf(host);
  const program = overlayProgram(spec, host);
  if (overlays === undefined) {
    return withWritable(rootfs, writable, stage, privileged, program);
  }
  const { demand, path, step } = rootfs;
  const memory = writable === undefined ? {} : { upper: `${stage}/upper`, work: `${stage}/work` };
  const layers = { ...memory, ...layersOver(overlays, path, stage) };
  const what = overlays.upper === undefined ? 'layers over the image' : `changes go to ${overlays.upper}`;
  const mount = overlaySteps(layers, program, stage, privileged, `--overlay: ${what}`);
  const images = overlayImages(overlays, host, by);
  const changes = layers.upper !== undefined;
  const why = changes ? whyNotWrittenOver(host, by.severalIds, program === undefined) : undefined;
  const notes = images.flatMap(({ step: { op }, reason }): INote[] =>
    op === 'fuse' && why !== undefined
      ? [{ level: 'warning', text: `${reason}: its own files stay as they are: ${why}` }]
      : []
  );
  return { demand, path, notes: [...rootfs.notes, ...notes], steps: [...(step ? [step] : []), ...images, ...mount] };
}

/** The root file system with the steps that bring it, writable where that was asked for. */
export function withWritable(
  rootfs: IRootfs,
  writable: Writable | undefined,
  stage: string,
  privileged: boolean,
  program?: string
): Omit<IRootfs, 'step'> & { readonly steps: readonly IPlannedStep[] } {
  const { demand, path, step, notes } = rootfs;
  const opened = step ? [step] : [];
  switch (writable?.kind) {
    case undefined:
      return { demand, path, notes, steps: opened };
    case 'overlay':
      return {
        demand,
        path,
        notes,
        steps: [
          ...opened,
          ...overlaySteps(
            { lower: [path], upper: `${stage}/upper`, work: `${stage}/work` },
            program,
            stage,
            privileged,
            '--writable-tmpfs: changes go to memory and are gone at the end'
          )
        ]
      };
    case 'image':
      return {
        demand,
        path,
        notes,
        steps: [
          {
            step: { op: 'bind', source: path, target: '/', flags: ['rec', 'nosuid', 'nodev'] },
            reason: '--writable: changes go into the image'
          }
        ]
      };
    case 'copy': {
      const copy = copyDemand(demand, writable.reason);
      return {
        demand: copy.demand,
        path: COPY,
        notes: [copy.note],
        steps: [
          {
            step: { op: 'bind', source: COPY, target: '/', flags: ['nosuid', 'nodev'] },
            reason: '--writable-tmpfs: changes go to a copy of the image and are gone at the end'
          }
        ]
      };
    }
  }
}
