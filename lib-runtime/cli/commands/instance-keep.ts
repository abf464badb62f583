// SPDX-License-Identifier: BSD-3-Clause
/** instance keep (hidden): the process behind an instance. It is told what to start over Node's channel. */
import { once } from 'node:events';
import { namedBelow, startOf } from '../../engines/processes.ts';
import type { ChildProcess } from 'node:child_process';
import { claimInstance, forgetInstance, type IInstance, updateInstance } from '../../run/instances.ts';
import type { ILaunchRequest } from '../../run/launch.ts';
import { launch } from '../../run/launch.ts';
import type { Plan } from '../../run/plan-types.ts';
import { start } from '../../run/start.ts';
import { asContainerError, type IErrorDetails } from '../../support/errors.ts';
import { instanceWishes, type IStartValues, openView, prepare, startRequest } from './prepare.ts';

export interface IKeepOrder {
  readonly action: 'start' | 'run';
  readonly image: string;
  /** Absolute path of the image. */
  readonly path: string;
  readonly name: string;
  readonly words: readonly string[];
  readonly values: IStartValues;
  /** Of run/instances.ts. */
  readonly directory: string;
  readonly logOut: string;
  readonly logErr: string;
}

export type KeepReply =
  | { readonly kind: 'started'; readonly instance: IInstance }
  | { readonly kind: 'failed'; readonly error: Omit<IErrorDetails, 'cause'> };

/** Starts what the parent asks for, tells it when the command runs, and stays until the instance ends. */
export async function instanceKeepCommand(): Promise<number> {
  const [order] = (await once(process, 'message')) as [IKeepOrder];
  let started = false;
  const reply = (answer: KeepReply): void => {
    if (process.connected) {
      process.send?.(answer, () => process.connected && process.disconnect());
    }
  };
  try {
    return await keep(order, instance => {
      started = true;
      reply({ kind: 'started', instance });
    });
  } catch (error) {
    const known = asContainerError(error, 'instance', `cannot start the instance ${order.name}`);
    if (started) {
      throw known;
    }
    reply({ kind: 'failed', error: known.toJSON() });
    return 255;
  }
}

async function keep(order: IKeepOrder, onStarted: (instance: IInstance) => void): Promise<number> {
  const { action, image, name, words, values, directory, logOut, logErr } = order;
  const asked = await instanceWishes(action, name, words, values);
  const { spec } = asked;
  const keeper = process.pid;
  const claim: IInstance = {
    ...{ name, image: order.path, pid: 0, keeper, keeperStart: (await startOf(keeper)) ?? '' },
    ...{ engine: 'namespaces', namespaces: [], spec, logOut, logErr }
  };
  await claimInstance(directory, claim);
  const view = openView({ progress: 'none' });
  let child: ChildProcess | undefined;
  let plan: Plan | undefined;
  const announce = async (): Promise<void> => {
    const pid = await namedBelow(child?.pid ?? 0, 'instance');
    if (plan === undefined || pid === undefined) {
      throw new Error('the instance ended at once');
    }
    const namespaces = plan.steps.flatMap(({ step }) => (step.op === 'unshare' ? step.namespaces : []));
    const running: IInstance = { ...claim, pid, engine: plan.engine, namespaces };
    await updateInstance(directory, running);
    onStarted(running);
  };
  try {
    const prepared = await prepare(asked, image, values, view);
    const request: ILaunchRequest = {
      ...startRequest(prepared, view),
      stdio: ['ignore', 'inherit', 'inherit'],
      onSpawn: spawned => {
        child = spawned;
      },
      onStarted: () => void announce().catch(() => child?.kill('SIGTERM'))
    };
    const perform: typeof launch = (next, how) => {
      plan = next;
      return launch(next, how);
    };
    const { host, facts } = prepared;
    return (await start(spec, host, facts, process.env, { ...request, say: () => undefined }, perform)).status;
  } finally {
    await forgetInstance(directory, name);
  }
}
