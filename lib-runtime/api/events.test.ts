// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { FakeOpener } from './channel-support.ts';
import { listenEvents } from './events.ts';

test('events come parsed, empty answers and nonsense do not, the state does', () => {
  const opener = new FakeOpener();
  const told: unknown[] = [];
  const subscription = listenEvents(opener, {
    onEvent: event => told.push(event),
    onState: state => told.push(state)
  });
  expect(opener.last.path).toBe('/events');
  opener.last.handlers.onOpen();
  expect(opener.last.said).toEqual(['']);
  for (const message of ['', '{"type":"images"}', '{', '3', new Uint8Array([1])]) {
    opener.last.handlers.onMessage(message);
  }
  opener.last.end();
  expect(told).toEqual(['connected', { type: 'images' }, 'offline']);
  subscription.retry();
  expect(opener.opened.length).toBe(2);
  subscription.close();
  expect(opener.last.closed).toBe(true);
});
