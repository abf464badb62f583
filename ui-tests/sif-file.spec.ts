// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from '@jupyterlab/galata';

test('a SIF file has its icon, and opening it fetches no content', async ({ page, tmpPath }) => {
  await page.contents.uploadContent('not fetched', 'text', `${tmpPath}/tiny.sif`);
  await page.filebrowser.refresh();
  const row = page.locator('.jp-DirListing-item[data-file-type="sif"]', { hasText: 'tiny.sif' });
  await expect(row.locator('svg[data-icon="nbcontainer:sif"]')).toBeVisible();

  const asked: string[] = [];
  page.on('request', request => {
    const url = new URL(request.url());
    if (url.pathname.includes('tiny.sif')) {
      asked.push(
        `${request.method()} ${url.pathname.replace(/^.*\/(api|files)\//, '$1/')} content=${url.searchParams.get('content')}`
      );
    }
  });
  await row.dblclick();
  const view = page.locator('.jp-nbcontainer-SifView');
  await expect(view).toContainText('%%container exec tiny.sif');
  await expect(view.locator('h2')).toHaveText('tiny.sif');
  await page.waitForTimeout(500);
  // It was asked for, or this test sees nothing; but only for name and size, and no checkpoint (a copy) was made.
  expect(asked).not.toEqual([]);
  expect(
    asked.filter(line => !/^GET api\/contents\/\S*tiny\.sif(\/checkpoints content=null| content=0)$/.test(line))
  ).toEqual([]);
});
