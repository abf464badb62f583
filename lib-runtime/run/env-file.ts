// SPDX-License-Identifier: BSD-3-Clause
/** `--env-file`: shell assignments, evaluated as Apptainer does (runtimes.md 2.3 item 2), without a shell. */
import { ContainerError } from '../support/errors.ts';
import { evaluateScript, type IShellVariable } from './shell-assignments.ts';

/**
 * The variables that a file sets, exported or not.
 *
 * @param path for messages only.
 * @param environment what `$NAME` in the file refers to.
 * @throws ContainerError `usage` when the file holds more than assignments.
 */
export function readEnvFile(
  text: string,
  path: string,
  environment: Readonly<Record<string, string | undefined>>
): Record<string, string> {
  const initial = new Map<string, IShellVariable>();
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined) {
      initial.set(name, { value, exported: false });
    }
  }
  const result = evaluateScript(text, initial);
  if (!result.understood) {
    throw new ContainerError({
      code: 'usage',
      step: 'command line',
      message: `the environment file ${path} is not understood`,
      reason: result.why,
      fix: 'Write one NAME=value a line; commands are not run'
    });
  }
  const changed = [...result.variables].filter(([name, variable]) => initial.get(name) !== variable);
  return Object.fromEntries(changed.map(([name, { value }]) => [name, value]));
}
