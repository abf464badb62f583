// SPDX-License-Identifier: BSD-3-Clause
/** Performs a plan: has the tree made that it asks for, then hands it to its engine. */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { handOver, type IBeginning } from '../engines/handover.ts';
import { launchError } from '../engines/launch-errors.ts';
import type { ILaunchOptions } from '../engines/namespaces.ts';
import type { IPlannedStep, Step } from '../engines/steps.ts';
import { capabilityNumbers } from '../host/capabilities.ts';
import { type ICgroup, makeCgroup, ownCgroupPlaces, preferAsVictim } from '../host/cgroup.ts';
import { asContainerError, ContainerError } from '../support/errors.ts';
import { makeHostDirectories } from './host-directories.ts';
import { cgroupFiles, type ILimits } from './limits.ts';
import type { Plan } from './plan-types.ts';
import { COPY } from './writable.ts';

export interface IImageCopy {
  readonly directory: string;
  dispose(): Promise<void>;
}

/** `handOver`: this process has nothing to do but to wait for the container, and may become its launcher instead. */
export interface ILaunchRequest extends IBeginning {
  /** Unpacks the image into the directory that the plan names; called only when that is missing. */
  readonly ensureTree: (view: 'plain' | 'merged' | 'read-only') => Promise<void>;
  /**
   * Says that the tree is in use until the end of this process, whatever it becomes; undefined for a directory that
   * nobody else removes. Called before it is looked for.
   */
  readonly holdTree?: (directory: string) => Promise<{ release(): Promise<void> } | undefined>;
  /** Makes a writable copy of the image for this container alone; called only when the plan wants one. */
  readonly copyImage?: (view: 'plain' | 'merged') => Promise<IImageCopy>;
  /** Streams of the command; the caller's own by default. */
  readonly stdio?: ILaunchOptions['stdio'];
  readonly signal?: AbortSignal;
  readonly onSpawn?: (child: ChildProcess) => void;
  /** An instance's command runs. */
  readonly onStarted?: () => void;
  /** Told about what an optional step could not do. */
  readonly onNote?: (text: string) => void;
}

/**
 * Starts the container and waits for its end.
 *
 * @returns the command's exit status, 128 + the number of the signal that ended it.
 * @throws ContainerError `launch`, `exec`, `cancelled`, and what ensureTree throws.
 */
export async function launch(plan: Plan, request: ILaunchRequest): Promise<{ status: number }> {
  makeHostDirectories(plan.hostDirectories ?? []);
  const { kind } = plan.rootfs;
  const hold = kind === 'tree' || kind === 'directory' ? await request.holdTree?.(plan.rootfs.directory) : undefined;
  try {
    return await launchHeld(plan, request);
  } finally {
    await hold?.release();
  }
}

async function launchHeld(plan: Plan, request: ILaunchRequest): Promise<{ status: number }> {
  if (plan.rootfs.kind === 'tree' && !existsSync(plan.rootfs.directory)) {
    await request.ensureTree(plan.rootfs.view);
  }
  if (plan.rootfs.kind === 'copy') {
    return launchCopy(plan, plan.rootfs.view, request);
  }
  if (request.failed && plan.engine === 'namespaces') {
    throw launchError(request.failed, plan);
  }
  if (request.handOver && plan.engine === 'namespaces' && plan.limits === undefined) {
    preferAsVictim(process.pid);
    handOver(plan, request.handOver);
  }
  const { signal, onNote } = request;
  const limits = plan.limits === undefined ? undefined : limitsGroup(plan.limits);
  const options: ILaunchOptions = {
    stdio: request.stdio ?? 'inherit',
    onNote: note => {
      if (note.step?.step.op === 'hold') {
        request.onStarted?.();
        return;
      }
      onNote?.(`${note.text} (${note.errno})${note.step ? `: ${note.step.reason}` : ''}`);
    },
    ...(signal !== undefined && { signal }),
    onSpawn: child => {
      // The launcher waits for its plan: whatever it starts is marked and limited as it is itself.
      if (child.pid !== undefined) {
        preferAsVictim(child.pid);
        limits?.add(child.pid);
      }
      request.onSpawn?.(child);
    }
  };
  try {
    // Loaded when needed: most starts are handed over.
    if (plan.engine === 'ptrace') {
      const { launchPtrace } = await import('../engines/ptrace.ts');
      return await launchPtrace({ ...plan, confinement: capabilityNumbers(plan.confinement) }, options);
    }
    const { launchNamespaces } = await import('../engines/namespaces.ts');
    return await launchNamespaces(plan, options);
  } finally {
    await limits?.dispose();
  }
}

function limitsGroup(limits: ILimits): ICgroup {
  const places = ownCgroupPlaces();
  return makeCgroup(cgroupFiles(limits, places.version), places);
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

/** Sources below `from` moved below `to`. */
function moveSources(steps: readonly IPlannedStep[], from: string, to: string): IPlannedStep[] {
  const move = (path: string): string =>
    path === from || path.startsWith(`${from}/`) ? to + path.slice(from.length) : path;
  const moved = (step: Step): Step => {
    switch (step.op) {
      case 'bind':
        return { ...step, source: move(step.source) };
      case 'tree':
        return { ...step, directory: move(step.directory) };
      case 'chroot':
        return { ...step, root: move(step.root) };
      case 'overlay':
        return { ...step, lower: step.lower.map(move) };
      default:
        return step;
    }
  };
  return steps.map(({ step, reason }) => ({ step: moved(step), reason }));
}
