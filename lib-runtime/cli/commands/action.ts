// SPDX-License-Identifier: BSD-3-Clause
/** exec, run, shell, test: ask the user, the host and the image; plan; launch. */
import { thisBeginning } from '../../engines/handover.ts';
import { enterPlan, enterSpec } from '../../run/enter.ts';
import { type IInstance, instanceOfAddress, requireInstance } from '../../run/instances.ts';
import { launch } from '../../run/launch.ts';
import type { Plan } from '../../run/plan-types.ts';
import type { IRunSpec } from '../../run/spec.ts';
import { planOrThrow, start } from '../../run/start.ts';
import { isDebug, print, warn } from '../output.ts';
import { instancesDirectory } from './instance.ts';
import { type IStartValues, openView, prepare, startRequest, wishes } from './prepare.ts';

interface IValues extends IStartValues {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Runs one container and returns its exit status (128 + signal number when a signal ended it). */
export async function actionCommand(
  action: IRunSpec['action'],
  imageName: string,
  words: readonly string[],
  values: IValues
): Promise<number> {
  const { handOver, failed } = thisBeginning();
  const asked = await wishes(action, words, values);
  const address = instanceOfAddress(imageName);
  const instance = address === undefined ? undefined : await requireInstance(await instancesDirectory(), address);
  const spec = instance === undefined ? asked.spec : enterSpec(asked.spec, instance);
  const view = openView(values);
  try {
    const prepared = await prepare({ ...asked, spec }, instance?.image ?? imageName, values, view);
    const { host, facts } = prepared;
    const request = {
      ...startRequest(prepared, view),
      // What is noted on the way needs us to say it.
      ...(handOver && !isDebug() && { handOver }),
      failed
    };
    const entered = instance && entering(planOrThrow(spec, host, facts, process.env), instance);
    if (values.dryRun) {
      const plan = entered ?? planOrThrow(spec, host, facts, process.env);
      const { formatPlan } = await import('../../run/dry-run.ts');
      print(values.json ? JSON.stringify(plan, null, 2) : formatPlan(plan));
      return 0;
    }
    if (entered !== undefined) {
      return (await launch(entered, request)).status;
    }
    return (await start(spec, host, facts, process.env, request)).status;
  } finally {
    view.stop();
  }
}

/** The plan that enters the instance; undefined where there is nothing to enter, and another container has to do. */
function entering(plan: Plan, instance: IInstance): Plan | undefined {
  if (plan.engine === 'namespaces' && instance.engine === 'namespaces') {
    return enterPlan(plan, instance);
  }
  warn(
    `${instance.name} has no namespaces that could be entered (PRoot): another container with the same image and the ` +
      'same binds is started beside it, with memory of its own for what is not bound'
  );
  return undefined;
}
