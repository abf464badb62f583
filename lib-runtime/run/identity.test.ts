// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { callerIdentity, insideAccount } from './identity.ts';
import { planRun } from './plan.ts';
import { DEBIAN, execSpec, hostFacts, imageFacts, ROOT } from './testing.ts';

const MAPPERS = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETFCAP'];
const ALL = ['CAP_SYS_ADMIN', ...MAPPERS];
const FULL = '0 0 4294967295';
const NO = { userNamespace: false, fakeroot: false };

describe('callerIdentity', () => {
  const user = hostFacts();
  const root = (capabilities: string[], more = {}) => hostFacts({}, { ...ROOT, capabilities, ...more });
  it.each([
    ['a user', user, NO, ['user', 'mount'], '1000 1000 1'],
    ['a user with --userns', user, { ...NO, userNamespace: true }, ['user', 'mount'], '1000 1000 1'],
    ['a user with --fakeroot', user, { ...NO, fakeroot: true }, ['user', 'mount'], '0 1000 1'],
    ['root', root(ALL), NO, ['mount'], undefined],
    ['root with --userns', root(ALL), { ...NO, userNamespace: true }, ['user', 'mount'], FULL],
    ['root with --fakeroot', root(ALL), { ...NO, fakeroot: true }, ['user', 'mount'], FULL],
    ['root without CAP_SYS_ADMIN', root(MAPPERS), NO, ['user', 'mount'], FULL],
    ['root that may map nobody else', root([]), NO, ['user', 'mount'], '0 0 1'],
    [
      'root of a user namespace',
      root(ALL, { idMaps: { uid: '         0       1000          1\n', gid: '0 1000 1\n' } }),
      { ...NO, fakeroot: true },
      ['user', 'mount'],
      '0 0 1'
    ],
    [
      'root of a namespace with a range',
      root(ALL, { idMaps: { uid: '0 1000 1\n1 100000 65536\n', gid: '0 1000 1\n1 100000 65536\n' } }),
      { ...NO, fakeroot: true },
      ['user', 'mount'],
      '0 0 1\n1 1 65536'
    ]
  ] as const)('%s', (_, host, wishes, namespaces, map) => {
    expect(callerIdentity(host, wishes)).toMatchObject({
      ok: true,
      privileged: !(namespaces as readonly string[]).includes('user'),
      unshare: { op: 'unshare', namespaces, ...(map !== undefined && { uidMap: map, gidMap: map }) }
    });
  });

  it('has none where a user namespace is wanted and denied', () => {
    const host = hostFacts({ 'user-namespace': 'EPERM', 'user-mount-namespace': 'EPERM' }, { ...ROOT });
    expect(callerIdentity(host, { ...NO, fakeroot: true })).toEqual({
      ok: false,
      reason: 'no user namespace can be made (EPERM)'
    });
  });
});

describe('--fakeroot of a user', () => {
  it('makes him root in passwd, in HOME and in the environment', () => {
    const image = imageFacts(DEBIAN, { passwd: 'root:x:0:0:root:/root:/bin/sh\n', group: 'root:x:0:\n' });
    const host = hostFacts({}, {});
    const plan = planRun(execSpec({ fakeroot: true }), host, image, { HOME: '/home/ada' });
    expect(plan).toMatchObject({ kind: 'plan', execution: { environment: { HOME: '/root' } } });
    const steps = plan.kind === 'plan' ? plan.steps.map(({ step }) => step) : [];
    expect(steps).toContainEqual(expect.objectContaining({ op: 'bind', source: '/home/ada', target: '/root' }));
    expect(insideAccount({ fakeroot: true }, host.account)).toMatchObject({ uid: 0, gid: 0, name: 'root' });
    expect(insideAccount({ fakeroot: false }, host.account)).toBe(host.account);
  });
});
