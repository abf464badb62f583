// SPDX-License-Identifier: BSD-3-Clause
/** The shell's tab, with real containers behind it. */
import AxeBuilder from '@axe-core/playwright';
import { type IJupyterLabPageFixture, test as base } from '@jupyterlab/galata';
import type { Page } from '@playwright/test';
import { FOLDER, PORT } from './place.mjs';
import {
  busyboxImage,
  currentId,
  expect,
  openShell,
  prompt,
  ready,
  removeShells,
  SAMPLE,
  screen,
  shells,
  shows,
  startCat,
  tab,
  type
} from './shell-page.ts';

const test = base.extend<object, { busybox: string }>({
  busybox: [
    // Playwright reads which fixtures are wanted from this pattern.
    async ({}, use) => {
      await use(busyboxImage());
    },
    { scope: 'worker' }
  ]
});

test.afterEach(async ({ page }) => {
  await removeShells(page);
});

/** Where a letter of a row is on the page: xterm takes the mouse by its place. */
async function letter(page: Page, row: RegExp, column: number): Promise<[number, number]> {
  const found = tab(page).locator('.xterm-rows > div', { hasText: row });
  const box = await found.boundingBox();
  const width = await found.evaluate(node => {
    const probe = document.createElement('span');
    probe.textContent = 'W'.repeat(10);
    node.append(probe);
    const ten = probe.getBoundingClientRect().width;
    probe.remove();
    return ten / 10;
  });
  return [(box?.x ?? 0) + (column + 0.5) * width, (box?.y ?? 0) + (box?.height ?? 0) / 2];
}

/** Reloads the page; Galata's own way waits for the launcher, which is not there. */
async function again(page: IJupyterLabPageFixture): Promise<void> {
  await page.reload({ waitForIsReady: false });
  await ready(page);
}

/** Runs a command and does not wait for its end: it asks. */
async function begin(page: IJupyterLabPageFixture, command: string, args: Record<string, string>): Promise<void> {
  await page.evaluate(
    ([name, given]) => {
      void window.jupyterapp.commands.execute(name, given);
    },
    [command, args] as const
  );
}

/** JupyterLab's state (workspace) is kept by Galata; this is when it has been written. */
async function layoutKept(page: Page): Promise<void> {
  await page.waitForTimeout(2_000);
}

test('from the launcher to an answer of id, in the folder that the file browser shows', async ({ page }) => {
  await page.locator('.jp-LauncherCard', { hasText: 'Container Shell' }).click();
  await page.getByRole('dialog').getByRole('combobox').fill(SAMPLE);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
  await prompt(page);
  await type(page, 'id; pwd; head -n1 /etc/os-release');
  await shows(page, new RegExp(`uid=\\d+.*\n${FOLDER}/[\\s\\S]*PRETTY_NAME="Debian`));
  await expect(page.locator('.lm-TabBar-tab[data-type="nbcontainer-shell"]')).toContainText('sample');
});

test('a reload attaches to the same shell with the same screen, also under top and vi', async ({ page, busybox }) => {
  const id = await openShell(page, { image: busybox });
  await type(page, 'secret=4$((1+1)); seq 1 200; echo before');
  await shows(page, /200\nbefore\n/);
  await layoutKept(page);
  const before = await screen(page);
  await again(page);
  await shows(page, /200\nbefore\n/);
  expect(await currentId(page)).toBe(id);
  expect(await screen(page)).toEqual(before);
  await type(page, 'echo $secret');
  await shows(page, /echo \$secret\n42\n/);
  // What has left the screen is there, too.
  for (let pages = 0; pages < 4; pages += 1) {
    await page.keyboard.press('Shift+PageUp');
  }
  await shows(page, /^[\s\S]{0,400}\n1\n2\n3\n/);

  await type(page, 'top -d 1');
  await shows(page, /^Mem: [\s\S]*COMMAND/);
  await again(page);
  await shows(page, /^Mem: [\s\S]*COMMAND/);
  await tab(page).locator('.xterm-helper-textarea').focus();
  await page.keyboard.press('q');
  await prompt(page);

  // A file of the folder that the file browser shows, which is this test's own.
  await type(page, 'vi notes');
  await shows(page, /~\n~\n/);
  await page.keyboard.type('ione\ntwo');
  await page.keyboard.press('Escape');
  // The dash says that vi has taken the Escape for itself, and not for the beginning of another key.
  await shows(page, /^one\ntwo\n~[\s\S]*\n- notes/);
  await page.waitForTimeout(500);
  await again(page);
  await shows(page, /^one\ntwo\n~/);
  await tab(page).locator('.xterm-helper-textarea').focus();
  await page.keyboard.type('othree');
  await page.keyboard.press('Escape');
  await shows(page, /^one\ntwo\nthree\n~[\s\S]*\n- notes/);
  await page.keyboard.type(':wq\n');
  await prompt(page);
  await type(page, 'cat notes');
  await shows(page, /cat notes\none\ntwo\nthree\n/);
  await expect.poll(() => shells(page)).toHaveLength(1);
});

