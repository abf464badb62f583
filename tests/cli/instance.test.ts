// SPDX-License-Identifier: BSD-3-Clause
/** Instances through the real command line: started, entered, listed, stopped, and gone without a trace. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childrenOf, startOf } from '../../lib-runtime/engines/processes.ts';
import { type IOutcome, type IWorkplace, makeWorkplace } from '../support/cli.ts';
import { testImages } from '../support/images.ts';

let work: IWorkplace;
let env: Record<string, string>;
const n = (...args: string[]): Promise<IOutcome> => work.nbcontainer(args, { env });

beforeAll(async () => {
  work = await makeWorkplace();
  // A list of its own: whoever runs the tests may have instances.
  env = { XDG_RUNTIME_DIR: join(work.directory, 'run') };
  const { mkdir } = await import('node:fs/promises');
  await mkdir(env['XDG_RUNTIME_DIR'] ?? '', { mode: 0o700 });
  expect((await n('-q', 'pull', 'box.sif', `oci:${join(await testImages(), 'busybox')}`)).status).toBe(0);
}, 120_000);
afterAll(async () => {
  await n('instance', 'stop', '--all', '--force');
  await work?.dispose();
});

async function running(name: string): Promise<{ pid: number; logOutPath: string; logErrPath: string; img: string }> {
  const { stdout } = await n('instance', 'list', '--json', name);
  const { instances } = JSON.parse(stdout) as { instances: Awaited<ReturnType<typeof running>>[] };
  const [found] = instances;
  if (found === undefined) {
    throw new Error(`${name} does not run: ${stdout}`);
  }
  return found;
}

describe('instance', () => {
  it('is started, entered by several and stopped', async () => {
    const started = await n('instance', 'start', '--writable-tmpfs', 'box.sif', 'web');
    expect([started.status, started.stderr]).toEqual([0, expect.stringContaining('instance started successfully')]);
    const { pid, img } = await running('web');
    expect(img).toBe(join(work.cwd, 'box.sif'));
    expect(
      (await n('-q', 'exec', 'instance://web', 'sh', '-c', 'echo one > /usr/mark; echo $APPTAINER_INSTANCE')).stdout
    ).toBe('web\n');
    const second = await n(
      '-q',
      'exec',
      '--env',
      'A=b',
      '--pwd',
      '/usr',
      'instance://web',
      'sh',
      '-c',
      'cat mark; echo $A; exit 7'
    );
    expect([second.status, second.stdout]).toEqual([7, 'one\nb\n']);
    const stopped = await n('instance', 'stop', 'web');
    expect([stopped.status, stopped.stderr]).toEqual([
      0,
      `INFO:    Stopping web instance of ${join(work.cwd, 'box.sif')} (PID=${pid})\n`
    ]);
    expect(await startOf(pid)).toBeUndefined();
    expect((await n('instance', 'list')).stdout).toBe('INSTANCE NAME    PID    IP    IMAGE\n');
    const gone = await n('exec', 'instance://web', 'true');
    expect([gone.status, gone.stderr]).toEqual([255, expect.stringContaining('no instance found with name web')]);
  });

  it('runs the program of the image with its arguments and keeps its output', async () => {
    expect((await n('instance', 'run', 'box.sif', 'job', 'sh', '-c', 'echo out; echo err >&2')).status).toBe(0);
    const { logOutPath, logErrPath } = await running('job');
    await expect.poll(() => readFile(logOutPath, 'utf8')).toBe('out\n');
    await expect.poll(() => readFile(logErrPath, 'utf8')).toContain('err\n');
    const again = await n('instance', 'start', 'box.sif', 'job');
    expect([again.status, again.stderr]).toEqual([255, expect.stringContaining('instance job already exists')]);
    const stats = JSON.parse((await n('instance', 'stats', '--json', 'job')).stdout) as Record<string, unknown>;
    expect(stats).toMatchObject({ instance: 'job', pids: expect.any(Number) });
    expect((await n('instance', 'stop', 'j*')).status).toBe(0);
  });

  it('says why a program does not start, and does not stay', async () => {
    const failed = await n('instance', 'run', 'box.sif', 'bad', '/no/such/program');
    expect([failed.status, failed.stderr]).toEqual([255, expect.stringContaining('/no/such/program: no such file')]);
    expect((await n('instance', 'list', 'bad')).stdout).toBe('INSTANCE NAME    PID    IP    IMAGE\n');
  });

  it('is killed when it does not end by itself', async () => {
    const script = 'trap "" INT TERM; while :; do sleep 0.1; done';
    expect((await n('instance', 'run', 'box.sif', 'stubborn', 'sh', '-c', script)).status).toBe(0);
    const { pid } = await running('stubborn');
    const family = [pid, ...(await childrenOf(pid))];
    expect(family.length).toBeGreaterThan(1);
    expect((await n('instance', 'stop', '--timeout', '0.3', 'stubborn')).status).toBe(0);
    expect(await Promise.all(family.map(startOf))).toEqual(family.map(() => undefined));
  });

  it.each([
    [['instance', 'stop'], 'invalid command'],
    [['instance', 'stop', 'none'], 'no instance found'],
    [['instance', 'stop', '--signal', 'BOGUS', '--all'], 'is no signal'],
    [['instance', 'stats', 'none'], 'no instance found'],
    [['instance', 'start', 'box.sif'], 'missing required argument']
  ])('%j ends with status 1', async (words, text) => {
    const refused = await n(...words);
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining(text)]);
  });
});
