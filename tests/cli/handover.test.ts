// SPDX-License-Identifier: BSD-3-Clause
/** The command line becomes the launcher: what a caller can see of that, and what must not change by it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { handOverStrings } from '../../lib-runtime/engines/handover.ts';
import { type IWorkplace, MAIN, makeWorkplace, runProgram } from '../support/cli.ts';
import { OS_NAMES, testImages } from '../support/images.ts';

const asRoot = process.getuid?.() === 0;

describe('what is handed over', () => {
  const plan = {
    steps: [{ step: { op: 'umask', mask: 18 }, reason: '' }],
    execution: { argv: ['true'], environment: { A: '1' } }
  } as const;
  const line = {
    program: ['node', '--', 'main.mjs'],
    words: ['exec'],
    environment: { HOME: '/root', UNSET: undefined }
  };

  it('is the plan, the program and its environment, each list with its length', () => {
    const [count, ...rest] = handOverStrings(plan, line) ?? [];
    expect(rest.slice(0, Number(count)).slice(0, 2)).toEqual(['umask', '18']);
    expect(rest[Number(count) - 1]).toBe('end');
    expect(rest.slice(Number(count))).toEqual(['3', 'node', '--', 'main.mjs', 'HOME=/root']);
  });

  it('is nothing where the kernel may refuse it, since Node does not come back from an execve that fails', () => {
    expect(handOverStrings(plan, { ...line, environment: { LARGE: 'x'.repeat(100_000) } })).toBeUndefined();
    const words = Array.from({ length: 6000 }, () => 'w');
    expect(handOverStrings(plan, { ...line, words })).toBeUndefined();
  });
});

describe.runIf(asRoot)('a command line with a container', () => {
  let place: IWorkplace;
  let image: string;

  beforeAll(async () => {
    place = await makeWorkplace();
    image = join(place.cwd, 'image.sif');
    const pulled = await place.nbcontainer(['pull', image, `oci:${join(await testImages(), 'debian')}`]);
    expect(pulled.status, pulled.stderr).toBe(0);
  });
  afterAll(() => place.dispose());

  const start = (...words: string[]): ChildProcess =>
    spawn(process.execPath, ['--', MAIN, 'exec', image, ...words], {
      cwd: place.cwd,
      env: { ...process.env, NBCONTAINER_HOME: place.home },
      stdio: ['pipe', 'pipe', 'pipe']
    });
  const commandOf = (pid: number | undefined): string[] =>
    readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);

  it('is the launcher while the container runs, under the same pid and with the words that were typed', async () => {
    const child = start('sh', '-c', 'echo runs; read line; echo "$line"; exit 7');
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
    while (!output.includes('runs')) {
      await once(child.stdout ?? child, 'data');
    }
    expect(commandOf(child.pid).slice(0, 5)).toEqual(['nbcontainer-launcher', 'take', 'exec', image, 'sh']);
    child.stdin?.end('typed later\n');
    const [status] = (await once(child, 'close')) as [number];
    expect([status, output]).toEqual([7, 'runs\ntyped later\n']);
  });

  it('keeps the tree of its image from being removed, until it ends', async () => {
    const small = join(place.cwd, 'small.sif');
    const source = `oci:${join(await testImages(), 'busybox')}`;
    const pulled = await place.nbcontainer(['pull', small, source]);
    expect(pulled.status, pulled.stderr).toBe(0);
    const child = spawn(
      process.execPath,
      ['--', MAIN, 'exec', '--unsquash', small, 'sh', '-c', 'echo runs; read line; cat /etc/os-release'],
      { cwd: place.cwd, env: { ...process.env, NBCONTAINER_HOME: place.home }, stdio: ['pipe', 'pipe', 'pipe'] }
    );
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    while (!output.includes('runs')) {
      await once(child.stdout, 'data');
    }
    const refused = await place.nbcontainer(['rm', source]);
    expect([refused.status, refused.stderr]).toEqual([255, expect.stringContaining(`process ${child.pid} holds it`)]);
    child.stdin.end('go on\n');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(output).toContain(OS_NAMES.busybox);
    expect(await place.nbcontainer(['rm', source])).toMatchObject({ status: 0 });
    expect(await readdir(join(place.home, 'trees'))).toEqual([]);
  });

  it('ends with the signal of its payload, and takes the payload along when it is killed', async () => {
    const child = start('sh', '-c', 'trap "exit 9" TERM; echo runs; while :; do sleep 0.05; done');
    await once(child.stdout ?? child, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'close')).toEqual([9, null]);

    const mark = `4${process.pid}.5`;
    const other = start('sh', '-c', `echo runs; sleep ${mark}`);
    await once(other.stdout ?? other, 'data');
    other.kill('SIGKILL');
    await once(other, 'close'); // its streams are closed by the last of the container
    await sleep(100);
    const { stdout } = await place.nbcontainer(['exec', image, 'sh', '-c', 'cat /proc/[0-9]*/cmdline 2>/dev/null']);
    expect(stdout).not.toContain(`sleep\0${mark}`);
  });

  it('says what failed: the launcher becomes the command line again', async () => {
    const { status, stderr } = await place.nbcontainer(['exec', image, 'no-such-program']);
    expect(status).toBe(255);
    expect(stderr).toContain('"no-such-program": executable file not found in $PATH');
    // The launcher was one process of it, and is not started a second time to find the same out.
    const failed = await place.nbcontainer(['exec', image, 'true'], { env: { NBCONTAINER_LAUNCH: 'exec EACCES' } });
    expect([failed.status, failed.stderr]).toEqual([255, expect.stringContaining('"true"')]);
    const inside = await place.nbcontainer(['exec', image, 'sh', '-c', 'env | grep NBCONTAINER_LAUNCH'], {
      env: { NBCONTAINER_LAUNCH: 'spawn' }
    });
    expect(inside.status).toBe(1);
  });

  it('gives the container pipes that block, whatever Node did to write a message', async () => {
    const words = [
      'exec',
      '--net',
      image,
      'sh',
      '-c',
      'grep -h flags /proc/self/fdinfo/0 /proc/self/fdinfo/1; grep flags /proc/self/fdinfo/2'
    ];
    const { stdout, stderr } = await place.nbcontainer(words);
    expect(stderr).toContain('--net has no effect');
    const flags = stdout
      .trim()
      .split('\n')
      .map(line => parseInt(line.replace(/\D/g, ''), 8));
    expect(flags.map(value => value & constants.O_NONBLOCK)).toEqual([0, 0, 0]);
  });

  it.each([
    ['handed over', '1', []],
    ['with a launcher beside Node', 'x'.repeat(120_000), []],
    ['below PRoot', '1', ['--engine', 'ptrace']]
  ])(
    'gives a container the limit on open files that the caller has and Node raises: %s',
    async (_how, LARGE, options) => {
      const node = [process.execPath, '--', MAIN, 'exec', ...options, image, 'sh', '-c', 'ulimit -Sn'];
      const words = ['-c', 'ulimit -Sn 256; "$@"; exit', 'sh', ...node];
      const env = { NBCONTAINER_HOME: place.home, LARGE };
      const { stdout, stderr } = await runProgram('sh', words, { cwd: place.cwd, env });
      expect(stdout, stderr).toBe('256\n');
    }
  );

  it('starts a launcher beside itself for what is too large to be handed over', async () => {
    const { stdout, stderr } = await place.nbcontainer(['exec', image, 'sh', '-c', 'echo ${#LARGE}'], {
      env: { LARGE: 'x'.repeat(120_000) }
    });
    expect(stdout, stderr).toBe('120000\n');
  });

  it('keeps standard input for what is read after a failure', async () => {
    const child = spawn(
      'sh',
      ['-c', '"$@"; cat', 'sh', process.execPath, '--', MAIN, 'exec', image, 'no-such-program'],
      {
        env: { ...process.env, NBCONTAINER_HOME: place.home },
        stdio: ['pipe', 'pipe', 'ignore']
      }
    );
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stdin.end('kept\n');
    await once(child, 'close');
    expect(output).toBe('kept\n');
  });
});
