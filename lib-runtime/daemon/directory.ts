// SPDX-License-Identifier: BSD-3-Clause
import { stat } from 'node:fs/promises';
import { ContainerError, errnoOf } from '../support/errors.ts';

/**
 * Where a program is to be started; spawn(2)'s own error would name the program as what is not there.
 * @param what is to be started, for the sentence
 * @throws ContainerError `not-found`
 */
export async function checkDirectory(path: string, what: string): Promise<void> {
  const status = await stat(path).catch((error: unknown) => errnoOf(error) ?? 'ENOENT');
  if (typeof status === 'string' || !status.isDirectory()) {
    throw new ContainerError({
      code: 'not-found',
      step: 'daemon',
      message: `${what} cannot start in ${path}`,
      ...(typeof status === 'string' && { errno: status }),
      reason: 'it is not a directory that can be entered'
    });
  }
}
