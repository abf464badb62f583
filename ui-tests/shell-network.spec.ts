// SPDX-License-Identifier: BSD-3-Clause
/** The shell's tab when the network fails: a banner, and the shell goes on. */
import { test as plain } from '@playwright/test';
import { PORT } from './place.mjs';
import {
  busyboxImage,
  currentId,
  expect,
  type INetwork,
  openShell,
  ready,
  removeShells,
  shows,
  startNetwork,
  tab,
  type
} from './shell-page.ts';

const ALL = process.env.NBCONTAINER_TEST_ALL === '1';

/** Without Galata, which answers some of the page's requests itself, and fails when it cannot ask the server. */
const test = plain.extend<{ network: INetwork }>({
  network: async ({}, use) => {
    const network = await startNetwork(PORT);
    await use(network);
    network.stop();
  },
  baseURL: async ({ network }, use) => {
    await use(`http://127.0.0.1:${network.port}`);
  }
});

test.beforeEach(async ({ page }) => {
  await page.goto('/lab?reset');
  await ready(page);
});
test.afterEach(async ({ page, network }) => {
  network.mend();
  await removeShells(page);
});

for (const how of ['refuse', 'silent'] as const) {
  test(`network cut for 10 s (${how}): a banner, then the shell goes on`, async ({ page, network }) => {
    test.skip(how === 'silent' && !ALL, 'takes long: npm run test:all');
    const id = await openShell(page, { image: busyboxImage() });
    await type(page, 'sleep 5; echo went on');
    network.cut(how);
    const bar = tab(page).locator('.jp-nbcontainer-Shell-bar');
    await expect(bar).toContainText('Connection lost. Trying again…', { timeout: 15_000 });
    await page.waitForTimeout(10_000);
    await expect(bar).toBeVisible();
    network.mend();
    await expect(bar).toBeHidden();
    const own = page.locator('.jp-Dialog');
    if (await own.isVisible()) {
      // JupyterLab's own: "A connection to the Jupyter server could not be established".
      await own.getByRole('button').last().click();
    }
    await shows(page, /\nwent on\n/);
    await type(page, 'echo $((6*7))');
    await shows(page, /\n42\n/);
    expect(await currentId(page)).toBe(id);
  });
}

test('after a short cut the button brings it back at once', async ({ page, network }) => {
  await openShell(page, { image: busyboxImage() });
  network.cut('refuse');
  const bar = tab(page).locator('.jp-nbcontainer-Shell-bar');
  await expect(bar).toBeVisible();
  network.mend();
  await bar.getByRole('button', { name: 'Retry now' }).click();
  await expect(bar).toBeHidden();
  await type(page, 'echo $((6*7))');
  await shows(page, /\n42\n/);
});
