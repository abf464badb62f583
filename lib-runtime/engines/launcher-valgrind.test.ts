// SPDX-License-Identifier: BSD-3-Clause
/**
 * `npm run test:all`: the tests of the launcher once more under valgrind (memcheck with leaks and descriptors), on a
 * dynamic build of the same sources. Every process writes a report of its own, the forked ones, too, and what becomes the
 * payload before its exec.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildChecked } from '../../scripts/build-launcher.mjs';

const ROOT = join(import.meta.dirname, '..', '..');
const SUITES = ['pivot', 'inplace', 'chroot', 'fuse', 'supervision', 'confine', 'syscalls', 'identity', 'capabilities'];

/**
 * Not launcher-instance, whose keeper waits for ever: valgrind 3.19 emulates sigwaitinfo(2). And of the suites above:
 */
const LEFT_OUT = [
  // The same emulation, in pid 1.
  'gives a pid namespace with an init',
  'outlives signals to everything in the container',
  // valgrind looks at the file itself before an execve, and ends the program when its interpreter is missing.
  'tells a missing interpreter',
  // 3.19 has no openat2 and no mount_setattr: what stands in for them resolves /proc/self/root as text, below the
  // root, and does not reach mounts that others hide (launcher-old-kernel.test.ts tests that it is enough).
  'resolves bind targets inside the image',
  'sets flags on every mount of a recursive bind'
];

/** Descriptors for as long as their process lives: the root and stage, the supervisor's own, those of a FUSE server. */
const KEPT =
  /^ +at 0x.*\n +by 0x[0-9A-F]+: (?:reopen_root|open_directory|run_supervisor|run_container|become_server|serve_fuse) \(/m;

/** What a report complains of; notes on system calls that valgrind does not know are left out. */
function complaints(report: string): string[] {
  const lines = report
    .split('\n')
    .filter(line => /^==\d+==/.test(line))
    .map(line => line.replace(/^==\d+== ?/, ''));
  const blocks = lines.join('\n').split(/\n\s*\n|\n(?=Open )/);
  const open = blocks.filter(
    block => /^Open /.test(block) && !block.includes('<inherited from parent>') && !KEPT.test(block)
  );
  const errors = blocks.filter(block => /^\s+(?:at|by) 0x/m.test(block) && !/^Open /.test(block));
  return [...errors, ...open];
}

describe('a report of valgrind', () => {
  const stack = (name: string): string =>
    `==7==    at 0x48: open (open64.c:41)\n==7==    by 0x11: ${name} (x.c:1)\n==7==    by 0x12: run_supervisor (x.c:2)`;

  it('is read: errors, leaks, descriptors', () => {
    const report = [
      '==7== FILE DESCRIPTORS: 5 open (3 std) at exit.',
      '==7== Open file descriptor 9: /leak',
      stack('step_take'),
      '==7== Open file descriptor 8: /kept',
      stack('reopen_root'),
      '==7== Open file descriptor 4:',
      '==7==    <inherited from parent>',
      '==7== ',
      '==7== 16 bytes in 1 blocks are definitely lost in loss record 1 of 1',
      stack('somebody'),
      '--7-- WARNING: unhandled amd64-linux syscall: 437'
    ].join('\n');
    expect(complaints(report).map(text => text.split('\n')[0])).toEqual([
      '16 bytes in 1 blocks are definitely lost in loss record 1 of 1',
      'Open file descriptor 9: /leak'
    ]);
  });

  it('may be empty', () => {
    expect(complaints('')).toEqual([]);
  });
});

const valgrind = spawnSync('valgrind', ['--version']).status === 0;
const wanted = process.env['NBCONTAINER_TEST_ALL'] === '1' && process.env['NBCONTAINER_LAUNCHER'] === undefined;

// Twenty times slower: minutes, so with test:all; not from inside itself.
describe.skipIf(!wanted || !valgrind || process.getuid?.() !== 0)('the launcher under valgrind', () => {
  it('passes its own tests without a complaint', { timeout: 600_000 }, () => {
    const base = mkdtempSync(join(tmpdir(), 'nbcontainer-valgrind-'));
    const reports = join(base, 'reports');
    const wrapper = join(base, 'launcher');
    mkdirSync(reports);
    // Some tests start it as another account.
    chmodSync(base, 0o755);
    chmodSync(reports, 0o1777);
    const words = [
      ...['valgrind', '-q', `--log-file=${reports}/%p`, `--suppressions=${ROOT}/lib-runtime/launcher/valgrind.supp`],
      ...['--leak-check=full', '--show-leak-kinds=definite,indirect,possible', '--track-fds=yes'],
      ...['--errors-for-leak-kinds=definite,indirect,possible', '--error-exitcode=99', buildChecked()]
    ];
    writeFileSync(wrapper, `#!/bin/sh\nexec ${words.map(word => `'${word}'`).join(' ')} "$@"\n`, { mode: 0o755 });
    try {
      const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
      const files = SUITES.map(name => `lib-runtime/engines/launcher-${name}.test.ts`);
      const names = `^(?!.*(?:${LEFT_OUT.join('|')}))`;
      const result = spawnSync(process.execPath, [vitest, 'run', '--reporter=dot', '-t', names, ...files], {
        cwd: ROOT,
        encoding: 'utf8',
        env: { ...process.env, NBCONTAINER_LAUNCHER: wrapper }
      });
      const written = readdirSync(reports);
      const said = written.flatMap(name => complaints(readFileSync(join(reports, name), 'utf8')));
      expect([...new Set(said)].slice(0, 10)).toEqual([]);
      expect(result.status, (result.stdout + result.stderr).slice(-4000)).toBe(0);
      expect(written.length).toBeGreaterThan(10);
    } finally {
      rmSync(base, { recursive: true, force: true });
    }
  });
});
