// SPDX-License-Identifier: BSD-3-Clause
/** The in-place root and its ledger, tried in a private copy of `/`, so that the machine's own is never touched. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  eventually,
  freshLauncher,
  IS_ROOT,
  type ITrial,
  processTree,
  PATH,
  temporaryDirectory,
  tryLauncher
} from './test-support.ts';
import { inPlaceTools, type IPrivateRoot, makePrivateRoot } from './test-private-root.ts';
import { launcherPath } from './launcher-path.ts';
import { encodePlan } from './protocol.ts';
import type { Step } from './steps.ts';

let launcher = '';
let base = '';
let upper = '';
let root = '';
let wrapper: readonly string[] = [];
let copy: IPrivateRoot | undefined;
let { appTree, plan } = inPlaceTools('');

beforeAll(async () => {
  if (!IS_ROOT) {
    return;
  }
  launcher = freshLauncher();
  base = temporaryDirectory();
  copy = await makePrivateRoot(base, [launcher]);
  ({ upper, root, wrapper } = copy);
  ({ appTree, plan } = inPlaceTools(base));
  mkdirSync(join(base, 'trees'), { mode: 0o755 });
  mkdirSync(join(base, 'run'), { mode: 0o755 });
});
afterAll(async () => {
  await copy?.end();
});
beforeEach(() => {
  if (base) {
    rmSync(join(base, 'run'), { recursive: true, force: true });
    mkdirSync(join(base, 'run'));
  }
});

/** Entries that were made in the private `/`: all that its overlay's upper directory holds. */
const made = (): string[] => readdirSync(upper).sort();
const SH = '/usr/bin/sh';
const waiting = (mark: string): string => `while [ ! -e ${base}/run/${mark} ]; do sleep 0.02; done`;
const run = (steps: readonly Step[], script: string, onPid?: (pid: number) => void): Promise<ITrial> =>
  tryLauncher(
    launcher,
    steps,
    { argv: [SH, '-c', script], environment: { PATH: '/usr/bin:/busy' } },
    { wrapper, ...(onPid && { onPid }) }
  );

// Root alone can bind over the host's directories without a user namespace, which is what this is about.
function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return true;
  }
}

