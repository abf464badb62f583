// SPDX-License-Identifier: BSD-3-Clause
/** For the tables of plan tests: a plan from what differs, and its steps as text. */
import type { IHostFacts, ProbeName } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { describeStep } from './dry-run.ts';
import { planRun } from './plan.ts';
import type { INamespacesPlan, IRefusal, Plan } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';
import { execSpec, hostFacts } from './testing.ts';

export type Denied = Partial<Record<ProbeName, string>>;

export function plan(
  image: IImageFacts,
  spec: Partial<IRunSpec> = {},
  denied: Denied = {},
  host: Partial<IHostFacts> = {}
): Plan | IRefusal {
  return planRun(execSpec(spec), hostFacts(denied, host), image, {});
}

export function namespaces(result: Plan | IRefusal): INamespacesPlan {
  if (result.kind === 'refusal' || result.engine !== 'namespaces') {
    throw new Error(`no namespaces plan: ${JSON.stringify(result)}`);
  }
  return result;
}

export function steps(result: Plan | IRefusal, like = /./): string[] {
  return namespaces(result)
    .steps.map(({ step }) => describeStep(step))
    .filter(text => like.test(text));
}
