// SPDX-License-Identifier: BSD-3-Clause
/**
 * A program that writes without end: the page stays usable, Ctrl+C stops it, and nobody's memory grows. DESIGN.md 9
 * has the figures; the long one is for npm run test:all.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from '@jupyterlab/galata';
import type { Page } from '@playwright/test';
import { RUNTIME } from './place.mjs';
import { busyboxImage, expect, openShell, prompt, removeShells, screen, tab, type } from './shell-page.ts';

const ALL = process.env.NBCONTAINER_TEST_ALL === '1';
/** Milliseconds. */
const FLOOD = ALL ? 10_000 : 2_000;
const LINE = 'yes 0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrs';
const STOPS = 10;
/** Milliseconds: the goal is for a machine that has nothing else to do; npm test may run beside other things. */
const STOPPED = ALL ? 100 : 1000;

/** Resident memory in KiB. */
function memory(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function daemonPid(): number {
  return (JSON.parse(readFileSync(path.join(RUNTIME, 'nbcontainer', 'daemon.json'), 'utf8')) as { pid: number }).pid;
}

/** Milliseconds from a press of the mouse on JupyterLab's menu bar until what it has done is drawn. */
async function click(page: Page): Promise<number> {
  await page.evaluate(() => {
    delete document.body.dataset['answered'];
    window.addEventListener(
      'pointerdown',
      event => {
        requestAnimationFrame(() =>
          setTimeout(() => {
            document.body.dataset['answered'] = String(performance.now() - event.timeStamp);
          })
        );
      },
      { once: true, capture: true }
    );
  });
  await page.getByRole('menuitem', { name: 'View', exact: true }).click();
  const answered = page.locator('body[data-answered]');
  await expect(answered).toBeAttached();
  await expect(page.locator('.lm-Menu')).toBeVisible();
  await page.keyboard.press('Escape');
  return Number(await answered.getAttribute('data-answered'));
}

/** Milliseconds from the key to the prompt on the screen. */
async function interrupt(page: Page): Promise<number> {
  await page.evaluate(() => {
    delete document.body.dataset['stopped'];
    const view = [...document.querySelectorAll<HTMLElement>('.jp-nbcontainer-Shell')].find(node => node.offsetParent);
    const listen = (event: KeyboardEvent): void => {
      if (event.key !== 'c') {
        return;
      }
      document.removeEventListener('keydown', listen, true);
      const look = (): void => {
        const last = view?.querySelector('.xterm-rows > div:last-child')?.textContent ?? '';
        if (/>\s*$/.test(last)) {
          document.body.dataset['stopped'] = String(performance.now() - event.timeStamp);
        } else {
          setTimeout(look, 4);
        }
      };
      look();
    };
    document.addEventListener('keydown', listen, true);
  });
  await page.keyboard.press('Control+c');
  const stopped = page.locator('body[data-stopped]');
  await expect(stopped).toBeAttached();
  return Number(await stopped.getAttribute('data-stopped'));
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

// A laptop's window.
test.use({ viewport: { width: 1280, height: 800 } });

test('a flood', async ({ page }, info) => {
  await openShell(page, { image: busyboxImage() });
  await type(page, `${LINE} | head -n 1000`);
  await prompt(page);
  const before = memory(daemonPid());

  await type(page, LINE);
  const clicks: number[] = [];
  const start = Date.now();
  while (Date.now() - start < FLOOD) {
    clicks.push(await click(page));
    await page.waitForTimeout(100);
  }
  expect((await screen(page)).at(2)).toMatch(/^0123456789abc/);
  const grown = (memory(daemonPid()) - before) / 1024;
  await tab(page).locator('.xterm-helper-textarea').focus();
  const stops = [await interrupt(page)];
  for (let turn = 1; turn < STOPS; turn += 1) {
    await type(page, LINE);
    await page.waitForTimeout(500);
    expect((await screen(page)).at(2)).toMatch(/^0123456789abc/);
    stops.push(await interrupt(page));
  }
  const round = (values: readonly number[]): string => values.map(Math.round).join(' ');
  const figures =
    `clicks answered after ${round(clicks)} ms; stopped after ${round(stops)} ms (median ${Math.round(median(stops))}); ` +
    `the daemon grew by ${grown.toFixed(1)} MiB`;
  info.annotations.push({ type: 'figures', description: figures });
  process.stdout.write(`${figures}\n`);
  // Not frozen, on a busy machine, too; bench/terminal.ts and the figures above have the numbers.
  expect(Math.max(...clicks)).toBeLessThan(ALL ? 200 : 1000);
  expect(median(stops)).toBeLessThan(STOPPED);
  expect(grown).toBeLessThan(48);
  await removeShells(page);
});
