// SPDX-License-Identifier: BSD-3-Clause
/** The node-local directory of stage, ledger, probe results and sockets: 0700, ours, on a short path. */
import { chmodSync, closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync } from 'node:fs';
import { ContainerError, errnoOf } from '../support/errors.ts';

/** Sockets below it must stay under 108 bytes. */
const MAX_LENGTH = 60;

/** Where it may be, best first. Pure. */
export function runtimeDirectoryCandidates(env: Readonly<Record<string, string | undefined>>, uid: number): string[] {
  const given = env['XDG_RUNTIME_DIR'];
  const own = given?.startsWith('/') ? `${given.replace(/\/+$/, '')}/nbcontainer` : undefined;
  return [...(own !== undefined && Buffer.byteLength(own) < MAX_LENGTH ? [own] : []), `/tmp/nbcontainer-${uid}`];
}

/**
 * Makes (or finds) the runtime directory and checks that it is a real directory of ours that nobody else may enter.
 * Throws a ContainerError `permission` for one that somebody else has put there.
 */
export function ensureRuntimeDirectory(env: Readonly<Record<string, string | undefined>>): string {
  const uid = process.geteuid?.() ?? 0;
  const candidates = runtimeDirectoryCandidates(env, uid);
  let problem: ContainerError | undefined;
  for (const path of candidates) {
    try {
      claim(path, uid);
      return path;
    } catch (error) {
      // XDG_RUNTIME_DIR may be another user's (su), or gone; the one in /tmp is the last word.
      problem =
        error instanceof ContainerError ? error : unusable(path, errnoOf(error), 'it cannot be made or entered');
    }
  }
  throw problem ?? unusable(candidates[0] ?? '/tmp', undefined, 'it cannot be made');
}

function claim(path: string, uid: number): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') {
      throw error;
    }
  }
  const link = lstatSync(path);
  if (link.isSymbolicLink() || !link.isDirectory()) {
    throw unusable(path, undefined, 'it is not a directory: somebody may have put it there to mislead you');
  }
  if (link.uid !== uid) {
    throw unusable(path, undefined, `it belongs to another user (uid ${link.uid})`);
  }
  if ((link.mode & 0o077) !== 0) {
    chmodSync(path, 0o700);
  }
  // What was looked at is what is there: nobody else can rename it in a sticky /tmp, and O_NOFOLLOW would tell.
  const handle = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const status = fstatSync(handle);
    if (status.ino !== link.ino || status.dev !== link.dev || (status.mode & 0o077) !== 0) {
      throw unusable(path, undefined, 'it changed while it was looked at');
    }
  } finally {
    closeSync(handle);
  }
}

function unusable(path: string, errno: string | undefined, reason: string): ContainerError {
  return new ContainerError({
    code: 'permission',
    step: 'host',
    message: `the runtime directory ${path} cannot be used`,
    ...(errno !== undefined && { errno }),
    reason,
    fix: 'Remove it, or set XDG_RUNTIME_DIR to a directory of yours on a local disk'
  });
}
