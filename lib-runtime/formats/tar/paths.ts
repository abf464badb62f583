// SPDX-License-Identifier: BSD-3-Clause
/** Names as tar archives spell them -> normalised paths that cannot leave the root. */
import { ContainerError, printable } from '../../support/errors.ts';

/**
 * `./a//b/` -> `a/b`, `/etc` -> `etc`, `a/../b` -> `b`, `.` -> `''`.
 * @throws ContainerError `corrupt` when `..` climbs over the root or the name holds a NUL.
 */
export function normalisePath(name: string): string {
  if (name.includes('\0')) {
    throw refuse(name, 'holds a NUL character');
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
