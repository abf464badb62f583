// SPDX-License-Identifier: BSD-3-Clause
/** Where the launcher's binary lies: beside the bundled runtime, or in nbcontainer/runtime of a checkout. */
import { accessSync, constants } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ContainerError } from '../support/errors.ts';

const NAME = 'nbcontainer-launcher';

/** Node's names of the architectures that launchers are built for, with those of `uname -m`. */
const MACHINES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };

/** `uname -m` of this process's architecture (`x86_64`, `aarch64`), or Node's own name for one we do not know. */
export function machineName(architecture: string = process.arch): string {
  return MACHINES[architecture] ?? architecture;
}

/**
 * Absolute path of the launcher for this machine. NBCONTAINER_LAUNCHER names another one (a build with sanitizers).
 * Throws a ContainerError `unsupported` when there is none.
 */
export function launcherPath(env: Readonly<Record<string, string | undefined>> = process.env): string {
  if (env['NBCONTAINER_LAUNCHER']) {
    return env['NBCONTAINER_LAUNCHER'];
  }
  const here = dirname(fileURLToPath(import.meta.url));
  const machine = machineName();
  const candidates = [
    join(here, 'launcher', machine, NAME), // bundled: nbcontainer/runtime/*.mjs
    join(here, '..', '..', 'nbcontainer', 'runtime', 'launcher', machine, NAME) // a checkout
  ];
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // the next one
    }
  }
  throw new ContainerError({
    code: 'unsupported',
    step: 'launch',
    message: `there is no launcher for ${process.platform} ${process.arch}`,
    reason:
      process.platform === 'linux' && machine in { x86_64: 0, aarch64: 0 }
        ? 'its binary is missing from this installation'
        : 'nbcontainer runs containers on Linux on x86-64 and arm64 only',
    fix: 'In a checkout run node scripts/build-launcher.mjs, else install nbcontainer again'
  });
}