test('the end: status, start again, and a shell that is gone after a reload', async ({ page, busybox }) => {
  const id = await openShell(page, { image: busybox });
  await type(page, 'echo last words; exit 3');
  const bar = tab(page).locator('.jp-nbcontainer-Shell-bar');
  await expect(bar).toContainText('This shell has ended with exit status 3.');
  await shows(page, /last words/);
  await layoutKept(page);
  await removeShells(page);

  // Nothing is started by restoring.
  await again(page);
  await expect(bar).toContainText('This shell has ended.');
  await expect.poll(() => shells(page)).toEqual([]);
  await bar.getByRole('button', { name: 'Start again' }).click();
  await expect(bar).toBeHidden();
  await prompt(page);
  await type(page, 'echo second life');
  await shows(page, /\nsecond life\n/);
  await expect.poll(() => currentId(page)).not.toBe(id);
  await layoutKept(page);
  await again(page);
  await shows(page, /\nsecond life\n/);
  await type(page, 'exit');
  await bar.getByRole('button', { name: 'Close' }).click();
  await expect(page.locator('.jp-nbcontainer-Shell')).toHaveCount(0);
  await expect.poll(() => shells(page)).toEqual([]);
});

test('an image that is not there: the shell says so and ends', async ({ page }) => {
  await page.evaluate(async () => {
    await window.jupyterapp.commands.execute('nbcontainer:open-shell', { image: '/no/such/image.sif' });
  });
  await expect(tab(page).locator('.jp-nbcontainer-Shell-bar')).toContainText(/ended with exit status [1-9]/);
  await shows(page, /\/no\/such\/image\.sif/);
});

test('a folder that is not there: the reason, and another try', async ({ page, busybox }) => {
  await page.evaluate(async image => {
    await window.jupyterapp.commands.execute('nbcontainer:open-shell', { image, options: { directory: '/no/such' } });
  }, busybox);
  const bar = tab(page).locator('.jp-nbcontainer-Shell-bar');
  await expect(bar).toContainText(/The shell did not start: .*\/no\/such/);
  await expect(bar.getByRole('button', { name: 'Try again' })).toBeVisible();
});

test('closing the tab leaves the shell running, says so once, and can stop it', async ({ page, busybox }) => {
  const close = async (): Promise<void> => {
    await page.evaluate(() => window.jupyterapp.shell.currentWidget?.close());
  };
  const id = await openShell(page, { image: busybox });
  await close();
  const notice = page.locator('.Toastify__toast', { hasText: 'goes on without its tab' });
  await expect(notice).toBeVisible();
  await expect.poll(() => shells(page)).toMatchObject([{ id, state: 'running', clients: 0 }]);
  await notice.getByRole('button', { name: 'Open' }).click();
  await prompt(page);
  await expect.poll(() => currentId(page)).toBe(id);
  // The other action of the same notice; it is not shown a second time.
  await expect(notice).toBeHidden();
  await close();
  await page.waitForTimeout(500);
  await expect(notice).toBeHidden();
  await expect.poll(() => shells(page)).toMatchObject([{ id, state: 'running' }]);

  await openShell(page, { id });
  await begin(page, 'nbcontainer:stop-shell', { id });
  const ask = page.getByRole('dialog');
  await expect(ask).toContainText('everything that runs in it will be ended');
});

