// SPDX-License-Identifier: BSD-3-Clause
/**
 * A conversion streams hundreds of megabytes through short-lived buffers. With the defaults of V8 and glibc a good part
 * of the process's memory is then slack: a young generation that grows with the rate of allocation, and a malloc arena
 * for each thread. On the other hand the old generation, a few megabytes that live to the end, would be gone through each
 * time that some buffers have come together. All of it can be set only before a process starts.
 */

const MARK = 'MALLOC_ARENA_MAX';

/** Words that are started with little slack; the bundle's entry reads it, to start anew before it loads anything. */
export const LEAN = {
  words: ['pull'],
  mark: MARK,
  settings: { [MARK]: '1' } as Readonly<Record<string, string>>,
  flags: ['--max-semi-space-size=2', '--initial-old-space-size=64']
} as const;

/**
 * Starts this command line anew in the same process (execve: same pid, terminal and streams) with little slack. Does
 * nothing the second time, where the caller set the variable, and on a Node without execve (before 23.11).
 */
export function restartLean(): void {
  const restart = process.execve as typeof process.execve | undefined;
  const [, script, ...words] = process.argv;
  if (process.env[MARK] !== undefined || restart === undefined || script === undefined) {
    return;
  }
  const flags = [...LEAN.flags, ...process.execArgv];
  restart.call(process, process.execPath, [process.execPath, ...flags, script, ...words], {
    ...process.env,
    ...LEAN.settings
  });
}
