// SPDX-License-Identifier: BSD-3-Clause
/** Cancellation as every other failure: a ContainerError. */
import { ContainerError } from '../support/errors.ts';

/** @throws ContainerError `cancelled` when the signal has been given. */
export function throwIfCancelled(signal: AbortSignal | undefined, step: string): void {
  if (signal?.aborted) {
    throw new ContainerError({ code: 'cancelled', step, message: 'the operation was cancelled' });
  }
}