// Only root can make entries in `/`, and the private copy of it.
describe.skipIf(!IS_ROOT)('in-place root', () => {
  it('binds the image over the host and leaves the host as it was', async () => {
    const app = appTree('one', {
      app: 'directory',
      hello: 'file',
      link: { link: 'app/mark' },
      '.singularity.d': 'directory'
    });
    const trial = await run(
      plan(app, {
        names: ['usr', 'etc', 'app', 'hello', 'link', '.singularity.d'],
        after: [{ op: 'hide', name: 'opt', kind: 'directory' }]
      }),
      'cat /etc/os-release /app/mark /hello /link; ls /opt /.singularity.d; readlink /proc/self/exe; touch /opt/x'
    );
    expect(trial.records).toEqual([]);
    expect(trial.stdout).toBe('NAME=Busy\none\none hello\none\n/.singularity.d:\nmark\n\n/opt:\n/usr/bin/busybox\n');
    expect(trial.stderr).toContain('Read-only file system');
    expect(made()).toEqual([]);
  });

  it('shows the entries in / and in the ledger while the container lives', async () => {
    const app = appTree('one', {});
    let pid = 0;
    const running = run(
      plan(app, { names: ['usr', 'app'] }),
      'while [ ! -e /tmp/../app/stop ]; do sleep 0.05; done',
      child => (pid = child)
    );
    await eventually(() => made().includes('app'), 'the entry');
    const records = await eventually(
      () => readdirSync(`${base}/run/ledger`).filter(name => name.endsWith('.record')),
      'a record'
    );
    expect(records).toHaveLength(1);
    expect(execFileSync('cat', [`${base}/run/ledger/${records[0] ?? ''}`], { encoding: 'utf8' })).toBe(
      'directory\0app\0\0'
    );
    expect(readdirSync(`${root}/app`)).toEqual([]); // only a mount point; the image shows in the container alone
    writeFileSync(join(app, 'app', 'stop'), '');
    expect((await running).status).toBe(0);
    rmSync(join(app, 'app', 'stop'));
    expect(pid).toBeGreaterThan(0);
    expect(made()).toEqual([]);
    expect(readdirSync(`${base}/run/ledger`)).toEqual(['lock']);
  });

  it('keeps what belongs to the host: an entry in no record is never removed', async () => {
    const app = appTree('one', {});
    mkdirSync(`${root}/app`);
    expect((await run(plan(app, { names: ['usr', 'app'] }), 'cat /app/mark')).stdout).toBe('one\n');
    expect(made()).toEqual(['app']);
    rmSync(`${root}/app`, { recursive: true });
  });

  it('leaves what is no longer as it was made', async () => {
    const app = appTree('one', {});
    const running = run(plan(app, { names: ['usr', 'app', 'hello', 'link'] }), waiting('go'));
    await eventually(() => made().includes('link'), 'the entries');
    writeFileSync(`${root}/app/precious`, 'x');
    writeFileSync(`${root}/hello`, 'x');
    rmSync(`${root}/link`);
    symlinkSync('elsewhere', `${root}/link`);
    writeFileSync(`${base}/run/go`, '');
    await running;
    expect(made()).toEqual(['app', 'hello', 'link']);
    made().forEach(name => {
      rmSync(`${root}/${name}`, { recursive: true });
    });
  });

  it('runs two images at once; the last that uses an entry removes it', async () => {
    const one = appTree('one', {});
    const two = appTree('two', { app: 'directory', model: 'directory' });
    const wait = (mark: string): string =>
      `cat /app/mark; while [ ! -e ${base}/run/${mark} ]; do sleep 0.02; done; cat /app/mark`;
    const first = run(plan(one, { names: ['usr', 'app', 'hello'] }), wait('first'));
    await eventually(() => made().includes('hello'), 'the first');
    const second = run(plan(two, { names: ['usr', 'app', 'model'] }), wait('second'));
    await eventually(() => made().includes('model'), 'the second');
    writeFileSync(`${base}/run/first`, '');
    expect((await first).stdout).toBe('one\none\n');
    expect(made()).toEqual(['app', 'model']);
    writeFileSync(`${base}/run/second`, '');
    expect((await second).stdout).toBe('two\ntwo\n');
    expect(made()).toEqual([]);
  });

  it('starts many at once without a quarrel', async () => {
    const one = appTree('one', {});
    const two = appTree('two', { app: 'directory', model: 'directory' });
    const trials = await Promise.all(
      Array.from({ length: 12 }, (_, at) =>
        run(plan(at % 2 ? one : two, { names: ['usr', 'app', at % 2 ? 'hello' : 'model'] }), 'cat /app/mark')
      )
    );
    expect(trials.map(trial => [trial.status, trial.records])).toEqual(trials.map(() => [0, []]));
    expect(trials.map(trial => trial.stdout)).toEqual(trials.map((_, at) => (at % 2 ? 'one\n' : 'two\n')));
    expect(made()).toEqual([]);
  });

  it('sweeps what kill -9 left, at the next start and when asked', async () => {
    const one = appTree('one', {});
    const killed = async (): Promise<void> => {
      let front = 0;
      const running = run(plan(one, { names: ['usr', 'app'] }), 'sleep 60', pid => (front = pid));
      await eventually(() => made().includes('app'), 'the entry');
      // All of its processes at once: front, supervisor and payload.
      const own = processTree(front);
      expect(own.length).toBeGreaterThanOrEqual(3);
      own.reverse().forEach(pid => {
        process.kill(pid, 'SIGSTOP');
      });
      own.forEach(pid => {
        process.kill(pid, 'SIGKILL');
      });
      await running;
      // Their locks go with them, which may be a moment after their streams.
      await eventually(() => own.every(hasEnded), 'their end');
    };
    await killed();
    expect(made()).toEqual(['app']);
    const two = appTree('two', { app: 'directory', model: 'directory' });
    await run(plan(two, { names: ['usr', 'model'] }), 'true');
    expect(made()).toEqual([]);
    await killed();
    expect(made()).toEqual(['app']);
    execFileSync('chroot', [root, launcher, 'sweep', `${base}/run/ledger`]);
    expect(made()).toEqual([]);
    expect(readdirSync(`${base}/run/ledger`)).toEqual(['lock']);
  });

  it('takes over an entry that a dead container left', async () => {
    const one = appTree('one', {});
    mkdirSync(`${base}/run/ledger`, { mode: 0o700 });
    writeFileSync(`${base}/run/ledger/1-1-1.record`, 'directory\0app\0\0directory\0half');
    mkdirSync(`${root}/app`);
    expect((await run(plan(one, { names: ['usr', 'app'] }), 'cat /app/mark')).stdout).toBe('one\n');
    expect(made()).toEqual([]);
  });

  it('never removes what a forged or damaged record names outside of /', async () => {
    mkdirSync(`${base}/run/ledger`, { mode: 0o700 });
    const victim = join(base, 'run', 'victim');
    mkdirSync(victim);
    writeFileSync(
      `${base}/run/ledger/1.record`,
      `directory\0..${victim}\0\0directory\0${victim}\0\0directory\0\0\0directory\0..\0\0file\0.\0\0`
    );
    execFileSync('chroot', [root, launcher, 'sweep', `${base}/run/ledger`]);
    expect(existsSync(victim)).toBe(true);
    expect(readdirSync(`${base}/run/ledger`)).toEqual(['lock']);
  });

  it.each([0o777, 0o720])('refuses a ledger that others may write (%o)', async mode => {
    mkdirSync(`${base}/run/ledger`);
    execFileSync('chmod', [mode.toString(8), `${base}/run/ledger`]);
    const trial = await run(plan(appTree('one', {}), { names: ['usr'] }), 'true');
    expect(trial.records).toMatchObject([{ kind: 'failed', errno: 'EPERM' }]);
  });

  it('says that something else stands under the name', async () => {
    const one = appTree('one', {});
    writeFileSync(`${root}/app`, 'a file of the host');
    const trial = await run(plan(one, { names: ['usr', 'app'] }), 'true');
    expect(trial.records).toMatchObject([{ kind: 'failed', errno: 'EEXIST', text: 'something else stands at /app' }]);
    rmSync(`${root}/app`);
    expect(made()).toEqual([]);
  });

  it('cleans up after a step that fails half-way', async () => {
    const steps = plan(appTree('one', {}), {
      names: ['usr', 'app', 'link'],
      after: [{ op: 'bind', source: '/no/such', target: '/app', flags: [] }]
    });
    const trial = await run(steps, 'true');
    expect(trial.status).toBe(255);
    expect(trial.records).toMatchObject([{ kind: 'failed', errno: 'ENOENT', text: 'source /no/such' }]);
    expect(made()).toEqual([]);
  });

  it('places directories that hide the stage, also the same host directory', async () => {
    const one = appTree('one', {});
    const steps = plan(one, {
      names: ['usr', 'etc', 'tmp', 'root'],
      before: [{ op: 'bind', source: '/tmp', target: '/tmp', flags: ['rec', 'nosuid', 'nodev'] }]
    });
    expect(base.startsWith('/tmp/')).toBe(true); // the stage lies there
    const hidden = `${base}/run/stage`;
    const trial = await run(
      steps,
      `ls -d ${base}; ls ${hidden}; cat /etc/os-release; grep -c ${hidden} /proc/self/mountinfo`
    );
    expect(trial.records).toEqual([]);
    expect(trial.stdout).toBe(`${base}\nNAME=Busy\n0\n`);
  });

  it('hides files and directories; one that is gone meanwhile is fine', async () => {
    writeFileSync(`${root}/secret`, 'x');
    const steps = plan(appTree('one', {}), {
      names: ['usr'],
      after: [
        { op: 'hide', name: 'secret', kind: 'file' },
        { op: 'hide', name: 'gone', kind: 'directory' }
      ]
    });
    const trial = await run(steps, 'cat /secret; echo x > /secret; wc -c < /secret');
    rmSync(`${root}/secret`);
    expect(trial.records).toEqual([]);
    expect(trial.stdout).toBe('0\n');
    expect(trial.stderr).toContain('Read-only file system');
  });

  it('starts a container in a container', async () => {
    const inner = appTree('two', { app: 'directory', model: 'directory' });
    const outer = appTree('one', {});
    const innerPlan = join(base, 'run', 'inner.plan');
    const steps = plan(inner, { names: ['usr', 'model'] }).map(step =>
      step.op === 'stage' ? { ...step, stage: `${base}/run/inner-stage` } : step
    );
    writeFileSync(
      innerPlan,
      encodePlan(
        steps.map(step => ({ step, reason: '' })),
        { argv: [SH, '-c', 'cat /model/mark /app/mark'], environment: PATH }
      )
    );
    const trial = await run(plan(outer, { names: ['usr', 'app'] }), `${launcherPath({})} run 3 4 3< ${innerPlan} 4>&2`);
    expect(trial.stderr).toBe('');
    expect(trial.stdout).toBe('two\none\n');
    expect(made()).toEqual([]);
  });
});

