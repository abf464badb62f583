// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { enterPlan, enterSpec } from './enter.ts';
import type { IInstance } from './instances.ts';
import { planOrThrow } from './start.ts';
import { DEBIAN, execSpec, hostFacts, imageFacts, ROOT } from './testing.ts';

const instance: IInstance = {
  ...{ name: 'web', image: '/images/web.sif', pid: 77, keeper: 70, keeperStart: '5', engine: 'namespaces' },
  ...{ namespaces: ['mount', 'pid'], logOut: '/l/web.out', logErr: '/l/web.err' },
  spec: execSpec({
    action: 'start',
    command: ['port'],
    binds: [{ source: '/data', target: '/data', readOnly: true }],
    environment: { OLD: '1' },
    workingDirectory: '/srv',
    hostname: 'web',
    contain: true,
    fakeroot: true,
    limits: { memory: 1 },
    instance: { name: 'web', keeps: true }
  })
};

describe('enterSpec', () => {
  it('takes the container from the instance and the command from the caller', () => {
    const asked = execSpec({ command: ['ps'], environment: { NEW: '2' }, cleanEnvironment: true, noPrivileges: true });
    expect(enterSpec({ ...asked, binds: [{ source: '/x', target: '/x', readOnly: false }] }, instance)).toEqual({
      ...execSpec(),
      command: ['ps'],
      environment: { NEW: '2' },
      cleanEnvironment: true,
      noPrivileges: true,
      binds: [{ source: '/data', target: '/data', readOnly: true }],
      contain: true,
      fakeroot: true,
      engine: 'namespaces',
      instance: { name: 'web', keeps: false }
    });
  });

  it('asks for the working directory and the shell of the caller', () => {
    const spec = enterSpec(execSpec({ action: 'shell', shell: '/bin/ash', workingDirectory: '/tmp' }), instance);
    expect(spec).toMatchObject({ action: 'shell', shell: '/bin/ash', workingDirectory: '/tmp' });
  });
});

describe('enterPlan', () => {
  it('enters in the place of mounting', () => {
    const plan = planOrThrow(execSpec({ noPrivileges: true }), hostFacts({}, ROOT), imageFacts(DEBIAN), {});
    const entered = plan.engine === 'namespaces' ? enterPlan(plan, instance) : undefined;
    expect(entered?.steps.map(({ step }) => step.op)).toEqual([
      'join',
      'umask',
      'no-new-privileges',
      'drop-capabilities',
      'chdir'
    ]);
    expect(entered?.steps[0]?.step).toEqual({ op: 'join', pid: 77, namespaces: ['mount', 'pid'] });
    expect(entered).toMatchObject({ execution: plan.execution, rootfs: { kind: 'directory' } });
    expect(entered).not.toHaveProperty('hostDirectories');
  });
});
