// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where the daemon of a user is found: socket, runtime file and lock in the runtime directory (0700, ours).
 *
 * Node cannot ask a socket for its peer's uid (SO_PEERCRED). Who may connect is settled by the file system instead:
 * the directory is 0700 and checked to be ours, the socket 0600.
 */
import { join } from 'node:path';
import { ensureRuntimeDirectory } from '../host/runtime-directory.ts';

export interface IDaemonPlace {
  readonly directory: string;
  /** Below 108 bytes: ensureRuntimeDirectory keeps its directory below 60. */
  readonly socket: string;
  /** JSON {pid, version, api, socket}, 0600: for a person and for front ends. */
  readonly runtimeFile: string;
  readonly logFile: string;
}

export const LOCK_NAME = 'daemon';

/** @throws ContainerError `permission` when the runtime directory cannot be trusted */
export async function daemonPlace(env: Readonly<Record<string, string | undefined>>): Promise<IDaemonPlace> {
  const directory = ensureRuntimeDirectory(env);
  return {
    directory,
    socket: join(directory, 'daemon.sock'),
    runtimeFile: join(directory, 'daemon.json'),
    logFile: join(directory, 'daemon.log')
  };
}
