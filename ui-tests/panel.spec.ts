// SPDX-License-Identifier: BSD-3-Clause
/** The side panel with real containers: a registry, the daemon, a store of its own. */
import AxeBuilder from '@axe-core/playwright';
import type { IJupyterLabPageFixture } from '@jupyterlab/galata';
import type { AccordionPanel } from '@lumino/widgets';
import type { Locator, Route } from '@playwright/test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { RUNTIME, STORE } from './place.mjs';
import { expect, nbcontainer, test } from './registry.ts';

const PANEL = 'nbcontainer-panel';

/** What the daemon answers on a machine with one GPU. */
const GPUS = {
  driver: '570.1',
  gpus: [
    {
      index: 0,
      name: 'NVIDIA H100',
      uuid: 'GPU-0',
      memoryTotalBytes: 79.6 * 1024 ** 3,
      memoryUsedBytes: 12 * 1024 ** 3,
      utilization: 37,
      processes: [{ pid: 4242, name: '/usr/bin/python3', memoryBytes: 11.5 * 1024 ** 3 }]
    }
  ]
};

async function showPanel(page: IJupyterLabPageFixture): Promise<Locator> {
  await page.evaluate(() => window.jupyterapp.commands.execute('nbcontainer:show-panel'));
  const panel = page.locator(`#${PANEL}`);
  await expect(panel).toBeVisible();
  return panel;
}

/** Every file of the store, by its path. */
function storeFiles(): string[] {
  if (!existsSync(STORE)) {
    return [];
  }
  return readdirSync(STORE, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.relative(STORE, path.join(entry.parentPath, entry.name)))
    .sort();
}

function daemonPid(): number {
  const { pid } = JSON.parse(readFileSync(path.join(RUNTIME, 'nbcontainer', 'daemon.json'), 'utf8')) as { pid: number };
  return pid;
}

/** Row of a list by what is in it. */
function row(panel: Locator, kind: string, text: string): Locator {
  return panel.locator(`.jp-nbcontainer-${kind}Row`, { hasText: text });
}

/** What runs on this machine with exactly these words, inside containers or not. */
function processes(...words: string[]): string[] {
  return readdirSync('/proc').filter(name => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8') === `${words.join('\0')}\0`;
    } catch {
      // It has ended since.
      return false;
    }
  });
}

async function startRun(page: IJupyterLabPageFixture, source: string, command: readonly string[]): Promise<void> {
  const answer = await page.request.post('/nbcontainer/api/daemon/jobs', {
    data: { kind: 'run', image: `docker://${source}`, command }
  });
  expect(answer.status()).toBe(200);
}

/** Makes sure that the sample is in the store, as the panel would have it fetched. */
async function haveSample(page: IJupyterLabPageFixture, source: string): Promise<void> {
  const api = '/nbcontainer/api/daemon';
  const name = `docker://${source}`;
  if ((await nbcontainer('images', '--json')).includes(source)) {
    return;
  }
  const data = { kind: 'pull', source: name, plainHttp: true };
  const { id } = (await (await page.request.post(`${api}/jobs`, { data })).json()) as { id: string };
  const state = async (): Promise<string> =>
    ((await (await page.request.get(`${api}/jobs/${id}`)).json()) as { state: string }).state;
  await expect.poll(state, { timeout: 30_000 }).toBe('done');
}

test('a page starts no daemon; the panel does, and says what to do when there are no images', async ({ page }) => {
  await nbcontainer('daemon', 'stop');
  await page.reload();
  await page.waitForTimeout(500);
  await expect(nbcontainer('daemon', 'status')).rejects.toMatchObject({ code: 3 });
  const panel = await showPanel(page);
  await expect(panel.getByText('No images yet.')).toBeVisible();
  await expect(panel.getByText('Nothing is being pulled.')).toBeVisible();
  await expect(panel.getByText('Nothing runs in a container.')).toBeVisible();
  await nbcontainer('daemon', 'status');
  await panel.getByRole('button', { name: 'Pull an image' }).click();
  await expect(panel.getByLabel('Image to pull')).toBeFocused();
});

