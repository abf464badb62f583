// SPDX-License-Identifier: BSD-3-Clause
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { namedBelow, startOf } from './processes.ts';
import type { Namespace, Step } from './steps.ts';
import {
  eventually,
  HAS_STRACE,
  IS_ROOT,
  makeBench,
  type ITrial,
  PATH,
  pivotSteps,
  tryLauncher
} from './test-support.ts';

let launcher: string;
let base: string;
let tree: string;
let stage: string;
beforeAll(() => {
  ({ launcher, base, tree, stage } = makeBench());
});
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

const steps = (): Step[] => [...pivotSteps(tree, stage), { op: 'pivot' }];
const pidSteps = (): Step[] =>
  steps().map(step =>
    step.op === 'unshare' ? { ...step, namespaces: [...step.namespaces, 'pid' as const, 'uts' as const] } : step
  );
const hostname: Step = { op: 'hostname', name: 'box' };

interface IRunning {
  readonly front: number;
  readonly keeper: number;
  readonly ended: Promise<ITrial>;
}

/** Starts an instance and waits for its keeper. */
async function begin(steps: Step[], script: string): Promise<IRunning> {
  let front = 0;
  const execution = { argv: ['sh', '-c', script], environment: PATH };
  const ended = tryLauncher(launcher, steps, execution, { onPid: pid => (front = pid) });
  let keeper: number | undefined;
  const found = eventually(() => keeper, 'a keeper');
  const look = setInterval(() => {
    void namedBelow(front, 'instance').then(pid => (keeper ??= pid));
  }, 20);
  try {
    return { front, keeper: await found, ended };
  } finally {
    clearInterval(look);
  }
}

function enter(keeper: number, namespaces: readonly Namespace[], ...argv: string[]): Promise<ITrial> {
  return tryLauncher(launcher, [{ op: 'join', pid: keeper, namespaces }], { argv, environment: PATH });
}

/** Makes each message of the launcher to its supervisor late, as a busy machine may. */
const LATE = [
  'strace',
  '-f',
  '-qq',
  '-o',
  '/dev/null',
  '-e',
  'trace=sendmsg',
  '-e',
  'inject=sendmsg:delay_enter=300ms'
];

describe.runIf(IS_ROOT && HAS_STRACE)('a payload that ends before it is announced', () => {
  it('gives its status as pid 2 of a namespace', async () => {
    const execution = { argv: ['sh', '-c', 'exit 5'], environment: PATH };
    expect((await tryLauncher(launcher, pidSteps(), execution, { wrapper: LATE })).status).toBe(5);
  });

  it('is said not to have been announced', async () => {
    const wrapper = LATE.map(word => word.replace('delay_enter=300ms', 'error=ENOBUFS'));
    const trial = await tryLauncher(launcher, pidSteps(), { argv: ['true'], environment: PATH }, { wrapper });
    expect(trial.status).toBe(255);
    expect(trial.records).toEqual([
      { kind: 'failed', index: 0, errno: 'ENOBUFS', text: 'start pid 1 of the namespace: tell the supervisor' }
    ]);
  });

  it('gives its status in an instance', async () => {
    const { keeper, ended } = await begin([...pidSteps(), { op: 'hold', command: false }], '');
    const join: Step = { op: 'join', pid: keeper, namespaces: ['mount', 'pid'] };
    const execution = { argv: ['sh', '-c', 'exit 5'], environment: PATH };
    expect((await tryLauncher(launcher, [join], execution, { wrapper: LATE })).status).toBe(5);
    process.kill(keeper, 'SIGTERM');
    await ended;
  });
});

describe.runIf(IS_ROOT)('hold and join', () => {
  it('stays when the command has ended, and is entered', async () => {
    const { keeper, ended } = await begin([...pidSteps(), hostname, { op: 'hold', command: true }], 'echo started');
    const inside = await enter(keeper, ['mount', 'pid', 'uts'], 'sh', '-c', 'pwd; ls /; hostname; echo $$; exit 6');
    expect(inside.records).toEqual([]);
    expect(inside.status).toBe(6);
    expect(inside.stdout).toMatch(/^\/\nbin\ndata\n[^]*\nbox\n\d{1,2}\n$/);
    process.kill(keeper, 'SIGTERM');
    const result = await ended;
    expect([result.status, result.stdout]).toEqual([0, 'started\n']);
    expect(result.records).toMatchObject([{ kind: 'note', text: 'started' }]);
  });

  it('works without a command and without a pid namespace', async () => {
    const { front, keeper, ended } = await begin([...steps(), { op: 'hold', command: false }], 'none');
    expect((await enter(keeper, ['mount'], 'readlink', '/bin/sh')).stdout).toBe('busybox\n');
    process.kill(front, 'SIGINT');
    expect((await ended).status).toBe(0);
    expect(await startOf(keeper)).toBeUndefined();
  });

  it('hands signals to the command, which may take its time', async () => {
    const script = 'trap "echo usr" USR1; trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done';
    const { keeper, ended } = await begin([...pidSteps(), { op: 'hold', command: true }], script);
    await new Promise(resolve => setTimeout(resolve, 200));
    process.kill(keeper, 'SIGUSR1');
    await new Promise(resolve => setTimeout(resolve, 200));
    process.kill(keeper, 'SIGTERM');
    expect((await ended).stdout).toBe('up\nusr\nbye\n');
  });

  it('takes what entered a pid namespace along when it ends', async () => {
    const { front, keeper, ended } = await begin([...pidSteps(), { op: 'hold', command: false }], 'none');
    const inside = enter(keeper, ['mount', 'pid'], 'sleep', '300');
    await new Promise(resolve => setTimeout(resolve, 200));
    process.kill(front, 'SIGKILL');
    expect((await inside).status).toBe(137);
    await ended;
  });

  it('says that the command cannot be executed, and does not stay', async () => {
    const execution = { argv: ['no-such-command'], environment: PATH };
    const result = await tryLauncher(launcher, [...pidSteps(), { op: 'hold', command: true }], execution);
    expect(result.status).toBe(255);
    expect(result.records).toEqual([{ kind: 'exec', errno: 'ENOENT' }]);
  });

  it('names a process that is gone', async () => {
    const result = await enter(4194303, ['mount'], 'true');
    expect(result.status).toBe(255);
    expect(result.records).toMatchObject([{ kind: 'failed', errno: 'ENOENT', text: 'open /proc/4194303/root' }]);
  });
});
