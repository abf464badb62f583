// SPDX-License-Identifier: BSD-3-Clause
/** rm: images out of the store, with their unpacked trees. */
import { openStore } from '../../store/store.ts';
import { ContainerError, OWN_FAILURE } from '../../support/errors.ts';
import { fatal, formatBytes, info } from '../output.ts';

/** Removes each image; one that cannot be removed does not keep the others. */
export async function removeCommand(names: readonly string[], values: { readonly force?: boolean }): Promise<number> {
  const store = await openStore();
  let status = 0;
  for (const name of names) {
    try {
      const freed = await store.removeImage(name);
      info(`Removed ${name} (${formatBytes(freed)} freed)`);
    } catch (error) {
      if (values.force && error instanceof ContainerError && error.code === 'not-found') {
        continue;
      }
      fatal(error);
      status = OWN_FAILURE;
    }
  }
  return status;
}
