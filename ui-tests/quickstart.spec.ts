// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from '@jupyterlab/galata';

test('Run All of the quickstart', async ({ page }) => {
  await page.evaluate(() => window.jupyterapp.commands.execute('docmanager:open', { path: 'quickstart.ipynb' }));
  await page.notebook.activate('quickstart.ipynb');
  await page.notebook.run();
  const outputs = page.locator('.jp-Notebook:visible .jp-Cell-outputArea');
  const text = (await outputs.allInnerTexts()).join('\n');
  expect(text).toMatch(/PRETTY_NAME="(Debian|Ubuntu)/);
  expect(text).toMatch(/^Python 3\.\d+\.\d+ in /m);
  expect(text).toMatch(/this will fail\s+exit status 3/);
  expect(text).toMatch(/sorted:\napple\nfig\npear/);
  expect(text).toContain("it's a *nice* day, made from Debian packages");
  expect(await page.locator('.jp-Notebook:visible [data-mime-type="application/vnd.jupyter.error"]').count()).toBe(0);
  if (process.env.NBCONTAINER_SCREENSHOT) {
    await page.sidebar.close('left');
    await page.evaluate(() => document.querySelector('.jp-WindowedPanel-outer')?.scrollTo(0, 0));
    await page.screenshot({ path: process.env.NBCONTAINER_SCREENSHOT });
  }
});
