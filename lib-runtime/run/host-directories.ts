// SPDX-License-Identifier: BSD-3-Clause
/** Directories of the host that a plan asks for (--workdir, --overlay). */
import { chmodSync, mkdirSync } from 'node:fs';
import { asContainerError, errnoOf } from '../support/errors.ts';
import type { IHostDirectory } from './plan-types.ts';

/**
 * Makes each that is missing; one that exists stays as it is.
 * @throws ContainerError when one cannot be made.
 */
export function makeHostDirectories(directories: readonly IHostDirectory[]): void {
  for (const { path, mode } of directories) {
    try {
      mkdirSync(path);
      chmodSync(path, mode);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') {
        throw asContainerError(error, 'launch', `cannot make the directory ${path}`);
      }
    }
  }
}
