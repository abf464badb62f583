// SPDX-License-Identifier: BSD-3-Clause
/** Browser tests: JupyterLab's own helpers (Galata) on Debian's Chromium. Nothing is downloaded. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import base from '@jupyterlab/galata/lib/playwright-config.js';
import { ENVIRONMENT, PORT } from './place.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));

export default {
  ...base,
  testDir: HERE,
  outputDir: path.join(HERE, 'test-results'),
  globalTeardown: path.join(HERE, 'teardown.mjs'),
  workers: 1,
  // A browser on a machine with other things to do is late in ways of its own: what passes the second time is named as
  // flaky at the end of the run. The long run forgives nothing.
  retries: process.env.NBCONTAINER_TEST_ALL === '1' ? 0 : 1,
  timeout: 120_000,
  reporter: [['list'], ['json', { outputFile: path.join(HERE, '..', '.cache', 'results', 'browser.json') }]],
  use: {
    ...base.use,
    baseURL: `http://127.0.0.1:${PORT}`,
    launchOptions: { executablePath: process.env.NBCONTAINER_CHROMIUM ?? '/usr/bin/chromium' },
    viewport: { width: 1280, height: 1500 },
    trace: 'off',
    video: 'off'
  },
  webServer: {
    command: `jupyter lab --config ${path.join(HERE, 'jupyter_server_test_config.py')}`,
    url: `http://127.0.0.1:${PORT}/lab`,
    env: { ...process.env, ...ENVIRONMENT },
    timeout: 60_000,
    reuseExistingServer: false
  }
};
