// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type IStandingChannel, keepOpen, webSocketChannel } from './channel.ts';
import { FakeOpener } from './channel-support.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

let opener: FakeOpener;
let told: string[];
let channel: IStandingChannel;

beforeEach(() => {
  opener = new FakeOpener();
  told = [];
  channel = keepOpen(opener, '/p', {
    greeting: () => 'hello',
    question: 'there?',
    onMessage: message => told.push(`message ${String(message)}`),
    onState: state => told.push(state),
    isFinal: code => code === 4404
  });
});

function answer(message = 'yes'): void {
  opener.last.handlers.onOpen();
  opener.last.handlers.onMessage(message);
}

test('greets, and is connected once the daemon itself has answered', () => {
  expect(channel.send('early')).toBe(false);
  opener.last.handlers.onOpen();
  expect([opener.last.path, opener.last.said, told]).toEqual(['/p', ['hello'], []]);
  opener.last.handlers.onMessage('yes');
  expect(told).toEqual(['connected', 'message yes']);
  expect(channel.send('now')).toBe(true);
  expect(opener.last.said).toEqual(['hello', 'now']);
});

test('tries again for ever: 0.5 s, twice as long each time, 10 s at most, and from 0.5 s after an answer', () => {
  const pauses: number[] = [];
  const attempt = (): void => {
    const before = opener.opened.length;
    const start = Date.now();
    opener.last.end();
    while (opener.opened.length === before) {
      vi.advanceTimersByTime(10);
    }
    pauses.push(Date.now() - start);
  };
  for (let i = 0; i < 8; i += 1) {
    attempt();
  }
  expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
  answer();
  attempt();
  expect(pauses.at(-1)).toBe(500);
  expect(told).toEqual(['offline', 'connected', 'message yes', 'offline']);
});

test('a channel that a proxy accepts but nobody answers does not count as connected', () => {
  opener.last.handlers.onOpen();
  opener.last.end();
  vi.advanceTimersByTime(500);
  opener.last.handlers.onOpen();
  opener.last.end();
  vi.advanceTimersByTime(999);
  expect([opener.opened.length, told]).toEqual([2, ['offline']]);
  vi.advanceTimersByTime(1);
  expect(opener.opened.length).toBe(3);
});

test('silence is asked about, and left unanswered it is the end of the connection', () => {
  answer();
  vi.advanceTimersByTime(10_000);
  expect(opener.last.said).toEqual(['hello', 'there?']);
  opener.last.handlers.onMessage('yes');
  vi.advanceTimersByTime(10_000);
  expect(opener.last.said).toEqual(['hello', 'there?', 'there?']);
  expect(opener.opened.length).toBe(1);
  vi.advanceTimersByTime(5_000);
  expect(opener.opened[0]?.closed).toBe(true);
  expect(told.at(-1)).toBe('offline');
  vi.advanceTimersByTime(500);
  expect(opener.opened.length).toBe(2);
});

test('an attempt that hangs is given up', () => {
  vi.advanceTimersByTime(10_000);
  expect(opener.opened.map(each => each.closed)).toEqual([true]);
  vi.advanceTimersByTime(500);
  expect(opener.opened.length).toBe(2);
});

test('retry does not wait, and asks when it believes to be connected', () => {
  opener.last.end();
  channel.retry();
  expect(opener.opened.length).toBe(2);
  vi.advanceTimersByTime(499);
  expect(opener.opened.length).toBe(2);
  answer();
  channel.retry();
  expect(opener.last.said).toEqual(['hello', 'there?']);
});

test('a final close and our own close end the attempts, silently', () => {
  answer();
  opener.last.end(4404);
  vi.advanceTimersByTime(60_000);
  channel.retry();
  expect([opener.opened.length, told]).toEqual([1, ['connected', 'message yes']]);
});

test('after close() nothing is told and nothing is opened', () => {
  opener.last.end();
  channel.close();
  vi.advanceTimersByTime(60_000);
  expect([opener.opened.length, told]).toEqual([1, ['offline']]);
});

test('a WebSocket as a channel: bytes and text come in, one close goes out', () => {
  const listeners = new Map<string, (event: never) => void>();
  const sent: unknown[] = [];
  const socket = {
    binaryType: 'blob',
    readyState: 0,
    send: (data: unknown) => void sent.push(data),
    close: () => void sent.push('close'),
    addEventListener: (type: string, listener: (event: never) => void) => void listeners.set(type, listener)
  };
  const heard: unknown[] = [];
  const wrapped = webSocketChannel(socket, {
    onOpen: () => heard.push('open'),
    onMessage: message => heard.push(message),
    onClose: code => heard.push(code)
  });
  const fire = (type: string, event: object = {}): void => listeners.get(type)?.(event as never);
  wrapped.send('not open yet');
  socket.readyState = 1;
  fire('open');
  wrapped.send('a');
  fire('message', { data: new Uint8Array([1, 2]).buffer });
  fire('message', { data: 'text' });
  wrapped.close();
  fire('close', { code: 1000 });
  expect(socket.binaryType).toBe('arraybuffer');
  expect(sent).toEqual(['a', 'close']);
  expect(heard).toEqual(['open', new Uint8Array([1, 2]), 'text', 1006]);
});
