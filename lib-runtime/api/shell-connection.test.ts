// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakeOpener } from './channel-support.ts';
import { NO_SUCH_SHELL } from './routes.ts';
import { ShellConnection } from './shell-connection.ts';
import { decodeFrame, encodeFrame, type Frame, MAX_DATA } from './shell-frames.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

let opener: FakeOpener;
let told: unknown[];
let drawn: (() => void)[];
let shell: ShellConnection;

beforeEach(() => {
  opener = new FakeOpener();
  told = [];
  drawn = [];
  shell = new ShellConnection(
    opener,
    'a b',
    {
      onSnapshot: (...args) => told.push(['snapshot', ...args]),
      onData: (bytes, done) => {
        told.push(['data', Buffer.from(bytes).toString().slice(0, 20)]);
        drawn.push(done);
      },
      onResize: (...args) => told.push(['resize', ...args]),
      onTitle: title => told.push(['title', title]),
      onExit: status => told.push(['exit', status]),
      onState: state => told.push(state)
    },
    { cols: 80, rows: 24 }
  );
  shell.attach();
});

const say = (frame: Frame): void => opener.last.handlers.onMessage(encodeFrame(frame));
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const heard = (): (Frame | undefined)[] =>
  opener.last.said.map(message => (typeof message === 'string' ? undefined : decodeFrame(message)));

function attached(): void {
  opener.last.handlers.onOpen();
  say({ type: 'snapshot', cols: 80, rows: 24, text: '$ ' });
}

test('begins with its size and is connected when the snapshot is there', () => {
  expect([opener.last.path, shell.state]).toEqual(['/shells/a%20b/socket', 'connecting']);
  expect(shell.send('x')).toBe(false);
  attached();
  expect(heard()).toEqual([{ type: 'resize', cols: 80, rows: 24 }]);
  expect(told).toEqual([['snapshot', '$ ', 80, 24], 'connected']);
  say({ type: 'data', bytes: bytes('hi') });
  say({ type: 'title', title: 'top' });
  say({ type: 'resize', cols: 100, rows: 30 });
  expect(told.slice(2)).toEqual([
    ['data', 'hi'],
    ['title', 'top'],
    ['resize', 100, 30]
  ]);
});

test('acknowledges what was drawn, in portions, and never what an earlier attachment had drawn', () => {
  attached();
  const chunk = bytes('x'.repeat(40_000));
  for (let i = 0; i < 3; i += 1) {
    say({ type: 'data', bytes: chunk });
  }
  expect(heard().length).toBe(1);
  drawn[0]?.();
  expect(heard().length).toBe(1);
  drawn[1]?.();
  expect(heard().at(-1)).toEqual({ type: 'ack', bytes: 80_000 });
  opener.last.end();
  vi.advanceTimersByTime(500);
  attached();
  drawn[2]?.();
  say({ type: 'data', bytes: chunk });
  drawn[3]?.();
  expect(heard()).toEqual([{ type: 'resize', cols: 80, rows: 24 }]);
  say({ type: 'data', bytes: chunk });
  drawn[4]?.();
  expect(heard().at(-1)).toEqual({ type: 'ack', bytes: 80_000 });
});

test('a long paste goes in frames that proxies accept', () => {
  attached();
  expect(shell.send('é'.repeat(50_000))).toBe(true);
  const frames = heard().slice(1);
  const lengths = frames.map(frame => (frame?.type === 'data' ? frame.bytes.length : -1));
  expect(lengths).toEqual([MAX_DATA, 100_000 - MAX_DATA]);
});

test('comes back at the size of now, and says that it was away', () => {
  attached();
  shell.resize(132, 43);
  opener.last.end();
  expect([told.at(-1), shell.send('lost')]).toEqual(['offline', false]);
  vi.advanceTimersByTime(500);
  attached();
  expect(heard()).toEqual([{ type: 'resize', cols: 132, rows: 43 }]);
  expect(told.at(-1)).toBe('connected');
});

test('an empty DATA answers the question whether the daemon is there, and is not drawn', () => {
  attached();
  vi.advanceTimersByTime(10_000);
  expect(heard().at(-1)).toEqual({ type: 'ack', bytes: 0 });
  say({ type: 'data', bytes: bytes('') });
  vi.advanceTimersByTime(9_000);
  expect([opener.opened.length, drawn.length]).toEqual([1, 0]);
});

test('the end of the program is final', () => {
  attached();
  say({ type: 'exit', status: 3 });
  opener.last.end(1000);
  vi.advanceTimersByTime(60_000);
  expect(told.slice(2)).toEqual(['ended', ['exit', 3]]);
  expect([opener.opened.length, shell.send('x')]).toEqual([1, false]);
});

test('a daemon that was started anew has no such shell: that is final, too', () => {
  attached();
  opener.last.end();
  vi.advanceTimersByTime(500);
  opener.last.end(NO_SUCH_SHELL);
  vi.advanceTimersByTime(60_000);
  expect([told.at(-1), opener.opened.length]).toEqual(['gone', 2]);
});

test('close() is silent', () => {
  attached();
  shell.close();
  opener.opened[0]?.handlers.onMessage(encodeFrame({ type: 'data', bytes: bytes('late') }));
  vi.advanceTimersByTime(60_000);
  expect([opener.opened.length, told.length]).toEqual([1, 2]);
});
