// SPDX-License-Identifier: BSD-3-Clause
/** In-place containers when the machine fails them: what the ledger cannot account for stays in `/`. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Step } from './steps.ts';
import { inPlaceTools, type IPrivateRoot, makePrivateRoot } from './test-private-root.ts';
import {
  eventually,
  freshLauncher,
  HAS_STRACE,
  IS_ROOT,
  type ITrial,
  temporaryDirectory,
  tryLauncher
} from './test-support.ts';

let launcher = '';
let base = '';
let upper = '';
let root = '';
let wrapper: readonly string[] = [];
let copy: IPrivateRoot | undefined;
let steps: readonly Step[] = [];

const here = IS_ROOT && HAS_STRACE;

beforeAll(async () => {
  if (!here) {
    return;
  }
  launcher = freshLauncher();
  base = temporaryDirectory();
  copy = await makePrivateRoot(base, [launcher]);
  ({ upper, root, wrapper } = copy);
  mkdirSync(join(base, 'trees'), { mode: 0o755 });
  const { appTree, plan } = inPlaceTools(base);
  steps = plan(appTree('one', { app: 'directory' }), { names: ['app', 'usr'] });
});
afterAll(async () => {
  await copy?.end();
});
beforeEach(() => {
  if (here) {
    rmSync(join(base, 'run'), { recursive: true, force: true });
    mkdirSync(join(base, 'run'));
  }
});

const made = (): string[] => readdirSync(upper).sort();
const run = (script: string, words: readonly string[] = []): Promise<ITrial> =>
  tryLauncher(
    launcher,
    steps,
    { argv: ['/usr/bin/sh', '-c', script], environment: { PATH: '/usr/bin:/busy' } },
    { wrapper: [...wrapper, ...words] }
  );
/** A call of the supervisor's fails; of `-P PATH`, those that concern the path are counted. */
const runFailing = (inject: string, ...words: string[]): Promise<ITrial> => {
  const strace = ['/usr/bin/strace', '-D', '-f', '-qq', '-o', '/dev/null', ...words];
  return run('true', [...strace, '-e', `trace=${inject.split(':')[0] ?? ''}`, '-e', `inject=${inject}`]);
};

describe.skipIf(!here)('while the ledger cannot be read', () => {
  it('keeps an empty directory of the host', async () => {
    mkdirSync(`${root}/app`);
    // lock, the sweep, the record, lock, and then who else has the entry
    const trial = await runFailing('openat:error=EMFILE:when=5', '-P', `${base}/run/ledger`);
    expect(made()).toEqual(['app']);
    expect(trial.records).toMatchObject([
      { kind: 'failed', errno: 'EMFILE', text: expect.stringMatching(/ledger for \/app$/) }
    ]);
    rmSync(`${root}/app`, { recursive: true });
  });

  it('keeps what another container uses; the next sweep removes it', async () => {
    const first = run(`while [ ! -e ${base}/run/go ]; do sleep 0.02; done`);
    await eventually(() => made().includes('app'), 'the entry');
    await runFailing('getdents64:error=EIO:when=4+', '-P', `${base}/run/ledger`);
    expect(made()).toEqual(['app']);
    writeFileSync(`${base}/run/go`, '');
    expect((await first).status).toBe(0);
    execFileSync('chroot', [root, launcher, 'sweep', `${base}/run/ledger`]);
    expect(made()).toEqual([]);
    expect(readdirSync(`${base}/run/ledger`)).toEqual(['lock']);
  });

  it('keeps the record of what could not be removed', async () => {
    await runFailing('?rmdir,unlinkat:error=EBUSY', '-P', '/app');
    expect(made()).toEqual(['app']);
    execFileSync('chroot', [root, launcher, 'sweep', `${base}/run/ledger`]);
    expect(made()).toEqual([]);
  });

  it('keeps what somebody else made at the same time', async () => {
    let ended = false;
    const trial = runFailing('?mkdir,mkdirat:error=EEXIST:delay_enter=300ms', '-P', '/app').finally(
      () => (ended = true)
    );
    const written = (): boolean =>
      existsSync(`${base}/run/ledger`) &&
      readdirSync(`${base}/run/ledger`).some(
        name => (statSync(join(base, 'run/ledger', name), { throwIfNoEntry: false })?.size ?? 0) > 0
      );
    await eventually(() => ended || written(), 'its name in a record');
    mkdirSync(`${root}/app`);
    expect((await trial).records).toMatchObject([{ kind: 'failed', errno: 'EEXIST', text: 'create /app' }]);
    expect(made()).toEqual(['app']);
    rmSync(`${root}/app`, { recursive: true });
  });

  it('says that the mounts cannot be read', async () => {
    const { records } = await runFailing('?open,openat:error=EMFILE', '-P', '/proc/self/mountinfo');
    expect(records).toMatchObject([{ kind: 'failed', errno: 'EMFILE', text: expect.stringMatching(/^cannot read/) }]);
  });

  it('leaves no record that could not be locked', async () => {
    const trial = await runFailing('flock:error=ENOLCK:when=2');
    expect(trial.records).toMatchObject([{ kind: 'failed', errno: 'ENOLCK' }]);
    expect(readdirSync(`${base}/run/ledger`)).toEqual(['lock']);
  });
});
