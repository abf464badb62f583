// SPDX-License-Identifier: BSD-3-Clause
/** What the tests of the shell's tab share: an image of busybox, the screen as the user reads it, a network to cut. */
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { expect as base } from '@jupyterlab/galata';
import type { Locator, Page } from '@playwright/test';
import { FOLDER } from './place.mjs';

/** A machine with other things to do takes its time to start a container. */
export const expect = base.configure({ timeout: 20_000 });

export const SAMPLE = path.join(FOLDER, 'images', 'sample.sif');

/** A directory as an image: Debian's busybox and nothing else, for its full-screen programs. */
export function busyboxImage(): string {
  const root = path.join(FOLDER, 'images', 'busybox');
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find(file => existsSync(file));
  if (busybox === undefined) {
    throw new Error('busybox is missing: the Debian package busybox-static (npm start installs it)');
  }
  rmSync(root, { recursive: true, force: true });
  for (const folder of ['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp', 'usr/bin', 'var']) {
    mkdirSync(path.join(root, folder), { recursive: true });
  }
  cpSync(busybox, path.join(root, 'bin', 'busybox'), { dereference: true });
  for (const name of ['cat', 'echo', 'env', 'head', 'id', 'md5sum', 'seq', 'sh', 'sleep', 'top', 'vi', 'yes']) {
    symlinkSync('busybox', path.join(root, 'bin', name));
  }
  return root;
}

/** Until commands can be run and tabs are restored. */
export async function ready(page: Page): Promise<void> {
  await page.waitForFunction(() => window.jupyterapp?.commands?.hasCommand('nbcontainer:open-shell'));
  await page.evaluate(() => window.jupyterapp.restored);
}

/** The tab that is seen. */
export function tab(page: Page): Locator {
  return page.locator('.jp-nbcontainer-Shell:visible');
}

/** Opens a shell by its command and waits for the prompt. Resolves to the shell's id. */
export async function openShell(page: Page, args: Record<string, unknown>): Promise<string> {
  await page.evaluate(async given => {
    await window.jupyterapp.commands.execute('nbcontainer:open-shell', given);
  }, args);
  await prompt(page);
  return currentId(page);
}

export async function currentId(page: Page): Promise<string> {
  const id = await page.evaluate(
    () => (window.jupyterapp.shell.currentWidget as unknown as { content: { shellId?: string } }).content.shellId
  );
  return id ?? '';
}

/** The rows of the screen as they are drawn. */
export async function screen(page: Page): Promise<string[]> {
  const rows = await tab(page).locator('.xterm-rows > div').allTextContents();
  return rows.map(row => row.replaceAll('\u00a0', ' ').trimEnd());
}

/** Waits until something is on the screen. */
export async function shows(page: Page, text: RegExp): Promise<void> {
  await expect.poll(async () => (await screen(page)).join('\n')).toMatch(text);
}

/** Waits for a prompt with nothing after it. */
export async function prompt(page: Page): Promise<void> {
  await expect.poll(async () => (await screen(page)).filter(row => row !== '').at(-1)).toMatch(/[>$#]$/);
}

/** Types a line, by keys. */
export async function type(page: Page, line: string): Promise<void> {
  await tab(page).locator('.xterm-helper-textarea').focus();
  await page.keyboard.type(line);
  await page.keyboard.press('Enter');
}

/** Starts `cat`, and waits until the terminal itself has the keys, not the shell's line editor. */
export async function startCat(page: Page, word: string): Promise<void> {
  await type(page, `echo ${word}; cat`);
  await shows(page, new RegExp(`\\n${word}\\n`));
}

export interface IShell {
  readonly id: string;
  readonly state: string;
  readonly clients: number;
}

/** What the daemon knows of its shells. */
export async function shells(page: Page): Promise<readonly IShell[]> {
  const answer = await page.request.get('/nbcontainer/api/daemon/shells');
  return ((await answer.json()) as { shells: IShell[] }).shells;
}

/** Ends and forgets every shell. */
export async function removeShells(page: Page): Promise<void> {
  const xsrf = (await page.context().cookies()).find(({ name }) => name === '_xsrf')?.value ?? '';
  for (const { id, state } of await shells(page)) {
    for (let times = state === 'running' ? 2 : 1; times > 0; times -= 1) {
      await page.request.delete(`/nbcontainer/api/daemon/shells/${id}`, { headers: { 'X-XSRFToken': xsrf } });
    }
  }
}

/** A network between browser and server that can be cut. */
export interface INetwork {
  readonly port: number;
  /** `refuse`: connections end, and new ones are refused; `silent`: they stay, and nothing comes through any more. */
  cut(how: 'refuse' | 'silent'): void;
  mend(): void;
  stop(): void;
}

export async function startNetwork(target: number): Promise<INetwork> {
  const pairs = new Set<readonly [net.Socket, net.Socket]>();
  let state: 'up' | 'refuse' | 'silent' = 'up';
  const server = net.createServer(near => {
    if (state === 'refuse') {
      near.destroy();
      return;
    }
    const far = net.connect(target, '127.0.0.1');
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('data', chunk => {
        if (state !== 'silent') {
          to.write(chunk);
        }
      });
      from.on('error', () => undefined);
      from.on('close', () => {
        to.destroy();
        pairs.delete(pair);
      });
    }
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const drop = (): void => pairs.forEach(pair => pair.forEach(socket => socket.destroy()));
  return {
    port: (server.address() as net.AddressInfo).port,
    cut: how => {
      state = how;
      if (how === 'refuse') {
        drop();
      }
    },
    mend: () => {
      if (state === 'silent') {
        // What was swallowed is lost: as after a cut, connections of before are dead.
        drop();
      }
      state = 'up';
    },
    stop: () => {
      drop();
      server.close();
    }
  };
}
