// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { launchError, StepError } from '../engines/launch-errors.ts';
import type { Step } from '../engines/steps.ts';
import type { IHostFacts, ProbeName } from '../host/facts.ts';
import { ContainerError } from '../support/errors.ts';
import type { launch } from './launch.ts';
import { planRun } from './plan.ts';
import type { INamespacesPlan, Plan } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';
import { planOrThrow, start } from './start.ts';
import { nextStrategy, restrict } from './strategy.ts';
import { DEBIAN, execSpec, hostFacts, imageFacts, ROOT } from './testing.ts';

const PROOT = { tools: { proot: '/usr/bin/proot' } };
const SERVED = { tools: { ...PROOT.tools, squashfuse_ll: '/usr/bin/squashfuse_ll' } };
const SECCOMP: Partial<Record<ProbeName, string>> = {};

/** `pivot /plain`, `ptrace`: how a plan starts and where the image's files come from. */
function describePlan(plan: ReturnType<typeof planRun>): string {
  if (plan.kind === 'refusal') {
    return `refused: ${plan.reason}`;
  }
  const layered = plan.steps.some(({ step }) => step.op === 'overlay') ? ' overlay' : '';
  const chroot = plan.steps.some(({ step }) => step.op === 'chroot') ? ' chroot' : '';
  return `${plan.engine} ${plan.root}${chroot} ${plan.rootfs.kind}${layered}`;
}

/** What is planned after `op` failed with `errno` in the first plan. */
function after(op: Step['op'], errno: string, spec: Partial<IRunSpec> = {}, more: Partial<IHostFacts> = {}): string {
  const host = hostFacts(SECCOMP, { ...ROOT, ...PROOT, ...more });
  const first = planOrThrow(execSpec(spec), host, imageFacts(DEBIAN), {});
  const candidates = first.steps.map(({ step }) => step).filter(step => step.op === op);
  const failed = candidates.find(step => step.op !== 'bind' || step.source === '/proc') ?? candidates[0];
  if (failed === undefined) {
    throw new Error(`the plan has no ${op}`);
  }
  const restriction = nextStrategy(failed, errno);
  const restricted = restriction && restrict(host, restriction);
  return restricted ? describePlan(planRun(execSpec(spec), restricted, imageFacts(DEBIAN), {})) : 'nothing else';
}

const USER: Partial<IHostFacts> = { ...hostFacts(), ...PROOT };

describe('the plan after a failure', () => {
  it.each<[Step['op'], string, Partial<IRunSpec>, Partial<IHostFacts>, string]>([
    ['squashfs', 'EAGAIN', {}, {}, 'namespaces pivot tree'],
    ['squashfs', 'EINVAL', {}, {}, 'namespaces pivot tree'],
    ['squashfs', 'EAGAIN', {}, SERVED, 'namespaces pivot mounted'],
    ['fuse', 'EIO', {}, { ...SERVED, capabilities: [] }, 'namespaces pivot tree'],
    ['bind', 'EACCES', {}, {}, 'namespaces in-place mounted'],
    ['procfs', 'EPERM', { pid: true }, {}, 'namespaces pivot mounted'],
    ['pivot', 'EPERM', {}, {}, 'namespaces pivot chroot mounted'],
    ['overlay', 'EINVAL', { writableTmpfs: true }, {}, 'namespaces pivot copy'],
    ['overlay', 'EPERM', { writableTmpfs: true }, {}, 'namespaces pivot copy'],
    ['private', 'EACCES', {}, {}, 'ptrace proot tree'],
    ['stage', 'EPERM', {}, {}, 'ptrace proot tree'],
    ['unshare', 'EPERM', {}, {}, 'namespaces pivot tree'],
    ['unshare', 'ENOSPC', {}, USER, 'ptrace proot tree'],
    ['unshare', 'EPERM', { engine: 'namespaces' }, USER, 'refused: namespaces: no user namespace can be made (EPERM)'],
    ['chdir', 'ENOENT', {}, {}, 'nothing else'],
    ['umask', 'EPERM', {}, {}, 'nothing else'],
    ['bind', 'ENOENT', {}, {}, 'nothing else'],
    ['pivot', 'ENOMEM', {}, {}, 'nothing else']
  ])('%s %s %j', (op, errno, spec, host, expected) => {
    expect(after(op, errno, spec, host)).toBe(expected);
  });

  it('of newuidmap is one id', () => {
    const helpers = ['/usr/bin/newuidmap', '/usr/bin/newgidmap'] as const;
    const host = hostFacts({}, { tools: { newuidmap: helpers[0], newgidmap: helpers[1], proot: '/p' } });
    const restriction = nextStrategy({ op: 'unshare', namespaces: ['user'], mapHelpers: helpers }, 'EPERM');
    expect(restriction && restrict(host, restriction)?.tools).toEqual({ proot: '/p' });
  });

  it("is none for a user's own bind", () => {
    expect(nextStrategy({ op: 'bind', source: '/data', target: '/d', flags: [] }, 'EACCES')).toBeUndefined();
  });

  it('is none when the facts were so already', () => {
    const restriction = nextStrategy({ op: 'pivot' }, 'EPERM');
    expect(restriction && restrict(hostFacts({ 'pivot-root': 'EPERM' }), restriction)).toBeUndefined();
  });
});

