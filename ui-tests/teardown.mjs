// SPDX-License-Identifier: BSD-3-Clause
/** After all tests: ends the daemon, and takes its store away. */
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { ENVIRONMENT, PLACE, RUNTIME } from './place.mjs';

export default function teardown() {
  // Without the directory it would be somebody else's daemon that is found.
  if (existsSync(RUNTIME)) {
    execFileSync('nbcontainer', ['daemon', 'stop'], {
      env: { ...process.env, ...ENVIRONMENT },
      stdio: ['ignore', 'ignore', 'inherit']
    });
  }
  rmSync(PLACE, { recursive: true, force: true });
}
