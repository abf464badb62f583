// SPDX-License-Identifier: BSD-3-Clause
/** PRoot from the companion package `nbcontainer-proot` (packaging/proot), for machines that have none of their own. */
import { accessSync, constants } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = 'nbcontainer_proot';

/**
 * Where it may be: what NBCONTAINER_PROOT names, else beside this package in Python's site-packages. Pure.
 *
 * @param here folder of the running module: nbcontainer/runtime of an installation.
 */
export function companionCandidates(env: Readonly<Record<string, string | undefined>>, here: string): string[] {
  const named = env['NBCONTAINER_PROOT'];
  return named ? [named] : [join(here, '..', '..', PACKAGE, 'bin', 'proot')];
}

/** Its path when it is there and may be executed. */
export function findCompanion(
  env: Readonly<Record<string, string | undefined>>,
  here: string = dirname(fileURLToPath(import.meta.url))
): string | undefined {
  return companionCandidates(env, here).find(path => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Folder of the libraries that came with this PRoot; undefined for one of the system. */
export function companionLibraries(proot: string): string | undefined {
  const home = dirname(dirname(proot));
  return basename(home) === PACKAGE ? join(home, 'lib') : undefined;
}
