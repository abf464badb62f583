// SPDX-License-Identifier: BSD-3-Clause
/** `APPTAINER_KEY` and `SINGULARITY_KEY` in place of flags (reference: apptainer 1.4.5 `cmd/internal/cli`). Pure. */
import { ContainerError } from '../support/errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether a registry is asked over plain HTTP. `https` is commander's word for `--no-https`: false when it was given. */
export function plainHttp(https: boolean | undefined, environment: Environment): boolean {
  return https === false || isTrue(lookUp(environment, ['NOHTTPS']), 'NOHTTPS');
}

/** The first of `keys` that is set and not empty. A name with APPTAINER_, even an empty one, hides SINGULARITY_. */
export function lookUp(environment: Environment, keys: readonly string[]): string | undefined {
  for (const prefix of ['APPTAINER_', 'SINGULARITY_']) {
    const values = keys.map(key => environment[prefix + key]).filter(value => value !== undefined);
    if (values.length > 0) {
      return values.find(value => value !== '');
    }
  }
  return undefined;
}

/** Go's strconv.ParseBool, which Apptainer reads variables and flags with; undefined for any other word. */
export function booleanOf(text: string): boolean | undefined {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) {
    return true;
  }
  return ['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text) ? false : undefined;
}

/** @throws ContainerError `usage` for a word that is neither true nor false */
export function isTrue(text: string | undefined, key: string): boolean {
  if (text === undefined) {
    return false;
  }
  const value = booleanOf(text);
  if (value !== undefined) {
    return value;
  }
  throw new ContainerError({
    code: 'usage',
    step: 'command line',
    message: `APPTAINER_${key} is "${text}", which is neither true nor false`,
    fix: 'Set it to 1 or 0, or unset it'
  });
}
