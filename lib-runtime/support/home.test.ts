// SPDX-License-Identifier: BSD-3-Clause
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../../tests/support/cli.ts';
import { findHome, requireHome } from './home.ts';

describe('the home directory', () => {
  it.each([
    [{ HOME: '/set' }, '/set'],
    [{ HOME: '' }, userInfo().homedir],
    [{}, userInfo().homedir]
  ])('with %j', (env, home) => {
    expect(findHome(env)).toBe(home);
    expect(requireHome(env)).toBe(home);
  });

  // Only root can become a uid that has no account.
  it.skipIf(process.geteuid?.() !== 0)('is not there for a uid without an account', async () => {
    const script = `import { findHome, requireHome } from ${JSON.stringify(join(import.meta.dirname, 'home.ts'))};
process.setuid(1234567);
console.log(findHome({ HOME: '/set' }), findHome({}));
try { requireHome({}); } catch (error) { console.log(error.code, error.reason, error.fix); }`;
    const result = await runProgram(process.execPath, ['--input-type=module', '-e', script]);
    expect(result.stdout).toMatch(/^\/set undefined\nnot-found HOME is not set.* uid 1234567 Set NBCONTAINER_HOME/);
  });
});
