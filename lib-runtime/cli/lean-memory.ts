// SPDX-License-Identifier: BSD-3-Clause
/**
 * A conversion streams hundreds of megabytes through short-lived buffers. With the defaults of V8 and glibc most of the
 * process's memory is then slack: a young generation that grows with the rate of allocation, one malloc arena for each
 * thread, and blocks that are kept instead of given back. All three can be set only before a process starts.
 */

const MARK = 'MALLOC_ARENA_MAX';
const SETTINGS: Readonly<Record<string, string>> = {
  [MARK]: '1',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072'
};

/**
 * Starts this command line anew in the same process (execve: same pid, terminal and streams) with little slack. Does
 * nothing the second time, where the caller set these variables, and on a Node without execve (before 23.11).
 */
export function restartLean(): void {
  const restart = process.execve as typeof process.execve | undefined;
  const [, script, ...words] = process.argv;
  if (process.env[MARK] !== undefined || restart === undefined || script === undefined) {
    return;
  }
  const flags = ['--max-semi-space-size=2', ...process.execArgv];
  restart.call(process, process.execPath, [process.execPath, ...flags, script, ...words], {
    ...process.env,
    ...SETTINGS
  });
}
