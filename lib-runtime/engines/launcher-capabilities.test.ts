// SPDX-License-Identifier: BSD-3-Clause
import { beforeAll, describe, expect, it } from 'vitest';
import { capabilityNames, capabilityNumbers } from '../host/capabilities.ts';
import type { Step } from './steps.ts';
import { freshLauncher, IS_ROOT, tryLauncher } from './test-support.ts';

let launcher: string;
beforeAll(() => {
  launcher = freshLauncher();
});

/** The capability sets of a grandchild of the payload. */
async function setsAfter(...steps: Step[]): Promise<Record<string, string[]>> {
  const argv = ['/bin/sh', '-c', 'sh -c "cat /proc/self/status; :"'];
  const { stdout, status, records } = await tryLauncher(launcher, steps, {
    argv,
    environment: { PATH: '/bin:/usr/bin' }
  });
  expect([status, records]).toEqual([0, []]);
  return Object.fromEntries(
    [...stdout.matchAll(/^Cap(\w+):\t(\w+)$/gm)].map(([, set = '', mask = '']) => [set, capabilityNames(mask)])
  );
}

describe.runIf(IS_ROOT)('drop-capabilities', () => {
  const numbers = capabilityNumbers(['CAP_CHOWN', 'CAP_SYS_CHROOT']);

  it('takes them from every set, for good', async () => {
    const before = await setsAfter();
    const after = await setsAfter({ op: 'drop-capabilities', numbers });
    expect(before['Bnd']).toContain('CAP_CHOWN');
    for (const set of ['Prm', 'Eff', 'Bnd']) {
      const kept = before[set]?.filter(name => name !== 'CAP_CHOWN' && name !== 'CAP_SYS_CHROOT');
      expect(after[set], set).toEqual(kept);
    }
  });

  it('leaves nothing when all are named', async () => {
    const every = Array.from({ length: 64 }, (_, number) => number);
    const after = await setsAfter({ op: 'drop-capabilities', numbers: every });
    expect(Object.values(after).flat()).toEqual([]);
  });

  it('holds without CAP_SETPCAP as long as no_new_privs is set', async () => {
    const after = await setsAfter(
      { op: 'no-new-privileges' },
      { op: 'drop-capabilities', numbers: capabilityNumbers(['CAP_SETPCAP']) },
      { op: 'drop-capabilities', numbers }
    );
    expect(after['Prm']).not.toContain('CAP_CHOWN');
    expect(after['Prm']).toContain('CAP_KILL');
  });

  it('refuses a number that is none', async () => {
    const { status, records } = await tryLauncher(launcher, [{ op: 'drop-capabilities', numbers: [64] }], {
      argv: ['/bin/true'],
      environment: {}
    });
    expect(status).toBe(255);
    expect(records).toMatchObject([{ kind: 'failed', errno: 'EINVAL', text: 'capability 64' }]);
  });
});
