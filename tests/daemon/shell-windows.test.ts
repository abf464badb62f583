// SPDX-License-Identifier: BSD-3-Clause
/** Windows of a shell: what a second one sees, whose size counts, and who holds back a flood. Real containers. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Shell } from '../../lib-runtime/api/schema.ts';
import { eventually } from '../../lib-runtime/engines/test-support.ts';
import { runningDaemon, until } from './running-daemon.ts';
import { linesOf } from './window.ts';

const daemon = runningDaemon();
beforeAll(() => daemon.start());
afterEach(() => daemon.removeShells());
afterAll(() => daemon.stop());

const sleep = (milliseconds: number): Promise<void> => new Promise(resolve => setTimeout(resolve, milliseconds));
const start = (...command: string[]): Promise<Shell> => daemon.client.startShell({ image: daemon.tree, command });
const LONG_LINE = '0123456789'.repeat(7);

test('vi, left and come back to: the same screen, the same place, and it goes on', async () => {
  const shell = await start('sh');
  const first = await daemon.open(shell.id);
  first.connection.send('vi\n');
  await eventually(() => first.terminal.buffer.active.type === 'alternate', 'vi fills the screen');
  first.connection.send('ihello from vi\x1b');
  await eventually(() => first.text().includes('hello from vi'), 'typed');
  await sleep(100);
  const { cursorX, cursorY } = first.terminal.buffer.active;
  first.connection.close();
  const second = await daemon.open(shell.id);
  await eventually(() => second.text().includes('hello from vi'), 'the same screen');
  expect(second.terminal.buffer.active.type).toBe('alternate');
  expect(linesOf(second.terminal)).toEqual(linesOf(first.terminal));
  expect([second.terminal.buffer.active.cursorX, second.terminal.buffer.active.cursorY]).toEqual([cursorX, cursorY]);
  second.connection.send(':q!\n');
  await eventually(() => second.terminal.buffer.active.type === 'normal', 'back in the shell');
  expect(second.text()).toContain('vi');
  expect(second.text()).not.toContain('hello from vi');
});

test('the size is that of the window in use, and the others follow', async () => {
  const shell = await start('sh');
  const [small, large] = [
    await daemon.open(shell.id, { cols: 60, rows: 20 }),
    await daemon.open(shell.id, { cols: 100, rows: 40 })
  ];
  large.connection.send('stty size\n');
  await eventually(() => large.text().includes('40 100'), 'the size of the last one');
  expect([small.terminal.cols, small.terminal.rows]).toEqual([100, 40]);
  small.connection.resize(61, 21);
  small.connection.send('stty size\n');
  await eventually(() => small.text().includes('21 61'), 'the size of the one in use now');
  await eventually(() => large.terminal.cols === 61, 'the other one is told');
});

test('a question of a program is answered once, with two windows and with none', async () => {
  const ask = `stty raw -echo min 0 time 20; printf '\\033[6n'; sleep 1; dd bs=100 count=1 2>/dev/null | od -An -c`;
  const script = `read x; ${ask}; echo finished; sleep 1000`;
  const answers = (text: string): number => text.split(/033\s+\[/).length - 1;
  const shell = await start('sh', '-c', script);
  const [one, two] = [await daemon.open(shell.id), await daemon.open(shell.id)];
  one.connection.send('\n');
  await eventually(() => two.text().includes('finished'), 'answered', 20);
  expect(answers(two.text())).toBe(1);
  const lonely = await start('sh', '-c', script.replace('read x; ', ''));
  await sleep(3_000);
  const late = await daemon.open(lonely.id);
  await eventually(() => late.text().includes('finished'), 'it went on without a window');
  expect(answers(late.text())).toBe(1);
});

test('the title that a program sets is in the list and told to whoever comes', async () => {
  const shell = await start('sh', '-c', `printf '\\033]0;my title\\007'; read x`);
  await until(async () => (await daemon.client.shells()).shells[0]?.title === 'my title', 'in the list');
  const window = await daemon.open(shell.id);
  await eventually(() => window.title === 'my title', 'told');
});

test('a window that is stuck holds back the flood, at flat memory; Ctrl-C still ends it', async () => {
  const shell = await start('sh');
  const window = await daemon.open(shell.id);
  const { pid } = await daemon.client.version();
  const resident = (): number => Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  window.connection.send(`yes ${LONG_LINE}\n`);
  await eventually(() => window.received > 16 << 20, 'a flood', 30);
  window.stuck = true;
  await sleep(300);
  const [received, memory] = [window.received, resident()];
  await sleep(2_000);
  expect(window.received).toBe(received);
  expect(resident() - memory).toBeLessThan(4);
  window.connection.send('\x03');
  window.stuck = false;
  window.connection.send("echo af''ter\n");
  await eventually(() => window.text().includes('after'), 'it ends');
});

test('another window that is stuck is left behind, and gets the whole screen when it is back', async () => {
  const shell = await start('sh');
  const stuck = await daemon.open(shell.id);
  const used = await daemon.open(shell.id);
  stuck.stuck = true;
  used.connection.send(`yes ${LONG_LINE} | head -n 60000; echo the e''nd\n`);
  await eventually(() => used.text().includes('the end'), 'it is not held back', 30);
  expect(used.received).toBeGreaterThan(4_000_000);
  expect(stuck.received).toBeLessThan(1_000_000);
  expect(stuck.snapshots).toBe(1);
  stuck.stuck = false;
  await eventually(() => stuck.snapshots === 2 && stuck.text().includes('the end'), 'the whole screen', 15);
  expect(linesOf(stuck.terminal).slice(-5000)).toEqual(linesOf(used.terminal).slice(-5000));
});

test('with no window at all, a build goes on to its end', async () => {
  const shell = await start('sh', '-c', `yes ${LONG_LINE} | head -n 100000; echo finished`);
  await until(async () => (await daemon.client.shells()).shells[0]?.state === 'ended', 'the end', 30);
  const late = await daemon.open(shell.id);
  await eventually(() => late.text().endsWith('finished'), 'its last screen');
  expect(linesOf(late.terminal).filter(line => line === LONG_LINE).length).toBeGreaterThan(4_900);
});
