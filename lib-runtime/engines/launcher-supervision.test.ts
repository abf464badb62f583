// SPDX-License-Identifier: BSD-3-Clause
/** Signals, ends and left-overs: nothing of a container outlives it, whoever is killed. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROBES } from '../host/facts.ts';
import { encodePlan } from './protocol.ts';
import type { Step } from './steps.ts';
import {
  eventually,
  freshLauncher,
  HAS_STRACE,
  IS_ROOT,
  makeBusyboxTree,
  PATH,
  pivotSteps,
  planned,
  processTree,
  temporaryDirectory,
  tryLauncher
} from './test-support.ts';

let launcher = '';
let base = '';
let steps: Step[] = [];
let withPids: Step[] = [];

beforeAll(() => {
  launcher = freshLauncher();
  base = temporaryDirectory();
  mkdirSync(join(base, 'stage'));
  mkdirSync(join(base, 'data'));
  const tree = makeBusyboxTree(join(base, 'tree'));
  const uid = process.getuid?.() ?? 0;
  const account = IS_ROOT ? undefined : { uid, gid: process.getgid?.() ?? 0 };
  const common: Step[] = [{ op: 'bind', source: join(base, 'data'), target: '/data', flags: [] }, { op: 'pivot' }];
  steps = [...pivotSteps(tree, join(base, 'stage'), account), ...common];
  withPids = steps.flatMap((step): Step[] =>
    step.op === 'unshare'
      ? [{ ...step, namespaces: [...step.namespaces, 'pid'] }]
      : step.op === 'bind' && step.target === '/proc'
        ? [{ op: 'procfs', target: '/proc' }]
        : [step]
  );
});
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

/** Pids (of the host) of the processes whose command line holds the word. */
function pidsOf(word: string): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(word);
      } catch {
        return false;
      }
    })
    .map(Number);
}
let counter = 4000;
/** A number of seconds that no other process sleeps: a name for a process. */
const nap = (): string => String((counter += 1) + process.pid * 10_000);
const gone = (word: string): Promise<boolean> =>
  eventually(() => pidsOf(word).length === 0, `the end of sleep ${word}`);
const log = (): string => readFileSync(join(base, 'data', 'log'), 'utf8');

describe.each(['host pids', 'own pids'])('a container with %s', kind => {
  const plan = (): Step[] => (kind === 'own pids' ? withPids : steps);

  it('ends with the status of its command, also of a signal', async () => {
    const run = async (script: string): Promise<number> =>
      (await tryLauncher(launcher, plan(), { argv: ['sh', '-c', script], environment: PATH })).status;
    expect(await run('exit 0')).toBe(0);
    expect(await run('exit 255')).toBe(255);
    expect(await run('kill -KILL $$')).toBe(137);
    expect(await run('kill -SEGV $$')).toBe(139);
  });

  it('takes everything with it, also what daemonized', async () => {
    const word = nap();
    // ash's & and setsid: a child of init by then
    const script = `(setsid sh -c '(sleep ${word} </dev/null >/dev/null 2>&1 &) &' &); while ! ps | grep -q "[s]leep ${word}"; do :; done; exit 5`;
    const trial = await tryLauncher(launcher, plan(), { argv: ['sh', '-c', script], environment: PATH });
    expect(trial.status).toBe(5);
    expect(pidsOf(word)).toEqual([]);
  });

  it('is ended by kill -9 of its caller', async () => {
    const word = nap();
    const file = join(base, 'plan');
    writeFileSync(
      file,
      encodePlan(planned(...plan()), { argv: ['sh', '-c', `setsid sleep ${word} & sleep ${word}`], environment: PATH })
    );
    const caller = spawn('sh', ['-c', `"$0" run 3 4 3<"$1" 4>/dev/null & wait`, launcher, file], { stdio: 'ignore' });
    await eventually(() => pidsOf(word).length === 2, 'the processes');
    const all = processTree(caller.pid ?? 0).slice(1);
    expect(all.length).toBeGreaterThanOrEqual(4);
    caller.kill('SIGKILL');
    await gone(word);
    await eventually(() => all.every(pid => !existsSync(`/proc/${pid}`)), 'the end of the launcher');
  });

  it.each(['front', 'supervisor'])('is ended by kill -9 of the %s process', async victim => {
    const word = nap();
    let front = 0;
    const running = tryLauncher(
      launcher,
      plan(),
      { argv: ['sh', '-c', `setsid sleep ${word} & sleep ${word}`], environment: PATH },
      { onPid: pid => (front = pid) }
    );
    await eventually(() => pidsOf(word).length === 2, 'the processes');
    const target = victim === 'front' ? front : processTree(front)[1];
    process.kill(target ?? 0, 'SIGKILL');
    expect((await running).status).toBe(137);
    await gone(word);
    await eventually(
      () => processTree(front).every(pid => pid === front || !existsSync(`/proc/${pid}`)),
      'the end of the launcher'
    );
  });

  it.each(['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR1'] as const)(
    'gets %s that is sent to the launcher, once',
    async signal => {
      rmSync(join(base, 'data', 'log'), { force: true });
      const name = signal.slice(3);
      let front = 0;
      const script = `trap 'echo ${name} >> /data/log' ${name}; echo ready >> /data/log; i=0; while [ $i -lt 15 ]; do sleep 0.02; i=$((i+1)); done; exit 3`;
      const running = tryLauncher(
        launcher,
        plan(),
        { argv: ['sh', '-c', script], environment: PATH },
        { onPid: pid => (front = pid) }
      );
      await eventually(() => existsSync(join(base, 'data', 'log')) && log() === 'ready\n', 'the trap');
      process.kill(front, signal);
      expect((await running).status).toBe(3);
      expect(log()).toBe(`ready\n${name}\n`);
    }
  );
});

