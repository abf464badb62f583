// SPDX-License-Identifier: BSD-3-Clause
/** Run dialog, logs, pull dialog and details, with real containers behind them. */
import AxeBuilder from '@axe-core/playwright';
import type { IJupyterLabPageFixture } from '@jupyterlab/galata';
import { type Locator, type Page, test as notebook7 } from '@playwright/test';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { ENVIRONMENT, FOLDER } from './place.mjs';
import { expect, nbcontainer, test } from './registry.ts';

const SAMPLE = 'images/sample.sif';
const SAMPLE_PATH = path.join(FOLDER, SAMPLE);
const run = promisify(execFile);

/** Starts a command of JupyterLab without waiting for its end. */
async function start(page: Page, command: string, args: Record<string, unknown> = {}): Promise<void> {
  await page.evaluate(
    ([id, given]) => {
      void window.jupyterapp.commands.execute(id, given);
    },
    [command, args] as const
  );
}

async function openDialog(page: Page, args: Record<string, unknown> = { path: SAMPLE }): Promise<Locator> {
  await start(page, 'nbcontainer:run-image', args);
  const dialog = page.locator('.jp-nbcontainer-FormDialog');
  await expect(dialog.getByRole('button', { name: 'Run', exact: true })).toBeVisible();
  return dialog;
}

const line = (dialog: Locator): Promise<string> => dialog.locator('.jp-nbcontainer-CommandLine code').innerText();
const press = (dialog: Locator, name: string): Promise<void> =>
  dialog.getByRole('button', { name, exact: true }).click();
/** The log tab in front. */
const log = (page: Page): Locator => page.locator('.jp-nbcontainer-Log:visible');
const state = (page: Page): Locator => log(page).locator('.jp-nbcontainer-LogState');
const output = (page: Page): Locator => log(page).locator('.jp-nbcontainer-LogText');

/** A line as a person would run it who has pasted it into a terminal; standard output and error. */
async function inTerminal(text: string): Promise<string> {
  const { stdout, stderr } = await run('/bin/sh', ['-c', text], { env: { ...process.env, ...ENVIRONMENT } });
  return stdout + stderr;
}

test('the line that is shown runs, its log opens, and a terminal gives the same', async ({ page, tmpPath }) => {
  const folder = path.join(FOLDER, tmpPath);
  const dialog = await openDialog(page);
  await expect(dialog.getByLabel('Image')).toHaveValue(SAMPLE_PATH);
  await expect(dialog.getByLabel('Command')).toBeFocused();
  await dialog.getByLabel('Command').fill(`sh -c '. /etc/os-release; echo "$ID $((6*7))"; pwd; echo "it is $WORD"'`);
  await press(dialog, 'Add variable');
  await expect(dialog.getByLabel('Name of the variable')).toBeFocused();
  await dialog.getByLabel('Name of the variable').fill('WORD');
  await dialog.getByLabel('Value of WORD').fill("someone's");
  const shown = await line(dialog);
  expect(shown).toContain(
    `nbcontainer exec --bind=${folder} '--env=WORD=someone'\\''s' --pwd=${folder} ${SAMPLE_PATH} sh`
  );
  await press(dialog, 'Run');
  await expect(state(page)).toHaveText(/^Ended with status 0 after [\d.:]+( s)?$/);
  const expected = `debian 42\n${folder}\nit is someone's\n`;
  // The last look at the log is begun when the end is known.
  await expect.poll(async () => (await output(page).innerText()).trim()).toBe(expected.trim());
  expect(await inTerminal(shown)).toBe(expected);
});

test('the line is copied, and Enter runs it', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const dialog = await openDialog(page);
  await dialog.getByLabel('Command').fill('uname -s');
  await dialog.getByRole('button', { name: 'Copy' }).focus();
  await page.keyboard.press('Enter');
  await expect(dialog.getByText('Copied.')).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(await line(dialog));
  await dialog.getByLabel('Command').press('Enter');
  await expect(output(page)).toContainText('Linux');
});

