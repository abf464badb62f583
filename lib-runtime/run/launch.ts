// SPDX-License-Identifier: BSD-3-Clause
/** Performs a plan: has the tree made that it asks for, then hands it to its engine. */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type ILaunchOptions, launchNamespaces } from '../engines/namespaces.ts';
import { launchPtrace } from '../engines/ptrace.ts';
import type { IPlannedStep, Step } from '../engines/steps.ts';
import { capabilityNumbers } from '../host/capabilities.ts';
import { asContainerError, ContainerError } from '../support/errors.ts';
import { withSingleId } from './identity.ts';
import { makeHostDirectories } from './host-directories.ts';
import type { INamespacesPlan, Plan } from './plan-types.ts';
import { COPY } from './writable.ts';

export interface IImageCopy {
  readonly directory: string;
  dispose(): Promise<void>;
}

export interface ILaunchRequest {
  /** Unpacks the image into the directory that the plan names; called only when that is missing. */
  readonly ensureTree: (view: 'plain' | 'merged' | 'read-only') => Promise<void>;
  /** Makes a writable copy of the image for this container alone; called only when the plan wants one. */
  readonly copyImage?: (view: 'plain' | 'merged') => Promise<IImageCopy>;
  /** Streams of the command; the caller's own by default. */
  readonly stdio?: ILaunchOptions['stdio'];
  readonly signal?: AbortSignal;
  readonly onSpawn?: (child: ChildProcess) => void;
  /** Told about what an optional step could not do, and about a fallback at launch. */
  readonly onNote?: (text: string) => void;
}

/**
 * Starts the container and waits for its end.
 *
 * @returns the command's exit status, 128 + the number of the signal that ended it.
 * @throws ContainerError `launch`, `exec`, `cancelled`, and what ensureTree throws.
 */
export async function launch(plan: Plan, request: ILaunchRequest): Promise<{ status: number }> {
  await makeHostDirectories(plan.hostDirectories ?? []);
  if (plan.rootfs.kind === 'tree' && !existsSync(plan.rootfs.directory)) {
    await request.ensureTree(plan.rootfs.view);
  }
  if (plan.rootfs.kind === 'copy') {
    return launchCopy(plan, plan.rootfs.view, request);
  }
  const { signal, onSpawn, onNote } = request;
  const options: ILaunchOptions = {
    stdio: request.stdio ?? 'inherit',
    onNote: note => onNote?.(`${note.text} (${note.errno})${note.step ? `: ${note.step.reason}` : ''}`),
    ...(signal !== undefined && { signal }),
    ...(onSpawn !== undefined && { onSpawn })
  };
  if (plan.engine === 'ptrace') {
    return launchPtrace({ ...plan, confinement: capabilityNumbers(plan.confinement) }, options);
  }
  try {
    return await launchNamespaces(plan, options);
  } catch (error) {
    const mapping = error instanceof ContainerError && error.step === 'launch: unshare' && wantsRange(plan);
    if (mapping) {
      onNote?.(`${error.message}: one id has to do`);
      return launch({ ...plan, steps: withSingleId(plan.steps) }, request);
    }
    const refused = error instanceof ContainerError && error.step === 'launch: squashfs';
    if (!refused || plan.rootfs.kind !== 'mounted') {
      throw error;
    }
    // The probe saw a loop device, but not whether one is free or this kernel reads this squashfs.
    onNote?.(`${error.message} (${error.errno ?? 'no errno'}): the image is unpacked instead`);
    return launch(withTree(plan, plan.rootfs.otherwise), request);
  }
}

function wantsRange({ steps }: INamespacesPlan): boolean {
  return steps.some(({ step }) => step.op === 'unshare' && step.mapHelpers !== undefined);
}

async function launchCopy(plan: Plan, view: 'plain' | 'merged', request: ILaunchRequest): Promise<{ status: number }> {
  if (request.copyImage === undefined) {
    throw new ContainerError({
      code: 'internal',
      step: 'launch',
      message: 'nobody makes the copy that the plan wants'
    });
  }
  const copy = await request.copyImage(view);
  try {
    return await launch(withCopy(plan, copy.directory), request);
  } finally {
    // What cannot be removed now is swept by a later start; the status of the command is worth more.
    await copy.dispose().catch((error: unknown) => {
      request.onNote?.(asContainerError(error, 'launch', `cannot remove the copy ${copy.directory}`).message);
    });
  }
}

/** The same plan with the copy where it was made. Pure. */
export function withCopy(plan: Plan, directory: string): Plan {
  const rootfs = { kind: 'directory', directory } as const;
  return plan.engine === 'ptrace'
    ? { ...plan, rootfs, arguments: plan.arguments.map((word, at) => (at === 1 && word === COPY ? directory : word)) }
    : { ...plan, rootfs, steps: moveSources(plan.steps, COPY, directory) };
}

/** The same plan with the image's files from a directory instead of from a mounted squashfs. Pure. */
export function withTree(plan: INamespacesPlan, directory: string): INamespacesPlan {
  const mountpoint = plan.steps.flatMap(({ step }) => (step.op === 'squashfs' ? [step.mountpoint] : []))[0];
  if (mountpoint === undefined) {
    return plan;
  }
  const rest = plan.steps.filter(({ step }) => step.op !== 'squashfs');
  const rootfs = { kind: 'tree', view: 'plain', directory } as const;
  return { ...plan, rootfs, steps: moveSources(rest, mountpoint, directory) };
}

/** Sources below `from` moved below `to`. */
function moveSources(steps: readonly IPlannedStep[], from: string, to: string): IPlannedStep[] {
  const move = (path: string): string =>
    path === from || path.startsWith(`${from}/`) ? to + path.slice(from.length) : path;
  const moved = (step: Step): Step => {
    switch (step.op) {
      case 'bind':
        return { ...step, source: move(step.source) };
      case 'overlay':
        return { ...step, lower: step.lower.map(move) };
      default:
        return step;
    }
  };
  return steps.map(({ step, reason }) => ({ step: moved(step), reason }));
}
