// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { Backlog, HIDDEN_LIMIT } from './backlog.ts';

function backlog(): {
  backlog: Backlog;
  drawn: (() => void)[];
  done: number[];
  page: { hidden: boolean };
  add(): void;
} {
  const page = { hidden: false };
  const drawn: (() => void)[] = [];
  const done: number[] = [];
  const made = new Backlog(
    (_bytes, callback) => void drawn.push(callback),
    () => page.hidden
  );
  let count = 0;
  const add = (): void => {
    const number = count++;
    made.add(new Uint8Array(HIDDEN_LIMIT / 2), () => done.push(number));
  };
  return { backlog: made, drawn, done, page, add };
}

it('says that bytes are drawn when they are, and holds the rest back, while the page is seen', () => {
  const { backlog: seen, drawn, done, add } = backlog();
  [1, 2, 3, 4, 5].forEach(add);
  expect(done).toEqual([]);
  drawn[0]?.();
  drawn[1]?.();
  expect(done).toEqual([0, 1]);
  expect(seen.skipping).toBe(false);
});

it('draws what a hidden page can', () => {
  const { backlog: hidden, drawn, page, add } = backlog();
  page.hidden = true;
  for (let turn = 0; turn < 10; turn++) {
    add();
    drawn.at(-1)?.();
  }
  expect(drawn).toHaveLength(10);
  expect(hidden.skipping).toBe(false);
});

it('leaves out what a hidden page cannot draw, and says so once for each piece', () => {
  const { backlog: hidden, drawn, done, page, add } = backlog();
  add();
  add();
  page.hidden = true;
  add();
  expect(hidden.skipping).toBe(true);
  expect(done).toEqual([0, 1, 2]);
  add();
  expect(drawn).toHaveLength(2);
  drawn.forEach(callback => callback());
  expect(done).toEqual([0, 1, 2, 3]);
  // Until it is drawn anew nothing of the rest would make sense.
  page.hidden = false;
  add();
  expect(drawn).toHaveLength(2);
});