test('folders are picked in the file browser, and read-only is read-only', async ({ page, tmpPath }) => {
  mkdirSync(path.join(FOLDER, tmpPath, 'my data'), { recursive: true });
  writeFileSync(path.join(FOLDER, tmpPath, 'my data', 'x.txt'), 'from outside\n');
  await page.filebrowser.refresh();
  let dialog = await openDialog(page);
  await dialog.getByLabel('Command').fill(`sh -c 'cat /data/x.txt; echo no > /data/y.txt'`);
  await press(dialog, 'Add folder…');
  const picker = page.locator('.jp-Dialog .jp-Open-Dialog');
  await picker.getByText('my data').click();
  await page.locator('.jp-Dialog').getByRole('button', { name: 'Select' }).click();
  dialog = page.locator('.jp-nbcontainer-FormDialog');
  await expect(dialog.getByLabel('Path on the server')).toHaveValue(path.join(FOLDER, tmpPath, 'my data'));
  await expect(dialog.getByLabel('Command')).toHaveValue(/cat/);
  await dialog.getByLabel('Path in the container').fill('/data');
  await dialog.getByRole('checkbox', { name: 'read-only' }).check();
  expect(await line(dialog)).toContain(`'--bind=${path.join(FOLDER, tmpPath, 'my data')}:/data:ro'`);
  await press(dialog, 'Run');
  await expect(output(page)).toContainText('from outside');
  await expect(output(page)).toContainText('Read-only file system');
  await expect(state(page)).toContainText('Failed with status');
  expect(existsSync(path.join(FOLDER, tmpPath, 'my data', 'y.txt'))).toBe(false);
});

test('what makes no sense is said beside the field, and a bad image in a sentence', async ({ page }) => {
  const dialog = await openDialog(page);
  await dialog.getByLabel('Image').fill('');
  await dialog.getByLabel('Command').fill("echo 'open");
  await expect(dialog.getByRole('button', { name: 'Copy' })).toBeDisabled();
  await press(dialog, 'Run');
  await expect(dialog.getByText('A quote is not closed.')).toBeVisible();
  await expect(dialog.getByText(/^Name an image/)).toBeVisible();
  await expect(dialog.getByLabel('Image')).toBeFocused();
  await dialog.getByLabel('Command').fill('ls | wc');
  await expect(dialog.getByText(/^No shell reads this line/)).toBeVisible();
  await dialog.getByLabel('Image').fill('gone.sif');
  await dialog.getByLabel('Command').fill('true');
  await press(dialog, 'Run');
  await expect(state(page)).toContainText('Failed with status 255');
  await expect(output(page)).toContainText(/FATAL: +.*gone\.sif.*\./);
});

test('the dialog remembers the last choices of an image', async ({ page }) => {
  let dialog = await openDialog(page);
  await dialog.getByLabel('Command').fill('echo once');
  await dialog.getByLabel('Writable').selectOption('memory');
  await press(dialog, 'Run');
  await expect(output(page)).toContainText('once');
  dialog = await openDialog(page);
  await expect(dialog.getByLabel('Command')).toHaveValue('echo once');
  await expect(dialog.getByLabel('Writable')).toHaveValue('memory');
  await press(dialog, 'Cancel');
  await expect(dialog).toHaveCount(0);
});

test('a log follows, is restored after a reload, and its toolbar stops and repeats', async ({ page }) => {
  const dialog = await openDialog(page);
  await dialog.getByLabel('Command').fill(`sh -c 'printf "\\033[31mred\\033[0m\\n"; echo 10 %; sleep 1000'`);
  await press(dialog, 'Run');
  await expect(output(page).locator('.ansi-red-fg')).toHaveText('red');
  await expect(state(page)).toHaveText(/^Running, /);
  await page.waitForTimeout(1500);
  await page.reload({ waitForIsReady: false });
  await expect(output(page)).toContainText('10 %');
  await expect(state(page)).toHaveText(/^Running, /);
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(state(page)).toHaveText(/^Stopped after /);
  await page.getByRole('button', { name: 'Run again' }).click();
  await expect(state(page)).toHaveText(/^Running, /);
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(state(page)).toHaveText(/^Stopped after /);
});

test('a flood is cut in the middle, and the page stays awake', async ({ page }) => {
  const dialog = await openDialog(page);
  await dialog.getByLabel('Command').fill(`sh -c 'seq 1 400000; sleep 2; seq 400001 800000'`);
  await press(dialog, 'Run');
  await expect(output(page)).toContainText(/… .* left out \(\d+ bytes\) …/);
  const longest = await page.evaluate(async () => {
    let worst = 0;
    let last = performance.now();
    const until = last + 4000;
    while (performance.now() < until) {
      await new Promise(resolve => setTimeout(resolve, 5));
      const now = performance.now();
      worst = Math.max(worst, now - last);
      last = now;
    }
    return worst;
  });
  // The goal is for a machine that has nothing else to do, as in shell-flood.spec.ts.
  expect(longest).toBeLessThan(process.env.NBCONTAINER_TEST_ALL === '1' ? 200 : 1000);
  await expect(state(page)).toHaveText(/^Ended with status 0/);
  const whatIsShown = (): Promise<string> => output(page).evaluate(node => node.textContent ?? '');
  await expect.poll(async () => (await whatIsShown()).endsWith('\n799999\n800000\n')).toBe(true);
  const text = await whatIsShown();
  expect(text).toMatch(/^1\n2\n3\n/);
  expect(text).toMatch(/\n799999\n800000\n$/);
  const [, dropped] = /\((\d+) bytes\)/.exec(text) ?? [];
  // seq's output is 8 * 800000 - 1111104 bytes: of one to six digits and a line end each.
  const whole = [...Array(6).keys()].reduce(
    (sum, digits) => sum + Math.max(0, Math.min(10 ** (digits + 1), 800_001) - 10 ** digits) * (digits + 2),
    0
  );
  const kept = text.replace(/….*…/, '').length;
  expect(kept + Number(dropped)).toBe(whole);
});

