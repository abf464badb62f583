// SPDX-License-Identifier: BSD-3-Clause
/** The private directory of one run under PRoot: generated files that it binds. Swept when its run was killed. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ITemporaryDirectory, makeTemporaryDirectory, sweep } from '../store/temporary.ts';
import { ownerState, parseOwner } from '../support/owner.ts';

const PREFIX = 'nbcontainer';

/**
 * A directory of mode 0700 in `parent`; removes those that killed runs of this user have left there.
 *
 * @throws ContainerError when /proc does not show this process, and system errors when `parent` cannot be written.
 */
export async function makeScratch(parent: string = tmpdir()): Promise<ITemporaryDirectory> {
  await sweep(parent, name => isLeftover(parent, name));
  return makeTemporaryDirectory(parent, PREFIX);
}

function isLeftover(parent: string, name: string): boolean {
  const owner = name.startsWith(`${PREFIX}-`) ? parseOwner(name) : undefined;
  const path = join(parent, name);
  // Nobody else's in a /tmp for all; and a container may outlive the process that started it.
  return (
    owner !== undefined &&
    ownerState(owner) === 'dead' &&
    lstatSync(path, { throwIfNoEntry: false })?.uid === process.geteuid?.() &&
    !isMentioned(path)
  );
}

/** Whether a process has the path in its arguments, as PRoot has those of all that it binds. */
function isMentioned(path: string): boolean {
  return readdirSync('/proc').some(name => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(path);
    } catch {
      return false; // it ended meanwhile
    }
  });
}
