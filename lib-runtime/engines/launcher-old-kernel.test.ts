// SPDX-License-Identifier: BSD-3-Clause
/**
 * The launcher on a kernel (or under a seccomp filter) without openat2, mount_setattr and close_range: bubblewrap
 * installs a filter that answers ENOSYS to the three.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Step } from './steps.ts';
import {
  freshLauncher,
  HAS_STRACE,
  IS_ROOT,
  makeBusyboxTree,
  PATH,
  pivotSteps,
  temporaryDirectory,
  tryLauncher
} from './test-support.ts';
import type { ITrial } from './test-support.ts';

const DENIED = [436, 437, 442]; // close_range, openat2, mount_setattr: the same numbers on every architecture
// bubblewrap installs the filter, as root: without either there is nobody to play the old kernel.
const usable = IS_ROOT && spawnSync('bwrap', ['--version']).status === 0;

/** A classic BPF program (linux/filter.h): load the number, compare, answer. */
function filter(): Buffer {
  const lines: [number, number, number, number][] = [[0x20, 0, 0, 0]]; // BPF_LD|BPF_W|BPF_ABS seccomp_data.nr
  DENIED.forEach((number, at) => lines.push([0x15, DENIED.length - at, 0, number])); // BPF_JMP|BPF_JEQ|BPF_K
  lines.push([0x06, 0, 0, 0x7fff0000]); // SECCOMP_RET_ALLOW
  lines.push([0x06, 0, 0, 0x00050000 | 38]); // SECCOMP_RET_ERRNO | ENOSYS
  const program = Buffer.alloc(lines.length * 8);
  lines.forEach(([code, yes, no, value], at) => {
    program.writeUInt16LE(code, at * 8);
    program.writeUInt8(yes, at * 8 + 2);
    program.writeUInt8(no, at * 8 + 3);
    program.writeUInt32LE(value, at * 8 + 4);
  });
  return program;
}

describe.skipIf(!usable)('without openat2, mount_setattr and close_range', () => {
  let base = '';
  let launcher = '';
  let wrapper: string[] = [];
  let tree = '';
  beforeAll(() => {
    launcher = freshLauncher();
    base = temporaryDirectory();
    mkdirSync(join(base, 'stage'));
    mkdirSync(join(base, 'source'));
    writeFileSync(join(base, 'source', 'mark'), 'bound\n');
    writeFileSync(join(base, 'filter'), filter());
    tree = makeBusyboxTree(join(base, 'tree'));
    rmSync(join(tree, 'data'), { recursive: true });
    symlinkSync('/etc', join(tree, 'data'));
    symlinkSync('../../../../../../../etc', join(tree, 'up'));
    symlinkSync('usr/../data/./', join(tree, 'chain'));
    symlinkSync('loop', join(tree, 'loop'));
    const sandbox = 'exec bwrap --dev-bind / / --cap-add ALL --seccomp 9 -- "$@" 9<"$0"';
    wrapper = ['sh', '-c', sandbox, join(base, 'filter')];
  });
  afterAll(() => {
    rmSync(base, { recursive: true, force: true });
  });
  const run = (extra: readonly Step[], script: string): Promise<ITrial> =>
    tryLauncher(
      launcher,
      [...pivotSteps(tree, join(base, 'stage')), ...extra, { op: 'pivot' }],
      { argv: ['sh', '-c', script], environment: PATH },
      { wrapper }
    );
  const bind = (target: string): Step => ({ op: 'bind', source: join(base, 'source'), target, flags: ['ro'] });

  it.each(['/data', '/up', '/chain', '/data/../up', '//data//'])('resolves %s inside the image', async target => {
    expect(await run([bind(target)], 'cat /etc/mark; ls /etc')).toEqual({
      status: 0,
      stdout: 'bound\nmark\n',
      stderr: '',
      records: []
    });
  });

  it.each([
    ['/loop', 'ELOOP'],
    ['/etc/os-release/x', 'ENOTDIR'],
    ['/no/where', 'ENOENT']
  ])('refuses %s with %s', async (target, errno) => {
    expect((await run([bind(target)], 'true')).records).toMatchObject([
      { kind: 'failed', errno, text: `target ${target}` }
    ]);
  });

  it('sets the flags of binds and of what lies below', async () => {
    const trial = await run([bind('/up')], 'touch /etc/x; cat /proc/self/mountinfo');
    expect(trial.stderr).toContain('Read-only file system');
    // By path only the uppermost mount of a place can be reached; the last line of a place is that one.
    const uppermost = new Map(
      trial.stdout.split('\n').map(line => [line.split(' ')[4] ?? '', line.split(' ')[5] ?? ''])
    );
    const below = [...uppermost].filter(([path]) => /^\/(proc|dev)(\/|$)/.test(path));
    expect(below.length).toBeGreaterThan(2);
    expect(below.filter(([, flags]) => !flags.includes('nosuid'))).toEqual([]);
  });

  it.runIf(HAS_STRACE)('says that it cannot find what lies below a bind', async () => {
    const strace = ['/usr/bin/strace', '-D', '-f', '-qq', '-o', '/dev/null', '-P', '/proc/self/mountinfo'];
    const inject = ['-e', 'trace=?open,openat', '-e', 'inject=?open,openat:error=EMFILE'];
    const all: Step = { op: 'bind', source: join(base, 'source'), target: '/data', flags: ['rec', 'ro'] };
    const steps: Step[] = [...pivotSteps(tree, join(base, 'stage')).slice(0, 4), all, { op: 'pivot' }];
    const execution = { argv: ['echo', 'never'], environment: PATH };
    const trial = await tryLauncher(launcher, steps, execution, { wrapper: [...wrapper, ...strace, ...inject] });
    expect(trial).toMatchObject({ status: 255, stdout: '' });
    expect(trial.records).toMatchObject([{ kind: 'failed', errno: 'EMFILE', text: 'set the flags of /data' }]);
  });

  it('leaves no descriptor open', async () => {
    expect((await run([], 'exec ls /proc/self/fd')).stdout).toBe('0\n1\n2\n3\n');
  });
});