test('a pull shows progress; cancelled, it leaves nothing; tried again, it lands', async ({ page, registry }) => {
  const panel = await showPanel(page);
  const before = storeFiles();
  registry.proxy.behaviour = { bytesPerSecond: 1_000_000 };
  await panel.getByLabel('Image to pull').fill(registry.sample);
  // A registry on this machine: plain HTTP is offered, and taken to be meant.
  await expect(panel.getByLabel('This registry has no TLS')).toBeChecked();
  await panel.getByRole('button', { name: 'Pull', exact: true }).click();

  const pull = row(panel, 'Pull', 'nbcontainer/sample:1');
  const bar = pull.getByRole('progressbar');
  await expect(bar).toHaveAttribute('aria-valuenow', /^\d+$/);
  const first = Number(await bar.getAttribute('aria-valuenow'));
  await expect.poll(async () => Number(await bar.getAttribute('aria-valuenow'))).toBeGreaterThan(first);
  await expect(pull).toContainText(/Downloading.*\d MiB of \d+\.\d MiB.*\d+.* [KM]iB\/s/);
  await expect(page.locator('.jp-nbcontainer-StatusItem')).toContainText(/pulling, \d+ %/);

  await pull.getByRole('button', { name: /^Cancel/ }).click();
  await expect(pull).toContainText('Cancelled');
  await expect(page.locator('.jp-nbcontainer-StatusItem')).toBeHidden();
  // What was fetched stays for the next try, as after Ctrl-C; there is no image, and nothing half-made.
  expect(storeFiles().filter(name => !before.includes(name) && !name.startsWith('blobs/'))).toEqual([]);
  expect(JSON.parse(await nbcontainer('images', '--json'))).toEqual({ images: [] });

  registry.proxy.behaviour = {};
  await pull.getByRole('button', { name: /^Try again/ }).click();
  const image = row(panel, 'Image', 'nbcontainer/sample:1');
  await expect(image).toBeVisible({ timeout: 15_000 });
  await expect(image).toContainText(/\d+\.\d MiB/);
  await expect(image).toContainText('just now');
  await expect(image).toContainText(/[0-9a-f]{12}/);
  await expect(row(panel, 'Pull', 'nbcontainer/sample:1').first()).toContainText('Pulled');
  // The box offers what was pulled before.
  const offered = panel.locator('datalist option');
  await expect(offered).toHaveAttribute('value', `docker://${registry.sample}`);
  await panel.getByRole('button', { name: 'Forget pulls that have ended' }).click();
  await expect(panel.locator('.jp-nbcontainer-PullRow')).toHaveCount(0);
});

test('a pull that fails says why and what to do', async ({ page, registry }) => {
  const panel = await showPanel(page);
  await panel.getByLabel('Image to pull').fill(registry.sample.replace(':1', ':no-such-tag'));
  await panel.getByRole('button', { name: 'Pull', exact: true }).click();
  const pull = row(panel, 'Pull', 'no-such-tag');
  await expect(pull).toContainText(
    /Failed.*its tag or digest is unknown: .*Check the spelling of the name and the tag\./
  );
  await pull.getByRole('button', { name: /^Forget/ }).click();
  await expect(pull).toBeHidden();
});

test('a run is listed in three places, with its time, and can be stopped', async ({ page, registry }) => {
  await haveSample(page, registry.sample);
  const panel = await showPanel(page);
  await startRun(page, registry.sample, ['sleep', '4711']);
  const run = row(panel, 'Job', 'sleep 4711');
  await expect(run).toContainText(/Running\s*0:0[1-9]/);
  await expect(page.locator('.jp-nbcontainer-StatusItem')).toContainText('1 container');

  // JupyterLab's own list, by image.
  await page.sidebar.openTab('jp-running-sessions');
  const running = page.locator('#jp-running-sessions');
  await expect(running.getByText(registry.sample, { exact: true })).toBeVisible();
  await expect(running.getByText('sleep 4711', { exact: true })).toBeVisible();
  // The status item leads back to the panel.
  await page.locator('.jp-nbcontainer-StatusItem button').click();
  await expect(panel).toBeVisible();

  await run.getByRole('button', { name: /^Stop/ }).click();
  await expect(run).toContainText('Stopped', { timeout: 15_000 });
  await expect(page.locator('.jp-nbcontainer-StatusItem')).toBeHidden();
  expect(processes('sleep', '4711')).toEqual([]);
  // By keyboard: the title of the section, in which the button is, would take Enter for itself.
  await panel.getByRole('button', { name: 'Forget what has ended' }).focus();
  await page.keyboard.press('Enter');
  await expect(panel.getByText('Nothing runs in a container.')).toBeVisible();
});

