// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { IHostFacts } from '../host/facts.ts';
import { plan, steps } from './plan-testing.ts';
import { parseSecurity } from './security.ts';
import type { ISecurity } from './spec.ts';
import { DEBIAN, imageFacts, ROOT } from './testing.ts';

describe('--security', () => {
  const TABLE: readonly [readonly string[], ISecurity | undefined][] = [
    [[], undefined],
    [[''], undefined],
    [['uid:1000'], { uid: 1000 }],
    [['uid:1000,gid:100'], { uid: 1000, gids: [100] }],
    [['uid:1000', 'gid:100:200'], { uid: 1000, gids: [100, 200] }],
    [['uid:1', 'uid:2'], { uid: 2 }]
  ];
  it.each(TABLE)('is read: %j', (texts, security) => {
    expect(parseSecurity(texts)).toEqual(security);
  });

  const WRONG: readonly [string, string][] = [
    ['uid', 'failed to parse --security uid'],
    ['uid:abc', 'failed to parse --security uid:abc'],
    ['uid:1:2', 'failed to parse --security uid:1:2'],
    ['uid:4294967295', 'failed to parse'],
    ['gid:1:x', 'failed to parse --security gid:1:x'],
    ['bogus:1', '--security knows no "bogus"'],
    ['seccomp:/etc/profile.json', '--security seccomp cannot be honoured'],
    ['apparmor:docker-default', '--security apparmor cannot be honoured'],
    ['selinux:context', '--security selinux cannot be honoured']
  ];
  it.each(WRONG)('%s is refused in words', (text, message) => {
    expect(() => parseSecurity([text])).toThrow(message);
  });
});

describe('a plan with --security', () => {
  const maps = { uid: '0 0 4294967295', gid: '0 0 4294967295' };
  const ABLE: Partial<IHostFacts> = {
    ...ROOT,
    capabilities: ['CAP_SYS_ADMIN', 'CAP_SETUID', 'CAP_SETGID'],
    idMaps: maps
  };

  it('becomes the ids last, and nobody else otherwise', () => {
    expect(steps(plan(imageFacts(DEBIAN), { security: { uid: 1000, gids: [100, 200] } }, {}, ABLE), /account/)).toEqual(
      ['account 1000:100 100,200']
    );
    expect(steps(plan(imageFacts(DEBIAN), { security: { uid: 7 } }, {}, ABLE), /account/)).toEqual(['account 7:0 0']);
  });

  it('is pretended below PRoot', () => {
    const denied = { tmpfs: 'EPERM', bind: 'EPERM' };
    const result = plan(imageFacts(DEBIAN), { security: { uid: 7 } }, denied, { ...ABLE, tools: { proot: '/proot' } });
    expect(result).toMatchObject({ engine: 'ptrace', arguments: expect.arrayContaining(['-i', '7:0']) });
  });

  it('is refused to an ordinary user, beside --as user, and where there is one id only', () => {
    expect(plan(imageFacts(DEBIAN), { security: { uid: 7 } })).toMatchObject({
      kind: 'refusal',
      message: 'uid security feature requires root privileges'
    });
    expect(plan(imageFacts(DEBIAN), { security: { gids: [7] }, as: 'user' }, {}, ABLE)).toMatchObject({
      message: '--as and --security are different wishes'
    });
    const one = { ...ABLE, idMaps: { uid: '0 0 1', gid: '0 0 1' } };
    expect(plan(imageFacts(DEBIAN), { security: { uid: 7 } }, {}, one)).toMatchObject({
      message: '--security: root cannot become uid 7 and gid 0 here'
    });
  });
});
