// SPDX-License-Identifier: BSD-3-Clause
/** Galata's test with a registry of its own: Debian's docker-registry, behind a proxy that can be slow. */
import { test as base } from '@jupyterlab/galata';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { type ITestProxy, startProxy } from '../tests/support/proxy.ts';
import { startRegistry } from '../tests/support/registry.ts';
import { ENVIRONMENT } from './place.mjs';

const run = promisify(execFile);
/** What scripts/sample-image.mjs leaves: a Debian with python3, tag `sample`. */
const SAMPLE = path.join(import.meta.dirname, '..', '.cache', 'sample');

export interface IRegistry {
  /** `127.0.0.1:PORT/nbcontainer/sample:1`: the sample image, by way of the proxy. */
  readonly sample: string;
  /** Set `proxy.behaviour` to make it slow; every test finds it as it should be. */
  readonly proxy: ITestProxy;
}

/** The command line, as a user in the same place would run it. */
export async function nbcontainer(...words: string[]): Promise<string> {
  const { stdout } = await run('nbcontainer', words, { env: { ...process.env, ...ENVIRONMENT } });
  return stdout;
}

interface IWorkerFixtures {
  readonly standingRegistry: IRegistry;
}

export const test = base.extend<{ registry: IRegistry }, IWorkerFixtures>({
  standingRegistry: [
    // Playwright reads which fixtures are wanted from this pattern.
    async ({}, use) => {
      if (!existsSync(path.join(SAMPLE, 'index.json'))) {
        throw new Error('The sample image is missing: npm start makes it (scripts/sample-image.mjs).');
      }
      const registry = await startRegistry();
      await registry.push(SAMPLE, 'nbcontainer/sample:1', { tag: 'sample' });
      const proxy = await startProxy(registry.host);
      await use({ sample: `${proxy.host}/nbcontainer/sample:1`, proxy });
      await proxy.stop();
      await registry.stop();
    },
    { scope: 'worker' }
  ],
  registry: async ({ standingRegistry }, use) => {
    await use(standingRegistry);
    standingRegistry.proxy.behaviour = {};
  }
});

export { expect } from '@jupyterlab/galata';