test('stopping asks, unless told not to; the tab then says that the shell has ended', async ({ page, busybox }) => {
  const id = await openShell(page, { image: busybox });
  await page.locator('.lm-TabBar-tab[data-type="nbcontainer-shell"]').click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Rename Shell…' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('training');
  await page.getByRole('button', { name: 'Rename', exact: true }).click();
  const label = page.locator('.lm-TabBar-tab[data-type="nbcontainer-shell"]');
  await expect(label).toContainText('training');

  await label.click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Stop Shell' }).click();
  const ask = page.getByRole('dialog');
  await expect(ask).toContainText('Stop “training”?');
  await ask.getByRole('button', { name: 'Cancel' }).click();
  await expect(ask).toBeHidden();
  await expect.poll(() => shells(page)).toMatchObject([{ id, state: 'running' }]);
  await label.click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Stop Shell' }).click();
  await ask.getByText('Do not ask again').click();
  await ask.getByRole('button', { name: 'Stop' }).click();
  await expect(tab(page).locator('.jp-nbcontainer-Shell-bar')).toContainText('This shell has ended');

  const second = await openShell(page, { image: busybox });
  await begin(page, 'nbcontainer:stop-shell', { id: second });
  await expect(tab(page).locator('.jp-nbcontainer-Shell-bar')).toContainText('This shell has ended');
});

test('two windows on one shell: both show it, and the one in use decides on the size', async ({ page, busybox }) => {
  const id = await openShell(page, { image: busybox });
  const size = async (where: Page): Promise<number> => (await screen(where)).length;
  const rows = await size(page);
  const other = await page.context().newPage();
  await other.setViewportSize({ width: 900, height: 600 });
  await other.goto(`http://127.0.0.1:${PORT}/lab/workspaces/other?reset`);
  await ready(other);
  await openShell(other, { id });
  await type(other, 'echo from the other');
  await shows(page, /\nfrom the other\n/);
  const fewer = await size(other);
  expect(fewer).toBeLessThan(rows);
  await expect.poll(() => size(page)).toBe(fewer);
  await type(page, 'echo from the first');
  await shows(other, /\nfrom the first\n/);
  await expect.poll(() => size(page)).toBe(rows);
  await expect.poll(() => size(other)).toBe(rows);
  await other.close();
});

