// SPDX-License-Identifier: BSD-3-Clause
/**
 * `npm run test:all`: the tests of the launcher once more while strace makes one kind of system call late, as a busy
 * machine does now and then: processes that wait for one another show whether they really do.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freshLauncher } from './test-support.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SUITES = ['pivot', 'inplace', 'chroot', 'fuse', 'supervision', 'confine', 'identity', 'instance'];
/** newuidmap is set-user-ID, and a traced program does not get other rights. */
const LEFT_OUT = '^(?!.*maps by newuidmap)';

const strace = spawnSync('strace', ['-V']).status === 0;
const wanted = process.env['NBCONTAINER_TEST_ALL'] === '1' && process.env['NBCONTAINER_LAUNCHER'] === undefined;

describe.skipIf(!wanted || !strace || process.getuid?.() !== 0)('the launcher when calls come late', () => {
  it.each([
    ['messages', ['sendmsg:delay_enter=80ms', 'sendto:delay_enter=80ms', 'recvmsg:delay_enter=40ms']],
    ['new processes', ['clone:delay_exit=80ms', 'fork:delay_exit=80ms', 'vfork:delay_exit=80ms']],
    ['programs', ['execve:delay_enter=80ms']],
    ['ends', ['exit_group:delay_enter=80ms']],
    ['waiting', ['waitid:delay_exit=40ms', 'wait4:delay_exit=40ms']],
    ['settings of a process', ['prctl:delay_enter=15ms']]
  ])('passes its own tests: %s', { timeout: 300_000 }, (_what, delays) => {
    const base = mkdtempSync(join(tmpdir(), 'nbcontainer-late-'));
    const wrapper = join(base, 'launcher');
    chmodSync(base, 0o755);
    const calls = delays.map(delay => delay.split(':')[0]).join(',');
    // -D: the launcher stays the child of the test, and strace is somewhere else.
    const words = ['strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${calls}`];
    words.push(...delays.flatMap(delay => ['-e', `inject=${delay}`]), freshLauncher());
    writeFileSync(wrapper, `#!/bin/sh\nexec ${words.map(word => `'${word}'`).join(' ')} "$@"\n`, { mode: 0o755 });
    try {
      const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
      const files = SUITES.map(name => `lib-runtime/engines/launcher-${name}.test.ts`);
      const result = spawnSync(process.execPath, [vitest, 'run', '--reporter=dot', '-t', LEFT_OUT, ...files], {
        cwd: ROOT,
        encoding: 'utf8',
        env: { ...process.env, NBCONTAINER_LAUNCHER: wrapper }
      });
      expect(result.status, (result.stdout + result.stderr).slice(-4000)).toBe(0);
      expect(result.stdout).toMatch(/Tests .*1\d\d passed/);
    } finally {
      rmSync(base, { recursive: true, force: true });
    }
  });
});
