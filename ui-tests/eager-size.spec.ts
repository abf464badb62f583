// SPDX-License-Identifier: BSD-3-Clause
import { gzipSync } from 'node:zlib';
import { expect, nbcontainer, test } from './registry.ts';

/** Bytes after gzip, plugins and style sheets of all parts together (docs/panel.md). */
const BUDGET = 30_000;

test('before anything is used, a page has fetched little of the extension, and no view', async ({ page }) => {
  const sizes = new Map<string, number>();
  page.on('response', async response => {
    const name = /\/extensions\/nbcontainer\/static\/([^?]+\.js)/.exec(response.url())?.[1];
    if (name !== undefined) {
      sizes.set(name, gzipSync(await response.body(), { level: 9 }).length);
    }
  });
  // Where a daemon runs already, what it does is of interest at once.
  await nbcontainer('daemon', 'stop');
  await page.reload();
  await page.waitForTimeout(1000);
  const names = [...sizes.keys()];
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  test.info().annotations.push({ type: 'eager', description: `${total} bytes: ${JSON.stringify([...sizes])}` });
  expect(names.some(name => name.startsWith('remoteEntry'))).toBe(true);
  expect(total).toBeLessThanOrEqual(BUDGET);
});
