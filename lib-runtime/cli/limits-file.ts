// SPDX-License-Identifier: BSD-3-Clause
/** `--apply-cgroups FILE`, read: its limits under those of the single flags. */
import { readFile } from 'node:fs/promises';
import type { IRunSpec } from '../run/spec.ts';
import { asContainerError } from '../support/errors.ts';
import { lookUp } from './flag-variables.ts';

/** @throws ContainerError for a file that cannot be read or understood, or asks for more than we can limit. */
export async function withLimitsFile(
  spec: IRunSpec,
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>
): Promise<IRunSpec> {
  const path = file ?? lookUp(environment, ['APPLY_CGROUPS']);
  if (path === undefined) {
    return spec;
  }
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw asContainerError(error, 'command line', `cannot read the limits in ${path}`);
  });
  const { parseCgroupFile } = await import('../run/cgroup-file.ts');
  const limits = { ...parseCgroupFile(text, path), ...spec.limits };
  return Object.keys(limits).length === 0 ? spec : { ...spec, limits };
}
