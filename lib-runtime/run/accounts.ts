// SPDX-License-Identifier: BSD-3-Clause
/** /etc/passwd and /etc/group of a container: the image's, with the caller's account in it (runtimes.md 2.4). */
import type { IAccount } from '../host/facts.ts';

/**
 * Text of /etc/passwd: the entry with the caller's uid gets the host's name, comment and the home inside, and keeps the
 * image's shell and group; uid 0 keeps name and comment, too. Without such an entry a line is appended.
 * Lines that are not passwd lines are left as they are.
 */
export function passwdFor(image: string, account: IAccount, home: string): string {
  const lines = image.split('\n');
  if (lines.at(-1) === '') {
    lines.pop();
  }
  const at = lines.findIndex(line => {
    const fields = line.split(':');
    return fields.length === 7 && /^\d+$/.test(fields[2] ?? '') && Number(fields[2]) === account.uid;
  });
  if (at < 0) {
    lines.push(passwdLine(account.name, account.uid, account.gid, account.gecos, home, account.shell));
  } else {
    const [name = '', , , gid = '', gecos = '', , shell = ''] = (lines[at] ?? '').split(':');
    const root = account.uid === 0;
    lines[at] = passwdLine(
      root ? name : account.name,
      account.uid,
      Number(gid),
      root ? gecos : account.gecos,
      home,
      shell
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Text of /etc/group: the image's plus one line for each group of the caller. */
export function groupFor(image: string, account: IAccount): string {
  const head = image === '' || image.endsWith('\n') ? image : `${image}\n`;
  const lines = account.groups.map(group => `${clean(group.name)}:x:${group.gid}:${clean(account.name)}\n`);
  return head + [...new Set(lines)].join('');
}

function passwdLine(name: string, uid: number, gid: number, gecos: string, home: string, shell: string): string {
  return [clean(name), 'x', uid, gid, clean(gecos), clean(home), clean(shell)].join(':');
}

/** A field cannot hold a colon or a newline: both would make another field or account of it. */
function clean(field: string): string {
  return field.replace(/[:\n\r]/g, '_');
}
