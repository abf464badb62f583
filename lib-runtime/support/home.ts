// SPDX-License-Identifier: BSD-3-Clause
/** The home directory of the user, where there is one. */
import { userInfo } from 'node:os';
import { ContainerError } from './errors.ts';

/** Environment as in `process.env`. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * $HOME, else what the system's tables say of the uid; undefined for a uid without an account (OpenShift gives such ones)
 * in an environment that was emptied (Nextflow starts its tasks so). `os.homedir` throws a SystemError then.
 */
export function findHome(env: Environment): string | undefined {
  return env['HOME'] || accountHome();
}

/** What the system's tables alone say. */
export function accountHome(): string | undefined {
  try {
    return userInfo().homedir || undefined;
  } catch {
    return undefined;
  }
}

/** As findHome. @throws ContainerError `not-found` */
export function requireHome(env: Environment): string {
  const home = findHome(env);
  if (home === undefined) {
    throw new ContainerError({
      code: 'not-found',
      step: 'find home directory',
      message: 'this user has no home directory',
      reason: `HOME is not set, and the system has no account for the uid ${process.geteuid?.() ?? 'of this process'}`,
      fix: 'Set NBCONTAINER_HOME, or HOME, to a directory that you can write'
    });
  }
  return home;
}
