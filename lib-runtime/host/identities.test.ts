// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { chooseUnprivileged, findSubordinateRange, gatherIdentities, rightsOn } from './identities.ts';

describe('findSubordinateRange', () => {
  const text = 'root:100000:65536\nada:200000:65536\nada:900000:10\n1001:300000:1000\nbad:x:1\nnone:400000:0\n';
  it.each([
    ['ada', 1000, { start: 200000, count: 65536 }],
    ['carl', 1001, { start: 300000, count: 1000 }],
    ['bad', 1002, undefined],
    ['none', 1003, undefined],
    ['eve', 1004, undefined]
  ])('of %s', (name, uid, range) => {
    expect(findSubordinateRange(text, { name, uid })).toEqual(range);
  });
});

describe('chooseUnprivileged', () => {
  const passwd = [
    'root:x:0:0:root:/root:/bin/bash',
    'www-data:x:33:33::/var/www:/usr/sbin/nologin',
    'ada:x:1001:100:Ada:/home/ada:/bin/zsh'
  ].join('\n');
  const group = 'root:x:0:\nusers:x:100:\nkvm:x:1000:\n';
  const ROOTS = { uid: 0, gid: 0, mode: 0o755 };
  it.each([
    ['root of Colab', { sudo: undefined, directory: ROOTS }, { uid: 1002, gid: 1002, name: 'user' }, 'nobody has'],
    ['sudo', { sudo: '1001', directory: ROOTS }, { uid: 1001, gid: 100, name: 'ada', shell: '/bin/zsh' }, 'sudo'],
    ['sudo of nobody known', { sudo: '1777', directory: ROOTS }, { uid: 1002 }, 'nobody has'],
    ['sudo of root', { sudo: '0', directory: ROOTS }, { uid: 1002 }, 'nobody has'],
    [
      'the directory of a user',
      { sudo: undefined, directory: { uid: 1001, gid: 5, mode: 0o700 } },
      { uid: 1001, gid: 100, name: 'ada' },
      'owner of the working directory'
    ],
    [
      'the directory of an unknown user',
      { sudo: undefined, directory: { uid: 4242, gid: 100, mode: 0o700 } },
      { uid: 4242, gid: 100, name: 'user', groups: [{ gid: 100, name: 'users' }] },
      'owner of the working directory'
    ],
    [
      'the directory of a service',
      { sudo: undefined, directory: { uid: 33, gid: 33, mode: 0o755 } },
      { uid: 1002 },
      'nobody has'
    ]
  ])('%s', (_, inputs, account, origin) => {
    const chosen = chooseUnprivileged({ passwd, group, ...inputs });
    expect(chosen.account).toMatchObject(account);
    expect(chosen.origin).toContain(origin);
  });
});

describe('rightsOn', () => {
  const ada = { uid: 1000, groups: [{ gid: 100, name: 'users' }] };
  it.each([
    [
      { uid: 0, gid: 0, mode: 0o755 },
      { enter: true, write: false }
    ],
    [
      { uid: 0, gid: 0, mode: 0o700 },
      { enter: false, write: false }
    ],
    [
      { uid: 0, gid: 0, mode: 0o1777 },
      { enter: true, write: true }
    ],
    [
      { uid: 1000, gid: 0, mode: 0o700 },
      { enter: true, write: true }
    ],
    [
      { uid: 1000, gid: 0, mode: 0o077 },
      { enter: false, write: false }
    ],
    [
      { uid: 0, gid: 100, mode: 0o775 },
      { enter: true, write: true }
    ],
    [
      { uid: 0, gid: 100, mode: 0o757 },
      { enter: true, write: false }
    ]
  ])('%j', (directory, rights) => {
    expect(rightsOn(directory, ada)).toEqual(rights);
  });
});

it('looks at subordinate ids for a user and at an account for root', () => {
  const root = { uid: 0, gid: 0, name: 'root', gecos: '', home: '/root', shell: '/bin/sh', groups: [] };
  const { unprivileged } = gatherIdentities(root, false, {}, '/');
  expect(unprivileged?.account.uid).toBeGreaterThanOrEqual(1000);
  expect(unprivileged?.workingDirectory).toEqual({ enter: true, write: false });
  expect(gatherIdentities({ ...root, uid: 54321, name: 'nobody-known' }, false, {}, '/')).toEqual({});
});
