// SPDX-License-Identifier: BSD-3-Clause
/**
 * The command line becomes the launcher (execve: same process, terminal and streams) instead of waiting beside it: no
 * second process to start, and none of Node's memory held for as long as the container runs. What is said of a step
 * that failed needs Node again, so the launcher then becomes this command line once more (launcher/handover.c), which
 * plans the same and finds that its first plan has failed already.
 */
import { accessSync, constants } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { launcherPath } from './launcher-path.ts';
import type { ILaunchPlan } from './namespaces.ts';
import { decodeStatus, planStrings, type StatusRecord } from './protocol.ts';

/** This command line, for the launcher to start it anew. */
export interface IHandOver {
  /** Program and options up to the user's words. */
  readonly program: readonly string[];
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Linux grants every process 128 KiB of arguments and environment, pointers included, whatever its stack's limit. */
const MAX_BYTES = 96 << 10;
const POINTER = 8;

const MARK = 'NBCONTAINER_LAUNCH';

/** How a launch begins: one of both, or none. */
export interface IBeginning {
  readonly handOver?: IHandOver;
  /** What the launcher has reported of the first plan before it handed back. */
  readonly failed?: StatusRecord | undefined;
}

/**
 * This process as it was started. It must stay where Node has no execve (before 22.15), below a daemon with whose end it
 * ends, and when a launcher has just handed back. Takes the launcher's mark out of the environment.
 */
export function thisBeginning(): IBeginning {
  const mark = process.env[MARK];
  if (mark !== undefined) {
    Reflect.deleteProperty(process.env, MARK);
    const failed = decodeStatus(mark);
    return failed === undefined ? {} : { failed };
  }
  const [, script, ...words] = process.argv;
  if (script === undefined || process.channel || !('execve' in process)) {
    return {};
  }
  const program = [process.execPath, ...process.execArgv, '--', script];
  return { handOver: { program, words, environment: process.env } };
}

/**
 * What the launcher finds in its environment: the number of strings and the strings of the plan, the same of the
 * program, then the caller's environment. Undefined when that is too much for one. Pure.
 */
export function handOverStrings(plan: ILaunchPlan, { program, words, environment }: IHandOver): string[] | undefined {
  const strings = planStrings(plan.steps, plan.execution);
  const variables = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`]
  );
  const all = [String(strings.length), ...strings, String(program.length), ...program, ...variables];
  const size = [...all, ...words].reduce((sum, text) => sum + Buffer.byteLength(text) + 2 * POINTER, 0);
  return size > MAX_BYTES ? undefined : all;
}

/** Becomes the launcher. Returns when that is not possible; the launcher is then to be started as a child. */
export function handOver(plan: ILaunchPlan, commandLine: IHandOver): void {
  const strings = handOverStrings(plan, commandLine);
  const launcher = launcherPath();
  if (strings === undefined || process.execve === undefined) {
    return;
  }
  try {
    // Node does not come back from an execve that fails: it aborts.
    accessSync(launcher, constants.X_OK);
  } catch {
    return;
  }
  flushCompileCache?.();
  process.execve(launcher, ['nbcontainer-launcher', 'take', ...commandLine.words], numbered(strings));
}

/** An object with whole numbers for names keeps their order. */
function numbered(strings: readonly string[]): Record<string, string> {
  return Object.fromEntries(strings.map((text, at) => [String(at), text]));
}