describe.runIf(IS_ROOT)('in a pid namespace that sees the /proc of another', () => {
  it('a container takes along what daemonized', async () => {
    const word = nap();
    const daemon = `setsid sleep ${word} </dev/null >/dev/null 2>&1 & exit 5`;
    // The namespace lives on: as it ends, the kernel would end all in it.
    const wrapper = [
      'unshare',
      '-fp',
      'sh',
      '-c',
      `"$@"; echo "status $?"; grep -ls '[${word[0] ?? ''}]${word.slice(1)}' /proc/[1-9]*/cmdline; exit 0`,
      'sh'
    ];
    const trial = await tryLauncher(launcher, steps, { argv: ['sh', '-c', daemon], environment: PATH }, { wrapper });
    expect(trial).toMatchObject({ status: 0, stdout: 'status 5\n', records: [] });
  });
});

describe('a signal to the whole group', () => {
  it('reaches the payload once', async () => {
    rmSync(join(base, 'data', 'log'), { force: true });
    const file = join(base, 'plan');
    // A shell that waits anew after each signal would swallow a second one: a counter in the trap does not.
    const script = `n=0; trap 'n=$((n+1)); echo $n >> /data/log' INT; echo ready >> /data/log; i=0; while [ $i -lt 25 ]; do sleep 0.02; i=$((i+1)); done`;
    writeFileSync(file, encodePlan(planned(...steps), { argv: ['sh', '-c', script], environment: PATH }));
    const group = spawn('setsid', ['sh', '-c', `trap : INT; "$0" run 3 4 3<"$1" 4>/dev/null`, launcher, file], {
      stdio: 'ignore'
    });
    await eventually(() => existsSync(join(base, 'data', 'log')) && log() === 'ready\n', 'the trap');
    process.kill(-(group.pid ?? 0), 'SIGINT');
    await new Promise(resolve => group.on('exit', resolve));
    expect(log()).toBe('ready\n1\n');
  });
});

