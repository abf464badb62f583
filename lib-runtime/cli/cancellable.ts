// SPDX-License-Identifier: BSD-3-Clause
/** Work that Ctrl-C and SIGTERM cancel, and that then tidies up by itself. */

/** Calls `work` with a signal that is aborted when the process is told to end; the usual meaning is back afterwards. */
export async function cancellable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    return await work(abort.signal);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
