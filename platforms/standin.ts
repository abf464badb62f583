// SPDX-License-Identifier: BSD-3-Clause
/** Runs commands on a stand-in from TypeScript: tests and benches. The command line is platforms/run.ts. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildStandIn, REPOSITORY } from './build.ts';
import { RECIPES, standInArguments, standInEnvironment } from './recipes.ts';
import type { IStandInOptions, StandInName } from './recipes.ts';

/** Whether this process may start stand-ins: real root with the right to make namespaces (not root of a plain docker). */
export function standInsWork(): boolean {
  return process.getuid?.() === 0 && spawnSync('unshare', ['-m', '-p', '-f', 'true'], { stdio: 'ignore' }).status === 0;
}

export interface ICommandLine {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly environment: Record<string, string>;
}

/** The command line that runs `command` on the stand-in; compiles the stand-in when needed. */
export async function standInCommand(
  name: StandInName,
  command: readonly string[],
  options: IStandInOptions = {}
): Promise<ICommandLine> {
  const recipe = RECIPES[name];
  // The repository and the Node that runs the commands are always there, wherever on the machine they lie.
  const visible = [REPOSITORY, dirname(dirname(process.execPath))];
  const readOnlyBinds = [...visible.filter(path => outsideSystem(path)), ...(options.readOnlyBinds ?? [])];
  const whole: IStandInOptions = { ...options, readOnlyBinds };
  if (recipe.account !== undefined && (statSync(join(REPOSITORY, 'package.json')).mode & 0o004) === 0) {
    throw new Error(
      `${name} runs as uid ${recipe.account.uid}, which cannot read this checkout: chmod -R o+rX ${REPOSITORY}`
    );
  }
  return {
    program: await buildStandIn(),
    arguments: [...standInArguments(recipe, whole), ...command],
    environment: standInEnvironment(recipe, whole, process.env, process.execPath)
  };
}

/** The overlay shows /usr; what lies below it needs no bind. */
function outsideSystem(path: string): boolean {
  return path !== '/' && path !== '/usr' && !path.startsWith('/usr/');
}

export interface IStandInResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a command; the caller waits for it. It dies with the caller, so that an aborted test leaves nothing running. */
export async function startOnStandIn(
  name: StandInName,
  command: readonly string[],
  options: IStandInOptions & { readonly stdio?: StdioOptions } = {}
): Promise<ChildProcess> {
  const line = await standInCommand(name, command, options);
  return spawn(line.program, ['--die-with-parent', ...line.arguments], {
    env: line.environment,
    stdio: options.stdio ?? 'pipe'
  });
}

/**
 * Runs a command to its end with `input` on stdin. A status of 125 is the stand-in's own failure, said on stderr.
 * After `timeoutMs` everything in the stand-in is killed: status 137.
 */
export async function runOnStandIn(
  name: StandInName,
  command: readonly string[],
  options: IStandInOptions & { readonly input?: string; readonly timeoutMs?: number } = {}
): Promise<IStandInResult> {
  const child = await startOnStandIn(name, command, options);
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 600_000);
  try {
    return await collect(child, options.input ?? '');
  } finally {
    clearTimeout(timer);
  }
}

/** Collects the output of a child with piped stdio until it ends; a signal counts as 128 + its number. */
export async function collect(child: ChildProcess, input = ''): Promise<IStandInResult> {
  const output = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  // EPIPE: the command ended without reading; its status says the rest.
  child.stdin?.on('error', () => undefined).end(input);
  const status = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 143)));
  });
  return { status, ...output };
}
