// SPDX-License-Identifier: BSD-3-Clause
/** Names as tar archives spell them -> normalised paths that cannot leave the root. */
import { ContainerError, printable } from '../../support/errors.ts';

/** PATH_MAX of Linux; a hostile archive has megabytes of directories in one name. */
const MAX_PATH = 4096;

/**
 * `./a//b/` -> `a/b`, `/etc` -> `etc`, `a/../b` -> `b`, `.` -> `''`.
 * @throws ContainerError `corrupt` when `..` climbs over the root, the name holds a NUL or is too long to be opened.
 */
export function normalisePath(name: string): string {
  if (name.includes('\0')) {
    throw refuse(name, 'holds a NUL character');
  }
  if (name.length > MAX_PATH) {
    throw refuse(name, `is longer than ${MAX_PATH} bytes, which Linux cannot open`);
  }
  if (!/(^|\/)\.{0,2}(\/|$)/.test(name)) {
    return name;
  }
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '..') {
      if (parts.pop() === undefined) {
        throw refuse(name, 'points outside of the archive');
      }
    } else if (part !== '' && part !== '.') {
      parts.push(part);
    }
  }
  return parts.join('/');
}

function refuse(name: string, why: string): ContainerError {
  return new ContainerError({
    code: 'corrupt',
    step: 'read layer',
    message: `the archive holds a path that ${why}: ${printable(name.slice(0, 200))}`,
    fix: 'Do not use this image: it is damaged or made with bad intent'
  });
}