test('a daemon that is killed is said to be gone, comes back, and leaves no container', async ({ page, registry }) => {
  await haveSample(page, registry.sample);
  const panel = await showPanel(page);
  await startRun(page, registry.sample, ['sleep', '4712']);
  await expect(row(panel, 'Job', 'sleep 4712')).toContainText('Running');
  await expect.poll(() => processes('sleep', '4712').length).toBeGreaterThan(0);
  const pid = daemonPid();
  const gone = panel.locator('.jp-nbcontainer-Banner').waitFor({ state: 'visible' });
  process.kill(pid, 'SIGKILL');
  await gone;
  // Another one is started, and knows of no jobs; the images are as they were.
  await expect(panel.locator('.jp-nbcontainer-Banner')).toBeHidden({ timeout: 15_000 });
  await expect(panel.getByText('Nothing runs in a container.')).toBeVisible();
  await expect(row(panel, 'Image', 'nbcontainer/sample:1')).toBeVisible();
  expect(daemonPid()).not.toBe(pid);
  await expect.poll(() => processes('sleep', '4712'), { timeout: 15_000 }).toEqual([]);
});

test('offline: words and a button, what was known stays', async ({ page, registry }) => {
  await haveSample(page, registry.sample);
  const panel = await showPanel(page);
  await expect(row(panel, 'Image', 'nbcontainer/sample:1')).toBeVisible();
  let down = true;
  const refuse = async (route: Route): Promise<void> => {
    await (down
      ? route.fulfill({ status: 503, json: { error: { message: 'no daemon in this test' } } })
      : route.fallback());
  };
  await page.route('**/nbcontainer/api/daemon/**', refuse);
  await page.routeWebSocket('**/nbcontainer/api/daemon/events*', socket =>
    down ? void socket.close() : void socket.connectToServer()
  );
  process.kill(daemonPid(), 'SIGKILL');
  const banner = panel.getByRole('alert');
  await expect(banner).toContainText('no daemon in this test.');
  await expect(row(panel, 'Image', 'nbcontainer/sample:1')).toBeVisible();
  await expect(panel.getByRole('button', { name: 'Pull', exact: true })).toBeDisabled();
  down = false;
  await banner.getByRole('button', { name: 'Try now' }).click();
  await expect(banner).toBeHidden({ timeout: 15_000 });
});

test('sections restored all folded are unfolded, and sizes that the user pulled are kept', async ({ page }) => {
  // As JupyterLab 4.2 restores a panel that was not in front, before it is looked at for the first time.
  const restore = (folded: boolean): Promise<void> =>
    page.evaluate(
      ([id, fold]) => {
        const panel = [...window.jupyterapp.shell.widgets('left')].find(widget => widget.id === id);
        const { content } = panel as unknown as { content: AccordionPanel };
        for (let section = 0; fold && section < 3; section += 1) {
          content.collapse(section);
        }
        content.setRelativeSizes([1, 1, 2]);
      },
      [PANEL, folded] as const
    );
  await restore(true);
  let panel = await showPanel(page);
  for (const text of ['Search images', 'Image to pull']) {
    await expect(panel.getByLabel(text)).toBeVisible();
  }
  await page.reload();
  await restore(false);
  panel = await showPanel(page);
  await expect(panel.getByLabel('Image to pull')).toBeVisible();
  const heights = await panel
    .locator('.jp-nbcontainer-Section')
    .evaluateAll(sections => sections.map(section => section.clientHeight));
  expect(heights[2]).toBeGreaterThan(1.5 * (heights[0] ?? Infinity));
});

