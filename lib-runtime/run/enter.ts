// SPDX-License-Identifier: BSD-3-Clause
/** Commands in a running instance: what is taken from it, and what becomes of a plan. Pure. */
import type { Step } from '../engines/steps.ts';
import type { IInstance } from './instances.ts';
import type { INamespacesPlan } from './plan-types.ts';
import { DEFAULT_SPEC, type IRunSpec } from './spec.ts';

/** What of a spec is about the command; the rest is about the container. */
const OF_COMMAND: readonly (keyof IRunSpec)[] = [
  ...(['action', 'command', 'environment', 'cleanEnvironment', 'noEval', 'noUmask', 'app', 'shell'] as const),
  ...(['workingDirectory', 'limits', 'noPrivileges', 'keepPrivileges', 'addCapabilities', 'dropCapabilities'] as const),
  // It was set when the container was made.
  'hostname'
];

/**
 * What is asked for a command in an instance: the container is the one that was started, so mounts and identity are
 * the instance's; the command and its environment are the caller's.
 */
export function enterSpec(asked: IRunSpec, { name, spec, engine }: IInstance): IRunSpec {
  const container = Object.entries(spec).filter(([key]) => !(OF_COMMAND as readonly string[]).includes(key));
  const command = Object.entries(asked).filter(([key]) => (OF_COMMAND as readonly string[]).includes(key));
  return {
    ...DEFAULT_SPEC,
    action: asked.action,
    command: asked.command,
    ...Object.fromEntries([...container, ...command]),
    network: false,
    engine,
    instance: { name, keeps: false }
  };
}

/** What the command is, behind the mounts: the last steps of every plan. */
const ABOUT_COMMAND: ReadonlySet<Step['op']> = new Set<Step['op']>([
  'umask',
  'account',
  'no-new-privileges',
  'drop-capabilities',
  'fake-root',
  'without-system-calls',
  'chdir'
]);

/** The plan with the instance's namespaces entered in the place of new ones. */
export function enterPlan(plan: INamespacesPlan, { pid, namespaces, name }: IInstance): INamespacesPlan {
  const { limits, execution, engine, root, kind } = plan;
  return {
    kind,
    engine,
    root,
    rootfs: { kind: 'directory', directory: '/' },
    steps: [
      { step: { op: 'join', pid, namespaces }, reason: `the instance ${name}` },
      ...plan.steps.filter(({ step }) => ABOUT_COMMAND.has(step.op))
    ],
    execution,
    notes: [],
    ...(limits && { limits })
  };
}
