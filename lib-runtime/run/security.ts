// SPDX-License-Identifier: BSD-3-Clause
/** `--security NAME:VALUE` (Apptainer 1.4.5): uid and gid for real root; what is not honoured is refused by name. Pure. */
import { splitCsv } from '../support/csv.ts';
import { ContainerError } from '../support/errors.ts';
import type { ISecurity } from './spec.ts';

const NOT_HONOURED: Readonly<Record<string, string>> = {
  seccomp: 'nbcontainer reads no seccomp profiles',
  apparmor: 'nbcontainer sets no AppArmor profile: the container keeps that of its caller',
  selinux: 'nbcontainer sets no SELinux context: the container keeps that of its caller'
};
/** The kernel keeps the highest for "no id". */
const MOST = 2 ** 32 - 2;

/**
 * The values of the flag, each a comma-separated list; the last of a name wins.
 *
 * @throws ContainerError `usage` for what is not understood, `unsupported` for what is not honoured.
 */
export function parseSecurity(texts: readonly string[]): ISecurity | undefined {
  const items = texts.flatMap(splitCsv).filter(item => item !== '');
  let security: ISecurity | undefined;
  for (const item of items) {
    const [name = '', ...rest] = item.split(':');
    const why = NOT_HONOURED[name];
    if (why !== undefined) {
      throw new ContainerError({
        code: 'unsupported',
        step: 'command line',
        message: `--security ${name} cannot be honoured`,
        reason: why,
        fix: 'Leave it out; --no-privs and --drop-caps take rights away'
      });
    }
    if (name !== 'uid' && name !== 'gid') {
      throw usage(`--security knows no "${name}"`, 'Write --security uid:1000 or gid:100');
    }
    const ids = rest.map(text => (/^\d{1,10}$/.test(text) ? Number(text) : NaN));
    if (ids.length === 0 || (name === 'uid' && ids.length > 1) || ids.some(id => !(id <= MOST))) {
      throw usage(`failed to parse --security ${item}`, `Write --security ${name}:1000`);
    }
    security = name === 'uid' ? { ...security, uid: ids[0] ?? 0 } : { ...security, gids: ids };
  }
  return security;
}

function usage(message: string, fix: string): ContainerError {
  return new ContainerError({ code: 'usage', step: 'command line', message, fix });
}