/** Rare moments, made long enough to be met. */
describe.runIf(HAS_STRACE)('the launcher', () => {
  const strace = (inject: string, ...words: string[]): string[] => [
    ...['/usr/bin/strace', '-D', '-qq', '-o', '/dev/null', ...words],
    ...['-e', `trace=${inject.split(':')[0] ?? ''}`, '-e', `inject=${inject}`]
  ];

  it('says that it cannot watch over a container', async () => {
    const wrapper = strace('signalfd4:error=EMFILE', '-f');
    const trial = await tryLauncher(launcher, steps, { argv: ['echo', 'never'], environment: PATH }, { wrapper });
    expect(trial).toMatchObject({ status: 255, stdout: '' });
    expect(trial.records).toEqual([{ kind: 'failed', index: 0, errno: 'EMFILE', text: 'open a signalfd' }]);
  });

  it('goes on when it gets no answer from its supervisor', async () => {
    const [, ...rest] = steps;
    const maps = { uidMap: `0 ${process.getuid?.() ?? 0} 1`, gidMap: `0 ${process.getgid?.() ?? 0} 1` };
    const own: Step[] = [{ op: 'unshare', namespaces: ['user', 'mount'], ...maps }, ...rest];
    const wrapper = strace('sendto:error=ENOBUFS', '-f');
    const trial = await tryLauncher(launcher, own, { argv: ['echo', 'never'], environment: PATH }, { wrapper });
    expect(trial).toMatchObject({ status: 255, stdout: '' });
    expect(trial.records).toEqual([{ kind: 'failed', index: 0, errno: 'EPIPE', text: 'hear from the supervisor' }]);
  });

  it('keeps a signal that comes before a pid namespace is entered', async () => {
    let front = 0;
    const running = tryLauncher(
      launcher,
      withPids,
      { argv: ['sleep', nap()], environment: PATH },
      { wrapper: strace('unshare:delay_exit=300ms', '-f'), onPid: pid => (front = pid) }
    );
    await eventually(() => processTree(front).length >= 3, 'the process that enters it');
    process.kill(front, 'SIGTERM');
    expect((await running).status).toBe(143);
  });

  it('does not take the end of the process that entered a pid namespace for that of the payload', async () => {
    const wrapper = strace('recvmsg:error=ENOMEM:when=1', '-f');
    const trial = await tryLauncher(launcher, withPids, { argv: ['echo', 'fine'], environment: PATH }, { wrapper });
    expect(trial.status).toBe(255);
  });

  it('gives the status of a process that was killed before it read an answer', async () => {
    const [, ...rest] = steps;
    const maps = { uidMap: `0 ${process.getuid?.() ?? 0} 1`, gidMap: `0 ${process.getgid?.() ?? 0} 1` };
    let front = 0;
    const running = tryLauncher(
      launcher,
      [{ op: 'unshare', namespaces: ['user', 'mount'], ...maps }, ...rest],
      { argv: ['sleep', nap()], environment: PATH },
      { wrapper: strace('recvfrom:delay_enter=300ms', '-f'), onPid: pid => (front = pid) }
    );
    const asking = await eventually(() => processTree(front)[2], 'the process that asks');
    await new Promise(resolve => setTimeout(resolve, 150)); // the answer has been sent by now
    process.kill(asking, 'SIGKILL');
    expect((await running).status).toBe(137);
  });

  it('notices the end of its supervisor while it looks for the end of something else', async () => {
    const go = join(base, 'data', 'go');
    rmSync(go, { force: true });
    let front = 0;
    const running = tryLauncher(
      launcher,
      steps,
      { argv: ['sh', '-c', 'while [ ! -e /data/go ]; do sleep 0.02; done; exit 7'], environment: PATH },
      { wrapper: strace('wait4:delay_enter=300ms:when=2'), onPid: pid => (front = pid) }
    );
    await eventually(() => processTree(front).length >= 3, 'the payload');
    process.kill(front, 'SIGCHLD');
    writeFileSync(go, '');
    expect((await running).status).toBe(7);
  });

  it('notices the end of a payload that was stopped', async () => {
    let front = 0;
    const running = tryLauncher(
      launcher,
      steps,
      { argv: ['sh', '-c', 'kill -STOP $$'], environment: PATH },
      { wrapper: strace('wait4:delay_enter=300ms:when=1', '-f'), onPid: pid => (front = pid) }
    );
    const payload = await eventually(
      () => processTree(front).find(pid => /^\d+ \(sh\) [Tt]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))),
      'the stop'
    );
    await new Promise(resolve => setTimeout(resolve, 150)); // the supervisor has seen it by now
    process.kill(payload, 'SIGKILL');
    expect((await running).status).toBe(137);
  });
});

