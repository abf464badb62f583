// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContainerError } from '../support/errors.ts';
import { type ILaunchNote, type ILaunchOptions, launchNamespaces } from './namespaces.ts';
import type { Step } from './steps.ts';
import {
  freshLauncher,
  IS_ROOT,
  makeBusyboxTree,
  PATH,
  pivotSteps,
  planned,
  temporaryDirectory
} from './test-support.ts';

let base = '';
let steps: Step[] = [];
beforeAll(() => {
  freshLauncher();
  base = temporaryDirectory();
  mkdirSync(join(base, 'stage'));
  const tree = makeBusyboxTree(join(base, 'tree'));
  const account = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  steps = [...pivotSteps(tree, join(base, 'stage'), IS_ROOT ? undefined : account), { op: 'pivot' }];
});
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

interface IOutcome {
  readonly status?: number;
  readonly error?: ContainerError;
  readonly stdout: string;
  readonly notes: readonly ILaunchNote[];
}
async function launch(
  argv: readonly string[],
  extra: readonly Step[] = [],
  options: Partial<ILaunchOptions> = {}
): Promise<IOutcome> {
  const notes: ILaunchNote[] = [];
  let stdout: Promise<string> | undefined;
  const outcome = await launchNamespaces(
    { steps: planned(...steps, ...extra), execution: { argv, environment: PATH } },
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      foreground: false,
      onNote: note => notes.push(note),
      onSpawn: child => {
        stdout = child.stdout ? text(child.stdout) : undefined;
      },
      ...options
    }
  ).catch((error: unknown) => {
    if (error instanceof ContainerError) {
      return { error };
    }
    throw error;
  });
  return { ...outcome, stdout: (await stdout) ?? '', notes };
}

describe('launchNamespaces', () => {
  it('gives output and status', async () => {
    expect(await launch(['sh', '-c', 'cat /etc/os-release; exit 3'])).toEqual({
      status: 3,
      stdout: 'NAME=Busy\n',
      notes: []
    });
  });

  it('gives 128 + number for a signal', async () => {
    expect((await launch(['sh', '-c', 'kill -PIPE $$'])).status).toBe(141);
  });

  it('words a missing command as Apptainer does', async () => {
    const { error } = await launch(['foo']);
    expect(error?.code).toBe('exec');
    expect(error?.message).toBe('"foo": executable file not found in $PATH');
    expect((await launch(['/bin/foo'])).error?.message).toBe('stat /bin/foo: no such file or directory');
    expect((await launch(['/etc/os-release'])).error?.message).toBe('"/etc/os-release": permission denied');
    expect((await launch(['/etc'])).error?.message).toBe('"/etc": permission denied');
  });

  it('turns a failed step into a sentence with cause and fix', async () => {
    const { error } = await launch(['true'], [{ op: 'bind', source: '/no/such', target: '/data', flags: [] }]);
    expect(error).toMatchObject({ code: 'launch', step: 'launch: bind', errno: 'ENOENT' });
    expect(error?.toSentence()).toBe(
      'cannot start the container: source /no/such (a test) (ENOENT): there is no such file or directory on the host. Check the path given to --bind.'
    );
  });

  it('hands on the notes of steps', async () => {
    const { status, notes } = await launch(['true'], [{ op: 'chdir', candidates: ['/nowhere', '/'] }]);
    expect(status).toBe(0);
    expect(notes).toEqual([
      {
        step: { step: { op: 'chdir', candidates: ['/nowhere', '/'] }, reason: 'a test' },
        errno: 'ENOENT',
        text: 'chdir /nowhere'
      }
    ]);
  });

  it('stops with SIGTERM when aborted, with SIGKILL when that is ignored', async () => {
    for (const script of ['sleep 60', 'trap "" TERM; while :; do sleep 0.05; done']) {
      const controller = new AbortController();
      setTimeout(() => {
        controller.abort();
      }, 100);
      const { error } = await launch(['sh', '-c', script], [], { signal: controller.signal, graceMs: 200 });
      expect(error?.code).toBe('cancelled');
    }
    const aborted = await launch(['true'], [], { signal: AbortSignal.abort() });
    expect(aborted.error?.code).toBe('cancelled');
  });

  it('says that there is no launcher', async () => {
    const { error } = await launch(['true'], [], { launcher: join(base, 'none') });
    expect(error?.message).toBe('cannot start the launcher');
    expect(error?.errno).toBe('ENOENT');
  });

  it('passes a large environment and many arguments', async () => {
    const environment: Record<string, string> = { ...PATH };
    for (let at = 0; at < 2000; at++) {
      environment[`VARIABLE_${at}`] = 'x'.repeat(500);
    }
    const argv = [
      'sh',
      '-c',
      'env | wc -l; echo $#',
      'sh',
      ...Array.from({ length: 1000 }, (_, at) => `argument ${at}`)
    ];
    let stdout: Promise<string> | undefined;
    const { status } = await launchNamespaces(
      { steps: planned(...steps), execution: { argv, environment } },
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        onSpawn: child => (stdout = child.stdout ? text(child.stdout) : undefined)
      }
    );
    expect(status).toBe(0);
    const [variables, count] = ((await stdout) ?? '').split('\n').map(Number);
    expect(variables).toBeGreaterThanOrEqual(2001);
    expect(count).toBe(1000);
  });

  it('waits for the payload while the terminal interrupts the group, and passes SIGTERM on', async () => {
    const module = fileURLToPath(new URL('./namespaces.ts', import.meta.url));
    const file = join(base, 'run.mjs');
    writeFileSync(
      file,
      `import { launchNamespaces } from ${JSON.stringify(module)};
       const plan = JSON.parse(process.argv[2]);
       const { status } = await launchNamespaces(plan, { stdio: 'inherit' });
       process.stdout.write('listeners=' + ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP'].map(name => process.listenerCount(name)));
       process.exit(status);`
    );
    for (const [signal, target] of [
      ['SIGINT', 'group'],
      ['SIGTERM', 'process']
    ] as const) {
      const script = `n=0; trap 'n=$((n+1))' ${signal.slice(3)}; echo ready; i=0; while [ $i -lt 20 ]; do sleep 0.02; i=$((i+1)); done; echo n=$n; exit 9`;
      const plan = JSON.stringify({
        steps: planned(...steps),
        execution: { argv: ['sh', '-c', script], environment: PATH }
      });
      const child = spawn(process.execPath, [file, plan], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output === 'ready\n' && child.pid !== undefined) {
          process.kill(target === 'group' ? -child.pid : child.pid, signal);
        }
      });
      const status = await new Promise(resolve => child.on('close', resolve));
      expect(output).toBe('ready\nn=1\nlisteners=0,0,0,0');
      expect(status).toBe(9);
    }
  });
});