test('search, buttons by keyboard, context menu', async ({ page, registry }) => {
  await haveSample(page, registry.sample);
  const panel = await showPanel(page);
  const image = row(panel, 'Image', 'nbcontainer/sample:1');
  const box = panel.getByLabel('Search images');
  await box.fill('no such image');
  await expect(panel.getByText('No image matches.')).toBeVisible();
  await panel.getByRole('button', { name: 'Show all' }).click();
  await box.fill('SAMPLE nbc');
  await expect(image).toBeVisible();

  await box.focus();
  await page.keyboard.press('Tab');
  const name = /sample:1$/;
  const buttons = image.getByRole('button', { name });
  expect(await buttons.count()).toBe(4);
  await expect(buttons.first()).toBeFocused();
  await expect(image.locator('.jp-nbcontainer-RowButtons')).toHaveCSS('opacity', '1');
  for (let at = 1; at < 4; at += 1) {
    await page.keyboard.press('Tab');
    await expect(buttons.nth(at)).toBeFocused();
  }

  await image.click({ button: 'right' });
  const menu = page.locator('.lm-Menu');
  await expect(menu.getByText('Copy Reference')).toBeVisible();
  await expect(menu.getByText('Open Shell')).toBeVisible();
  await menu.getByText('Details').click();
  await expect(page.locator('#jp-main-dock-panel')).toContainText('nbcontainer/sample');
});

test('GPUs: no section without one; with one it asks only while it is looked at', async ({ page }) => {
  const panel = await showPanel(page);
  const title = panel.locator('[data-nbcontainer-section="gpu"]');
  const answer = (await (await page.request.get('/nbcontainer/api/daemon/gpus')).json()) as { gpus: unknown[] };
  await expect(title).toHaveCount(answer.gpus.length > 0 ? 1 : 0);

  // The daemon's answer on another machine; nothing else is made up.
  let asked = 0;
  await page.route('**/nbcontainer/api/daemon/gpus*', route => {
    asked += 1;
    return route.fulfill({ json: GPUS });
  });
  await page.reload();
  await showPanel(page);
  await expect(title).toBeVisible();
  await expect(panel).toContainText('0: NVIDIA H100');
  await expect(panel.getByRole('meter', { name: 'Memory' })).toHaveAttribute('aria-valuetext', '12.0 GiB of 79.6 GiB');
  await expect(panel).toContainText('python3');
  await expect(panel).toContainText('Driver 570.1');
  const before = asked;
  await expect.poll(() => asked, { timeout: 8_000 }).toBeGreaterThan(before);
  await title.click();
  await page.waitForTimeout(300);
  const folded = asked;
  await page.waitForTimeout(2_600);
  expect(asked).toBe(folded);
});

test('axe finds nothing serious, in light and dark', async ({ page, registry }) => {
  await haveSample(page, registry.sample);
  const panel = await showPanel(page);
  await startRun(page, registry.sample, ['sleep', '4713']);
  await expect(row(panel, 'Job', 'sleep 4713')).toBeVisible();
  for (const theme of ['JupyterLab Light', 'JupyterLab Dark', 'JupyterLab Dark High Contrast']) {
    await page.theme.setTheme(theme);
    const { violations, passes } = await new AxeBuilder({ page }).include(`#${PANEL}`).analyze();
    expect(passes.length).toBeGreaterThan(5);
    const serious = violations.filter(one => one.impact === 'serious' || one.impact === 'critical');
    expect(serious.map(one => `${theme}: ${one.id}: ${one.nodes.map(node => node.html).join(' ')}`)).toEqual([]);
  }
  await row(panel, 'Job', 'sleep 4713').getByRole('button', { name: /^Stop/ }).click();
  await expect(row(panel, 'Job', 'sleep 4713')).toContainText('Stopped', { timeout: 15_000 });
});

test('Notebook 7 has the panel, too', async ({ page, context, baseURL, registry }) => {
  await haveSample(page, registry.sample);
  // Not Galata's page, which waits for JupyterLab.
  const notebook = await context.newPage();
  const errors: string[] = [];
  // Notebook 7.6 has an error of its own, with and without this extension.
  notebook.on('pageerror', error => {
    if (error.stack?.includes('/extensions/nbcontainer/')) {
      errors.push(error.stack);
    }
  });
  await notebook.goto(`${baseURL}/tree`);
  await notebook.waitForFunction(() => window.jupyterapp?.commands?.hasCommand('nbcontainer:show-panel'));
  await notebook.evaluate(() => window.jupyterapp.restored);
  await notebook.evaluate(() => window.jupyterapp.commands.execute('nbcontainer:show-panel'));
  await expect(row(notebook.locator(`#${PANEL}`), 'Image', 'nbcontainer/sample:1')).toBeVisible();
  expect(errors).toEqual([]);
});
