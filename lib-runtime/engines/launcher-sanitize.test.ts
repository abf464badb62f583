// SPDX-License-Identifier: BSD-3-Clause
/** `npm run test:all`: every test of the launcher once more with AddressSanitizer and UBSan in it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildSanitized } from '../../scripts/build-launcher.mjs';

const ROOT = join(import.meta.dirname, '..', '..');
const SUITES = [
  'launcher-pivot',
  'launcher-inplace',
  'launcher-supervision',
  'launcher-confine',
  'launcher-syscalls',
  'launcher-identity',
  'launcher-capabilities',
  'launcher-instance',
  'launcher-fuse',
  'launcher-chroot',
  'protocol',
  'namespaces'
];
const wanted = process.env['NBCONTAINER_TEST_ALL'] === '1' && process.env['NBCONTAINER_LAUNCHER'] === undefined;

// Compiles the launcher again and runs every launcher suite on it: minutes, so with test:all; not from inside itself.
describe.skipIf(!wanted)('the launcher with sanitizers', () => {
  it('passes its own tests', { timeout: 300_000 }, () => {
    const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
    const files = SUITES.map(name => `lib-runtime/engines/${name}.test.ts`);
    const result = spawnSync(process.execPath, [vitest, 'run', '--reporter=dot', ...files], {
      cwd: ROOT,
      encoding: 'utf8',
      env: { ...process.env, NBCONTAINER_LAUNCHER: buildSanitized() }
    });
    const output = result.stdout + result.stderr;
    expect(output).not.toMatch(/AddressSanitizer|runtime error:/);
    expect(result.status, output.slice(-4000)).toBe(0);
  });
});
