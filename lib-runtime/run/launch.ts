// SPDX-License-Identifier: BSD-3-Clause
/** Performs a plan: has the tree made that it asks for, then hands it to its engine. */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type ILaunchOptions, launchNamespaces } from '../engines/namespaces.ts';
import { launchPtrace } from '../engines/ptrace.ts';
import type { IPlannedStep, Step } from '../engines/steps.ts';
import { ContainerError } from '../support/errors.ts';
import { makeHostDirectories } from './host-directories.ts';
import type { INamespacesPlan, Plan } from './plan-types.ts';

export interface ILaunchRequest {
  /** Unpacks the image into the directory that the plan names; called only when that is missing. */
  readonly ensureTree: (view: 'plain' | 'merged') => Promise<void>;
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
  const { signal, onSpawn, onNote } = request;
  const options: ILaunchOptions = {
    stdio: request.stdio ?? 'inherit',
    onNote: note => onNote?.(`${note.text} (${note.errno})${note.step ? `: ${note.step.reason}` : ''}`),
    ...(signal !== undefined && { signal }),
    ...(onSpawn !== undefined && { onSpawn })
  };
  if (plan.engine === 'ptrace') {
    return launchPtrace(plan, options);
  }
  try {
    return await launchNamespaces(plan, options);
  } catch (error) {
    const refused = error instanceof ContainerError && error.step === 'launch: squashfs';
    if (!refused || plan.rootfs.kind !== 'mounted') {
      throw error;
    }
    // The probe saw a loop device, but not whether one is free or this kernel reads this squashfs.
    onNote?.(`${error.message} (${error.errno ?? 'no errno'}): the image is unpacked instead`);
    return launch(withTree(plan, plan.rootfs.otherwise), request);
  }
}

/** The same plan with the image's files from a directory instead of from a mounted squashfs. Pure. */
export function withTree(plan: INamespacesPlan, directory: string): INamespacesPlan {
  const mountpoint = plan.steps.flatMap(({ step }) => (step.op === 'squashfs' ? [step.mountpoint] : []))[0];
  if (mountpoint === undefined) {
    return plan;
  }
  const move = (path: string): string =>
    path === mountpoint || path.startsWith(`${mountpoint}/`) ? directory + path.slice(mountpoint.length) : path;
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
  const steps = plan.steps
    .filter(({ step }) => step.op !== 'squashfs')
    .map(({ step, reason }): IPlannedStep => ({ step: moved(step), reason }));
  return { ...plan, rootfs: { kind: 'tree', view: 'plain', directory }, steps };
}