test('keyboard: copy, paste, search, Escape twice', async ({ page, busybox }) => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await openShell(page, { image: busybox });
  const text = Array.from({ length: 3_000 }, (_, at) => `line ${at} of a large paste`).join('\n');
  await page.evaluate(value => navigator.clipboard.writeText(value), `${text}\n`);
  await type(page, "cat > pasted << 'END'");
  await page.keyboard.press('Control+v');
  await shows(page, /line 2999 of a large paste\n/);
  await type(page, 'END');
  await prompt(page);
  await type(page, 'md5sum < pasted');
  const { createHash } = await import('node:crypto');
  await shows(page, new RegExp(createHash('md5').update(`${text}\n`).digest('hex')));

  await type(page, 'clear; echo needle in a haystack');
  await shows(page, /^needle in a haystack\n/);
  const needle = await letter(page, /^needle/, 1);
  await page.mouse.dblclick(...needle);
  await page.keyboard.press('Control+c');
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('needle');
  // Nothing is selected any more: now it is an interrupt.
  await startCat(page, 'first');
  await page.keyboard.press('Control+c');
  await shows(page, /\nfirst\n\^C\n/);
  await prompt(page);

  await page.keyboard.press('Control+f');
  const search = page.getByRole('search');
  await search.getByRole('textbox').fill('haystack');
  await expect(search).toContainText(/1 of [12]/);
  await search.getByRole('textbox').fill('no such word');
  await expect(search).toContainText('No match');
  await page.keyboard.press('Escape');
  await expect(search).toBeHidden();

  // BusyBox's line editor would take an Escape and all that follows within 50 ms for one unknown key.
  await startCat(page, 'second');
  const input = tab(page).locator('.xterm-helper-textarea');
  await expect(input).toBeFocused();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await expect(tab(page).locator('.jp-nbcontainer-Shell-terminal')).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(input).not.toBeFocused();
  await tab(page).locator('.jp-nbcontainer-Shell-terminal').focus();
  await page.keyboard.press('Enter');
  await expect(input).toBeFocused();
  await shows(page, /\nsecond\n\^\[$/m);
  await page.keyboard.press('Control+c');
  await shows(page, /\nsecond\n\^\[\^C\n/);
  await prompt(page);
  await type(page, 'echo back');
  await shows(page, /\nback\n/);
});

test('a link that a program has given a text asks first, and leads to pages of the web only', async ({
  page,
  busybox
}) => {
  await openShell(page, { image: busybox });
  await type(
    page,
    String.raw`printf '\033]8;;http://127.0.0.1:9/x\033\\web\033]8;;\033\\ \033]8;;file:///etc\033\\file\033]8;;\033\\\n'`
  );
  await shows(page, /\nweb file\n/);
  await page.mouse.move(...(await letter(page, /^web.file/, 0)));
  await page.mouse.click(...(await letter(page, /^web.file/, 1)));
  const ask = page.getByRole('dialog');
  await expect(ask).toContainText('http://127.0.0.1:9/x');
  await ask.getByRole('button', { name: 'Cancel' }).click();
  await expect(ask).toBeHidden();
  await page.mouse.move(...(await letter(page, /^web.file/, 5)));
  await page.mouse.click(...(await letter(page, /^web.file/, 6)));
  await page.waitForTimeout(500);
  await expect(ask).toBeHidden();
});

test('themes, accessibility, and JupyterLab’s own terminal beside it', async ({ page, busybox }) => {
  await page.evaluate(async () => {
    await window.jupyterapp.commands.execute('terminal:create-new');
  });
  const own = page.locator('.jp-Terminal .xterm-viewport');
  await expect(own).toBeVisible();
  const style = async (): Promise<string[]> =>
    own.evaluate(node => {
      const { overflowY, backgroundColor, position, inset } = getComputedStyle(node);
      return [overflowY, backgroundColor, position, inset];
    });
  const before = await style();
  await openShell(page, { image: busybox });
  await page
    .locator('.lm-TabBar-tab', { hasText: /Terminal|root@|\$/ })
    .first()
    .click();
  await expect(own).toBeVisible();
  expect(await style()).toEqual(before);
  await page.locator('.lm-TabBar-tab[data-type="nbcontainer-shell"]').click();

  const grounds: string[] = [];
  for (const theme of ['JupyterLab Light', 'JupyterLab Dark', 'JupyterLab Dark High Contrast']) {
    await page.theme.setTheme(theme);
    await expect
      .poll(() =>
        tab(page)
          .locator('.xterm-scrollable-element')
          .evaluate(node => getComputedStyle(node).backgroundColor)
      )
      .toBe(await tab(page).evaluate(node => getComputedStyle(node).backgroundColor));
    grounds.push(await tab(page).evaluate(node => getComputedStyle(node).backgroundColor));
    const { violations, passes } = await new AxeBuilder({ page }).include('.jp-nbcontainer-Shell').analyze();
    expect(passes.length).toBeGreaterThan(3);
    const serious = violations.filter(one => one.impact === 'serious' || one.impact === 'critical');
    expect(serious.map(one => `${theme}: ${one.id}: ${one.nodes.map(node => node.html).join(' ')}`)).toEqual([]);
  }
  expect(grounds[0]).not.toBe(grounds[1]);
});

test('Notebook 7: the shell lies below', async ({ page, busybox }) => {
  const errors: string[] = [];
  // A page without Galata, which waits for the launcher.
  const tree = await page.context().newPage();
  // Ours only: Notebook 7.6 has one of its own.
  tree.on('pageerror', error => {
    if (error.stack?.includes('/extensions/nbcontainer/')) {
      errors.push(error.message);
    }
  });
  await tree.goto(`http://127.0.0.1:${PORT}/tree`);
  await ready(tree);
  await tree.evaluate(async image => {
    await window.jupyterapp.commands.execute('nbcontainer:open-shell', { image });
  }, busybox);
  await prompt(tree);
  await type(tree, 'echo $((6*7))');
  await shows(tree, /\n42\n/);
  expect(errors).toEqual([]);
  await tree.close();
});