test('a pull into a file of this folder, told by a notification', async ({ page, registry, tmpPath }) => {
  await start(page, 'nbcontainer:pull-image');
  const dialog = page.locator('.jp-nbcontainer-FormDialog');
  await press(dialog, 'Pull');
  await expect(dialog.getByText(/^Name an image/)).toBeVisible();
  await dialog.getByLabel('Image').fill(registry.sample);
  await expect(dialog.getByLabel(/no TLS/)).toBeChecked();
  await dialog.getByLabel('Destination').selectOption({ label: `A .sif file in ${path.join(FOLDER, tmpPath)}` });
  expect(await line(dialog)).toBe(
    `nbcontainer pull --dir ${path.join(FOLDER, tmpPath)} --no-https docker://${registry.sample}`
  );
  registry.proxy.behaviour = { bytesPerSecond: 20e6 };
  await press(dialog, 'Pull');
  const toast = page.locator('.Toastify__toast');
  await expect(toast).toContainText(/Pulling .*: /);
  // Converting is work, and a machine that runs tests has little time for it.
  await expect(toast).toContainText('is here', { timeout: 60_000 });
  await page.filebrowser.refresh();
  await expect(page.locator('.jp-DirListing-item[data-file-type="sif"]', { hasText: 'sample_1.sif' })).toBeVisible();
});

test('a pull that fails says why, and can be tried again', async ({ page, registry }) => {
  const gone = registry.sample.replace('sample:1', 'none:1');
  await start(page, 'nbcontainer:pull-image', { source: `docker://${gone}`, plainHttp: true });
  const toast = page.locator('.Toastify__toast', { hasText: 'none:1' });
  await expect(toast).toContainText(/none:1: .*not|unknown|no such/i);
  await toast.getByRole('button', { name: 'Show log' }).click();
  await expect(output(page)).toContainText('FATAL:');
  await expect(state(page)).toContainText('Failed');
});

test('a pull is cancelled from its notification, and leaves no file', async ({ page, registry, tmpPath }) => {
  registry.proxy.behaviour = { bytesPerSecond: 1e6 };
  const folder = path.join(FOLDER, tmpPath);
  await start(page, 'nbcontainer:pull-image');
  const dialog = page.locator('.jp-nbcontainer-FormDialog');
  await dialog.getByLabel('Image').fill(`docker://${registry.sample}`);
  await dialog.getByLabel('Destination').selectOption({ label: `A .sif file in ${folder}` });
  // Blobs that an earlier test has fetched would not be fetched again.
  await nbcontainer('cache', 'clean', '--force');
  await press(dialog, 'Pull');
  const toast = page.locator('.Toastify__toast');
  await expect(toast).toContainText(/Pulling .*Downloading, /);
  await toast.getByRole('button', { name: 'Cancel' }).click();
  await expect(toast.filter({ hasText: 'was cancelled' })).toBeVisible();
  expect(readdirSync(folder)).toEqual([]);
});

test('a shell is opened with the options of the dialog', async ({ page, baseURL }) => {
  const dialog = await openDialog(page);
  await press(dialog, 'Add variable');
  await dialog.getByLabel('Name of the variable').fill('FROM_DIALOG');
  await dialog.getByLabel('Value of FROM_DIALOG').fill('yes');
  await press(dialog, 'Open as shell');
  await expect(dialog).toHaveCount(0);
  const lines = async (): Promise<string[]> => {
    const answer = await page.request.get(`${baseURL}/nbcontainer/api/daemon/shells`);
    const { shells } = (await answer.json()) as { shells: { commandLine: string }[] };
    return shells.map(({ commandLine }) => commandLine);
  };
  await expect
    .poll(lines)
    .toContainEqual(expect.stringMatching(/^nbcontainer shell .*--env=FROM_DIALOG=yes .*sample\.sif$/));
});

test('a log whose daemon is gone says so and keeps what it shows', async ({ page }) => {
  const dialog = await openDialog(page);
  await dialog.getByLabel('Command').fill(`sh -c 'echo kept here; sleep 1000'`);
  await press(dialog, 'Run');
  await expect(output(page)).toContainText('kept here');
  await nbcontainer('daemon', 'stop');
  await expect(output(page)).toContainText('This log is gone');
  await expect(output(page)).toContainText('kept here');
  await expect(state(page)).toHaveText('No longer known');
});

