// SPDX-License-Identifier: BSD-3-Clause
/** Plans and launches, and plans anew when a step fails that the probe had found to work. */
import { existsSync } from 'node:fs';
import { StepError } from '../engines/launch-errors.ts';
import type { IHostFacts } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { ContainerError } from '../support/errors.ts';
import { type ILaunchRequest, launch } from './launch.ts';
import { planRun } from './plan.ts';
import type { INote, Plan } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';
import { nextStrategy, restrict } from './strategy.ts';

export interface IStartRequest extends ILaunchRequest {
  /** Told about every fallback, before the run; each text once. */
  readonly say: (note: INote) => void;
}

/** With what may have changed since the facts were gathered, at an earlier start even. */
function asItIs(image: IImageFacts): IImageFacts {
  return image.source.kind === 'squashfs' ? { ...image, unpacked: existsSync(image.trees.plain) } : image;
}

/** @throws ContainerError with the refusal's code when nothing can be started here. */
export function planOrThrow(...[spec, host, image, environment]: Parameters<typeof planRun>): Plan {
  const plan = planRun(spec, host, asItIs(image), environment);
  if (plan.kind === 'refusal') {
    throw new ContainerError({ step: plan.step ?? 'plan', ...plan });
  }
  return plan;
}

/**
 * Starts the container in the first way that works and waits for its end.
 *
 * @returns the command's exit status.
 * @throws ContainerError what launch throws; of several ways that failed, what stopped the first.
 */
export async function start(
  spec: IRunSpec,
  machine: IHostFacts,
  image: IImageFacts,
  environment: Readonly<Record<string, string | undefined>>,
  request: IStartRequest,
  perform: typeof launch = launch
): Promise<{ status: number }> {
  const said = new Set<string>();
  let attempt: ILaunchRequest = request;
  let host = machine;
  let plan = planOrThrow(spec, host, image, environment);
  for (;;) {
    for (const note of plan.notes.filter(({ text }) => !said.has(text))) {
      said.add(note.text);
      // What has failed already was announced, too.
      if (attempt.failed === undefined) {
        request.say(note);
      }
    }
    try {
      return await perform(plan, attempt);
    } catch (error) {
      const failed = error instanceof StepError ? error.failed : undefined;
      const restriction = failed && error instanceof StepError ? nextStrategy(failed, error.errno) : undefined;
      const restricted = restriction && restrict(host, restriction);
      const next = restricted && planRun(spec, restricted, asItIs(image), environment);
      if (restricted === undefined || next === undefined || next.kind === 'refusal') {
        throw error;
      }
      const { message, errno } = error as StepError;
      request.say({
        level: 'info',
        text: `${message}${errno === undefined ? '' : ` (${errno})`}: another way is taken`
      });
      attempt = { ...request, failed: undefined };
      host = restricted;
      plan = next;
    }
  }
}
