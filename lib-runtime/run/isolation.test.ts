// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { isolation, isolationUnderPtrace } from './isolation.ts';
import { planRun } from './plan.ts';
import { COLAB, DEBIAN, execSpec, hostFacts, imageFacts, ROOT } from './testing.ts';

const PID = { pid: true };
const ALL = { pid: true, ipc: true, uts: true };

describe('isolation', () => {
  it.each([
    ['nothing asked', {}, {}, 'pivot', true, [], false, undefined],
    ['--pid', PID, {}, 'pivot', true, ['pid'], true, undefined],
    ['all', ALL, {}, 'pivot', true, ['pid', 'ipc', 'uts'], true, undefined],
    ['--hostname', { hostname: 'box' }, {}, 'pivot', true, ['uts'], false, undefined],
    ['--no-mount proc', PID, { 'fresh-procfs': 'EPERM' }, 'pivot', false, ['pid'], false, undefined],
    ['masked /proc', ALL, { 'fresh-procfs': 'EPERM' }, 'pivot', true, ['ipc', 'uts'], false, 'fresh procfs (EPERM)'],
    ['in-place', ALL, {}, 'in-place', true, ['ipc', 'uts'], false, 'stays in place']
  ] as const)('%s', (_, spec, denied, root, showsProc, namespaces, freshProc, note) => {
    const result = isolation(execSpec(spec), hostFacts(denied), root, showsProc);
    expect(result).toMatchObject({ namespaces, freshProc });
    expect(result.notes.map(({ text }) => text).join()).toContain(note ?? '');
    expect(result.notes).toHaveLength(note === undefined ? 0 : 1);
  });

  it('says under ptrace which flags have no effect', () => {
    expect(isolationUnderPtrace(execSpec())).toEqual([]);
    expect(isolationUnderPtrace(execSpec(ALL))[0]?.text).toContain('--pid, --ipc, --uts have no effect');
  });
});

describe('plans', () => {
  const plan = (spec: object, denied = {}, host = {}) => {
    const result = planRun(execSpec(spec), hostFacts(denied, host), imageFacts(DEBIAN), {});
    if (result.kind === 'refusal') {
      throw new Error(result.reason);
    }
    const steps = result.steps.map(({ step }) => step);
    return { result, steps, proc: steps.filter(step => 'target' in step && step.target === '/proc') };
  };

  it('mount a fresh procfs in the pid namespace, the host’s without', () => {
    expect(plan(PID).steps[0]).toMatchObject({ op: 'unshare', namespaces: ['user', 'mount', 'pid'] });
    expect(plan(PID).proc).toEqual([{ op: 'procfs', target: '/proc' }]);
    expect(plan({}).proc).toMatchObject([{ op: 'bind', source: '/proc' }]);
  });

  it('do not on Colab, with one warning', () => {
    const { result, steps } = plan(ALL, COLAB, ROOT);
    expect(steps[0]).toMatchObject({ op: 'unshare', namespaces: ['mount', 'ipc', 'uts'] });
    expect(steps.filter(({ op }) => op === 'procfs')).toEqual([]);
    expect(result.notes.filter(({ level }) => level === 'warning')).toHaveLength(1);
  });

  it('take umask 0022 with --no-umask', () => {
    const umask = (spec: object) => plan(spec, {}, { umask: 0o077 }).steps.find(({ op }) => op === 'umask');
    expect(umask({})).toEqual({ op: 'umask', mask: 0o077 });
    expect(umask({ noUmask: true })).toEqual({ op: 'umask', mask: 0o022 });
  });
});