describe('in a terminal', () => {
  /** Runs in a terminal of its own (script(1)), with a job-control shell; types the keys one after the other. */
  const inTerminal = async (command: string, keys: readonly (readonly [RegExp, string])[]): Promise<string> => {
    const shell = `PS1='prompt> ' bash --norc --noprofile -i`;
    const terminal = spawn('script', ['-qfe', '-c', shell, '/dev/null'], { env: { ...process.env, TERM: 'dumb' } });
    let output = '';
    let from = 0;
    terminal.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const all: (readonly [RegExp, string])[] = [[/prompt> $/, `${command}\n`], ...keys];
    for (const [wanted, typed] of all) {
      await eventually(() => wanted.test(output.slice(from)), String(wanted)).catch((error: unknown) => {
        terminal.kill('SIGKILL');
        throw new Error(`${String(error)} in ${JSON.stringify(output)}`);
      });
      from = output.length;
      terminal.stdin.write(typed);
    }
    await new Promise(resolve => terminal.on('exit', resolve));
    return output;
  };
  const start = (argv: readonly string[]): string => {
    const file = join(base, 'terminal.plan');
    writeFileSync(
      file,
      encodePlan(planned(...steps), { argv, environment: { ...PATH, PS1: 'inside> ', TERM: 'dumb' } })
    );
    return `${launcher} run 3 4 3<${file} 4>/dev/null; echo "status"=$?`;
  };

  it('Ctrl-C reaches the payload once and leaves the launcher alone', async () => {
    const script = `n=0; trap 'n=$((n+1))' INT; echo rea""dy; i=0; while [ $i -lt 20 ]; do sleep 0.02; i=$((i+1)); done; echo count=$n; exit 4`;
    const output = await inTerminal(start(['sh', '-c', script]), [
      [/ready\r\n/, '\x03'],
      [/status=\d+\r\nprompt> $/, 'exit\n']
    ]);
    expect(output).toContain('count=1');
    expect(output).toContain('status=4');
  });

  it('Ctrl-Z stops the container, fg continues it', async () => {
    const script = `echo rea""dy; read line; echo got=$line`;
    const output = await inTerminal(`(${start(['sh', '-c', script])})`, [
      [/ready\r\n/, '\x1a'],
      [/Stopped[\s\S]*prompt> $/, 'fg\n'],
      [/fg\r\n[\s\S]*run 3 4[\s\S]*\n/, 'hello\n'],
      [/status=0\r\nprompt> $/, 'exit\n']
    ]);
    expect(output).toContain('got=hello');
  });

  it('a shell of the container has job control of its own', async () => {
    const output = await inTerminal(start(['sh', '-i']), [
      [/inside> (\x1b\[6n)?$/, `sh -c 'echo run""ning; sleep 100'\n`],
      [/running\r\n/, '\x1a'],
      [/Stopped[\s\S]*inside> (\x1b\[6n)?$/, 'exit 6\n'],
      [/stopped jobs[\s\S]*inside> (\x1b\[6n)?$/, 'exit 6\n'],
      [/status=6\r\nprompt> $/, 'exit\n']
    ]);
    expect(output).toContain('status=6');
  });
});

describe('the arm64 binary', () => {
  const qemu = '/usr/bin/qemu-aarch64-static';
  const binary = join(
    import.meta.dirname,
    '..',
    '..',
    'nbcontainer',
    'runtime',
    'launcher',
    'aarch64',
    'nbcontainer-launcher'
  );
  // The arm64 build can be started here only where qemu-user happens to be installed.
  it.skipIf(!existsSync(qemu) || process.arch === 'arm64')('starts: usage and probe', async () => {
    const { buildLauncher } = await import('../../scripts/build-launcher.mjs');
    buildLauncher();
    const probe = execFileSync(qemu, [binary, 'probe'], { encoding: 'utf8' });
    expect(probe.trim().split('\n')).toHaveLength(PROBES.length);
    expect(() => execFileSync(qemu, [binary], { stdio: 'pipe' })).toThrow(/usage: nbcontainer-launcher run/);
    const elf = readFileSync(binary);
    expect(elf.readUInt16LE(18)).toBe(183); // EM_AARCH64
    const [table, size, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
    const types = Array.from({ length: count }, (_, index) => elf.readUInt32LE(table + index * size));
    expect(types).toContain(1); // PT_LOAD
    expect(types).not.toContain(3); // PT_INTERP: it is static
  });
});
