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
  // It was asked for, or this test sees nothing; but only for name and size, and no checkpoint (a copy) was made. The
  // daemon reads the image where it is.
  expect(asked).not.toEqual([]);
  expect(asked.filter(line => /^GET \S*\/daemon\/inspect\/\S*tiny\.sif content=null$/.test(line)).length).toBe(1);
  expect(
    asked.filter(
      line =>
        !/^GET api\/contents\/\S*tiny\.sif(\/checkpoints content=null| content=0)$/.test(line) &&
        !/\/daemon\/inspect\//.test(line)
    )
  ).toEqual([]);
  // It is no image, and that is said in a sentence.
  await expect(view.getByRole('alert')).toContainText(/[A-Z].*\./);
});

test('the context menu of an image runs it, opens a shell and shows details', async ({ page }) => {
  await page.filebrowser.openDirectory('images');
  const row = page.locator('.jp-DirListing-item[data-file-type="sif"]', { hasText: 'sample.sif' });
  await row.click({ button: 'right' });
  const menu = page.locator('.lm-Menu');
  await expect(menu.getByText('Open Shell', { exact: true })).toBeVisible();
  await expect(menu.getByText('Image Details', { exact: true })).toBeVisible();
  await menu.getByText('Run…', { exact: true }).click();
  const dialog = page.locator('.jp-nbcontainer-FormDialog');
  await expect(dialog.getByLabel('Image')).toHaveValue(/^\/.*\/images\/sample\.sif$/);
  await expect(dialog.getByLabel('Working directory')).toHaveValue(/^\/.*\/images$/);
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
});

test('a double click on an image shows what it says of itself', async ({ page }) => {
  await page.filebrowser.openDirectory('images');
  await page.locator('.jp-DirListing-item[data-file-type="sif"]', { hasText: 'sample.sif' }).dblclick();
  const view = page.locator('.jp-nbcontainer-SifView');
  await expect(view.locator('h2')).toHaveText('sample.sif');
  await expect(view).toContainText(/Container image, [\d.]+ MiB/);
  await expect(view.getByRole('rowheader', { name: 'Architecture' })).toBeVisible();
  await expect(view.getByRole('button', { name: 'Open shell' })).toBeVisible();
  await view.getByRole('button', { name: 'Run…' }).click();
  const dialog = page.locator('.jp-nbcontainer-FormDialog');
  await dialog.getByLabel('Command').fill('cat /etc/os-release');
  await dialog.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.locator('.jp-nbcontainer-Log:visible')).toContainText('PRETTY_NAME=');
});

test('JupyterLab has a menu of containers', async ({ page }) => {
  await page.menu.open('Containers');
  const items = page.locator('.lm-Menu .lm-Menu-itemLabel');
  await expect(items.filter({ hasText: 'Pull an Image…' })).toBeVisible();
  await items.filter({ hasText: 'Run in a Container…' }).click();
  await expect(page.locator('.jp-nbcontainer-FormDialog').getByLabel('Image')).toBeFocused();
});