// The refusals are of steps that only root could perform at all.
// As above.
describe.skipIf(!IS_ROOT)('platform policy', () => {
  const refused = async (step: Step): Promise<void> => {
    const steps = plan(appTree('one', {}), {
      names: ['usr'],
      before: [{ op: 'mkdir', path: '/data', mode: 0o755 }, step]
    });
    const trial = await run(steps, 'echo never');
    expect(trial.stdout).toBe('');
    expect(trial.status).toBe(255);
    expect(trial.records).toMatchObject([
      { kind: 'failed', errno: 'EACCES', text: expect.stringMatching(/^policy: /) as string }
    ]);
    expect(made()).toEqual([]);
  };
  it.each<[string, Step]>([
    ['/proc', { op: 'bind', source: '/proc', target: '/data', flags: ['rec'] }],
    ['/proc/self', { op: 'bind', source: '/proc/self', target: '/data', flags: [] }],
    ['a file of /proc', { op: 'bind', source: '/proc/self/mountinfo', target: '/etc/os-release', flags: [] }],
    ['a symlink to /proc', { op: 'bind', source: '/dev/fd', target: '/data', flags: [] }],
    ['/ with everything below', { op: 'bind', source: '/', target: '/data', flags: ['rec'] }],
    ['a fresh procfs', { op: 'procfs', target: '/data' }],
    ['an overlay of /proc', { op: 'overlay', lower: ['/proc', '/tmp'], userxattr: false }]
  ])('an in-place plan does not mount %s', async (_what, step) => {
    await refused(step);
  });

  it.each<[string, Step]>([
    ['bound over', { op: 'bind', source: '/tmp', target: '/proc/sys', flags: [] }],
    ['covered', { op: 'tmpfs', target: '/proc/sys', options: '', flags: [] }],
    ['remounted', { op: 'remount', target: '/proc', flags: ['ro'] }],
    ['hidden', { op: 'hide', name: 'proc', kind: 'directory' }],
    ['placed', { op: 'place', name: 'proc', from: '/proc' }]
  ])("the host's /proc is not %s", async (_what, step) => {
    const steps = plan(appTree('one', {}), { names: ['usr'] });
    const last = steps.length - 1;
    const inside = step.op === 'hide' || step.op === 'place'; // these come before the stage is gone
    const trial = await run(
      [...steps.slice(0, inside ? last : last + 1), step, ...steps.slice(inside ? last : last + 1)],
      'echo never'
    );
    expect(trial.stdout).toBe('');
    expect(trial.records).toMatchObject([
      { kind: 'failed', errno: 'EACCES', text: expect.stringMatching(/^policy: /) as string }
    ]);
  });

  it('does not bind a tree that carries procfs', async () => {
    const one = appTree('one', {});
    const inner = join(one, 'data', 'inner dir');
    mkdirSync(inner, { recursive: true });
    const mounting = [...wrapper, '/bin/sh', '-c', 'mount -t proc proc "$0" && exec "$@"', inner];
    const execution = { argv: [SH, '-c', 'cat /etc/os-release'], environment: { PATH: '/usr/bin' } };
    const steps = plan(one, { names: ['usr', 'etc'] });
    const carried = steps.map(step => (step.op === 'bind' ? { ...step, flags: ['rec'] as const } : step));
    const refusal = await tryLauncher(launcher, carried, execution, { wrapper: mounting });
    expect(refusal.records).toMatchObject([{ kind: 'failed', index: 3, errno: 'EACCES' }]);
    expect(refusal.stdout).toBe('');
    // A bind that is not recursive does not carry it.
    const fine = await tryLauncher(launcher, steps, execution, { wrapper: mounting });
    expect(fine).toMatchObject({ status: 0, records: [], stdout: 'NAME=Busy\n' });
  });

  it('is only for in-place plans', async () => {
    const trial = await run(
      [
        { op: 'unshare', namespaces: ['mount'] },
        { op: 'private' },
        { op: 'stage', stage: `${base}/run/stage`, sizeBytes: 1 << 20 },
        { op: 'bind', source: appTree('one', {}), target: '/', flags: [] },
        { op: 'bind', source: '/proc', target: '/proc', flags: ['rec'] },
        { op: 'pivot' }
      ],
      'cat /proc/self/comm'
    );
    expect(trial).toMatchObject({ status: 0, records: [], stdout: 'cat\n' });
  });
});
