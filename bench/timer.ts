// SPDX-License-Identifier: BSD-3-Clause
/** Runs bench/timer.c: several short commands, interleaved, on a stand-in. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { compileStatic, REPOSITORY } from '../platforms/build.ts';
import type { IStandInResult } from '../platforms/standin.ts';
import type { ISample } from './ratios.ts';

export interface ICase {
  readonly name: string;
  readonly command: readonly string[];
  /** File opened as descriptor 3: a plan for the launcher. */
  readonly plan?: string;
}

/** Path of the compiled timer. */
export async function buildTimer(): Promise<string> {
  const folder = join(REPOSITORY, '.cache', 'bench');
  const program = join(folder, 'timer');
  await mkdir(folder, { recursive: true });
  await compileStatic([join(import.meta.dirname, 'timer.c')], program);
  if (!existsSync(program)) {
    throw new Error('the timer was not built');
  }
  return program;
}

/** Clock ticks a second (USER_HZ): 100 on every Linux we run on. */
const TICKS = 100;

/**
 * Times the cases in `rounds` rounds, one after the other in each.
 * @param run runs the timer with that input where the commands are to run.
 * @throws Error when a command fails.
 */
export async function timeCases(
  cases: readonly ICase[],
  rounds: number,
  run: (command: readonly string[], input: string) => Promise<IStandInResult>
): Promise<Map<string, ISample[]>> {
  const program = await buildTimer();
  const input = cases
    .map(({ command, plan }) => [...(plan === undefined ? [] : [`3<${plan}`]), ...command])
    .map(words => [String(words.length), ...words].join('\n'))
    .join('\n');
  const result = await run([program, String(rounds)], `${input}\n`);
  if (result.status !== 0) {
    throw new Error(`the timer failed with status ${result.status}: ${result.stderr}`);
  }
  const samples = new Map<string, ISample[]>(cases.map(({ name }) => [name, []]));
  for (const line of result.stdout.trim().split('\n')) {
    const [index = 0, nanoseconds = 0, ticks = 0, status = 0] = line.split(' ').map(Number);
    const { name = '' } = cases[index] ?? {};
    if (status !== 0) {
      throw new Error(`${name} ended with status ${status}: ${result.stderr.slice(0, 2000)}`);
    }
    const milliseconds = nanoseconds / 1e6;
    // Steal is counted over all processors.
    const stolen = (ticks * 1000) / TICKS / cpus().length / milliseconds;
    samples.get(name)?.push({ milliseconds, stolen });
  }
  return samples;
}