notebook7('Notebook 7 runs it, too, with the log below its document', async ({ page, baseURL }) => {
  await page.goto(`${baseURL}/tree`);
  await page.locator('#jp-MainMenu').getByText('Containers').click();
  await page.getByText('Run in a Container…').click();
  const dialog = page.locator('.jp-nbcontainer-FormDialog');
  await dialog.getByLabel('Image').fill(SAMPLE);
  await dialog.getByLabel('Command').fill('echo in Notebook 7');
  await press(dialog, 'Run');
  await expect(output(page)).toContainText('in Notebook 7');
  await expect(state(page)).toContainText('Ended with status 0');
});

test('details of an image, and its removal', async ({ page, registry, tmpPath }) => {
  const name = `docker://${registry.sample}`;
  await nbcontainer('pull', '--no-https', '--dir', path.join(FOLDER, tmpPath), name);
  await start(page, 'nbcontainer:show-details', { image: name });
  const details = page.locator('.jp-nbcontainer-Details:visible');
  await expect(details.getByRole('rowheader', { name: 'Architecture' })).toBeVisible();
  await expect(details).toContainText(/sha256:[0-9a-f]{64}/);
  await expect(details.getByRole('button', { name: 'Open shell' })).toBeVisible();
  await details.getByRole('button', { name: 'Run…' }).click();
  const dialog = page.locator('.jp-nbcontainer-FormDialog');
  await expect(dialog.getByLabel('Image')).toHaveValue(name);
  await press(dialog, 'Cancel');

  await start(page, 'nbcontainer:remove-image', { image: name });
  const question = page.locator('.jp-Dialog', { hasText: 'Remove this image?' });
  await expect(question).toContainText(/This frees [\d.]+ MiB|Its (content|file) stays/);
  await press(question, 'Remove');
  await expect(page.locator('.Toastify__toast')).toContainText('Removed');
  expect(await nbcontainer('images', '--json')).not.toContain(name);
});

for (const theme of ['JupyterLab Light', 'JupyterLab Dark']) {
  test(`axe finds nothing serious in dialog, log and details: ${theme}`, async ({ page }) => {
    await page.theme.setTheme(theme);
    await page.filebrowser.openHomeDirectory();
    const dialog = await openDialog(page);
    await dialog.getByLabel('Command').fill('python3 --version');
    await press(dialog, 'Type a path');
    await dialog.getByLabel('Path on the server').fill('/srv/data');
    await dialog.getByLabel('Path in the container').fill('/data');
    await dialog.getByRole('checkbox', { name: 'read-only' }).check();
    await press(dialog, 'Add variable');
    await dialog.getByLabel('Name of the variable').fill('OMP_NUM_THREADS');
    await dialog.getByLabel('Value of OMP_NUM_THREADS').fill('4');
    await dialog.getByLabel('Command').focus();
    await checkAxe(page, '.jp-nbcontainer-FormDialog');
    await screenshot(
      page,
      `run-dialog-${theme.endsWith('Dark') ? 'dark' : 'light'}`,
      '.jp-nbcontainer-FormDialog .jp-Dialog-content'
    );
    await dialog.getByRole('button', { name: 'Remove /srv/data' }).click();
    await press(dialog, 'Run');
    await expect(output(page)).toContainText('Python 3');
    await checkAxe(page, '.jp-nbcontainer-Log');
    await screenshot(page, `log-${theme.endsWith('Dark') ? 'dark' : 'light'}`, '.jp-MainAreaWidget:visible');
    await start(page, 'nbcontainer:show-details', { image: SAMPLE_PATH });
    await expect(page.getByRole('rowheader', { name: 'Architecture' })).toBeVisible();
    await checkAxe(page, '.jp-nbcontainer-Details');
    await screenshot(page, `details-${theme.endsWith('Dark') ? 'dark' : 'light'}`, '.jp-MainAreaWidget:visible');
  });
}

async function checkAxe(page: IJupyterLabPageFixture, selector: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).include(selector).analyze();
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html).join(' ')}`)).toEqual([]);
}

/** Pictures for docs/, made on request only: NBCONTAINER_SCREENSHOTS=DIRECTORY. */
async function screenshot(page: Page, name: string, selector: string): Promise<void> {
  const directory = process.env.NBCONTAINER_SCREENSHOTS;
  if (directory !== undefined) {
    await page
      .locator(selector)
      .first()
      .screenshot({ path: path.join(directory, `${name}.png`) });
  }
}