describe('start', () => {
  const stepError = (op: Step['op'], plan: Plan): StepError => {
    const failed = plan.steps.find(({ step }) => step.op === op)?.step;
    return new StepError({ code: 'launch', step: `launch: ${op}`, message: `${op} failed`, errno: 'EPERM' }, failed);
  };

  async function starting(fails: readonly Step['op'][]): Promise<{ tried: string[]; said: string[]; outcome: string }> {
    const tried: string[] = [];
    const said: string[] = [];
    const perform: typeof launch = plan => {
      const op = fails[tried.length];
      tried.push(describePlan(plan));
      return op === undefined ? Promise.resolve({ status: 7 }) : Promise.reject(stepError(op, plan));
    };
    const host = hostFacts(SECCOMP, { ...ROOT, ...PROOT });
    const request = { ensureTree: () => Promise.resolve(), say: ({ text }: { text: string }) => said.push(text) };
    const outcome = await start(execSpec(), host, imageFacts(DEBIAN), {}, request, perform).then(
      ({ status }) => `status ${status}`,
      (error: unknown) => (error instanceof ContainerError ? error.message : 'another error')
    );
    return { tried, said, outcome };
  }

  it('goes on from what a launcher has handed back, and announces nothing twice', async () => {
    const host = hostFacts(SECCOMP, { ...ROOT, ...PROOT });
    const spec = execSpec({ network: true });
    const first = planOrThrow(spec, host, imageFacts(DEBIAN), {}) as INamespacesPlan;
    const index = first.steps.findIndex(({ step }) => step.op === 'squashfs');
    const failed = { kind: 'failed', index, errno: 'EPERM', text: 'mount the image' } as const;
    const attempts: unknown[] = [];
    const said: string[] = [];
    const request = {
      ensureTree: () => Promise.resolve(),
      say: ({ text }: { text: string }) => said.push(text),
      failed
    };
    const perform: typeof launch = (plan, attempt) => {
      attempts.push([describePlan(plan), attempt.failed]);
      return attempt.failed
        ? Promise.reject(launchError(attempt.failed, plan as INamespacesPlan))
        : Promise.resolve({ status: 7 });
    };
    expect(await start(spec, host, imageFacts(DEBIAN), {}, request, perform)).toEqual({ status: 7 });
    expect(attempts).toEqual([
      ['namespaces pivot mounted', failed],
      ['namespaces pivot tree', undefined]
    ]);
    expect(first.notes.map(({ text }) => text)).toContainEqual(expect.stringContaining('--net'));
    expect(said.filter(text => text.includes('--net'))).toEqual([]);
    expect(said[0]).toContain('another way is taken');
  });

  it('takes the next way, and the next', async () => {
    const { tried, said, outcome } = await starting(['squashfs', 'private']);
    expect(tried).toEqual(['namespaces pivot mounted', 'namespaces pivot tree', 'ptrace proot tree']);
    expect(outcome).toBe('status 7');
    expect(said.filter(text => text.endsWith('another way is taken'))).toEqual([
      'squashfs failed (EPERM): another way is taken',
      'private failed (EPERM): another way is taken'
    ]);
    expect(new Set(said).size).toBe(said.length);
  });

  it('ends with the failure that nothing follows from', async () => {
    expect(await starting(['umask'])).toMatchObject({ tried: [expect.any(String)], outcome: 'umask failed' });
  });
});
