// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { composeAccount, findPasswdEntry, parseGroups, readAccount } from './account.ts';

const PASSWD = `root:x:0:0:root:/root:/bin/bash
# comment
+::::::
broken:x:12
jovyan:x:1000:100:Ada, Room 1:/home/jovyan:/bin/zsh
bare:x:1001:100:::
jovyan2:x:1000:100::/other:/bin/sh
`;
const GROUP = 'root:x:0:\nusers:x:100:a,b\nvideo:*:44:\nalias:x:44:\n+\n';

describe('findPasswdEntry', () => {
  it.each([
    [0, { uid: 0, gid: 0, name: 'root', gecos: 'root', home: '/root', shell: '/bin/bash' }],
    [1000, { uid: 1000, gid: 100, name: 'jovyan', gecos: 'Ada, Room 1', home: '/home/jovyan', shell: '/bin/zsh' }],
    [1001, { uid: 1001, gid: 100, name: 'bare', gecos: '', home: '/', shell: '/bin/sh' }],
    [12, undefined],
    [7, undefined]
  ])('uid %i', (uid, entry) => {
    expect(findPasswdEntry(PASSWD, uid)).toEqual(entry);
  });
});

describe('composeAccount', () => {
  const inputs = { uid: 4242, gid: 100, groups: [100, 44, 9999], passwd: PASSWD, group: GROUP, env: {} };

  it('names groups, the primary one first and once', () => {
    expect(composeAccount(inputs).groups).toEqual([
      { gid: 100, name: 'users' },
      { gid: 44, name: 'video' },
      { gid: 9999, name: 'group9999' }
    ]);
    expect(parseGroups(GROUP).size).toBe(3);
  });

  it.each([
    [{}, { name: 'user4242', home: '/', shell: '/bin/sh' }],
    [{ env: { USER: 'ada', HOME: '/home/ada' } }, { name: 'ada', home: '/home/ada' }],
    [{ env: { HOME: 'relative' } }, { home: '/' }],
    [
      { fallback: { username: 'ldap', homedir: '/nfs/ldap', shell: '/bin/tcsh' }, env: { USER: 'other' } },
      { name: 'ldap', home: '/nfs/ldap', shell: '/bin/tcsh' }
    ]
  ])('a uid without an entry, %j', (more, expected) => {
    expect(composeAccount({ ...inputs, ...more })).toMatchObject({ uid: 4242, gid: 100, ...expected });
  });
});

it('agrees with id(1)', () => {
  const account = readAccount(process.env);
  expect(account.name).toBe(execFileSync('id', ['-un'], { encoding: 'utf8' }).trim());
  expect(account.gid).toBe(Number(execFileSync('id', ['-g'], { encoding: 'utf8' })));
});
