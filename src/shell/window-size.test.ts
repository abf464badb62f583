// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type ISize, WindowSize } from './window-size.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A window of 80 by 24 letters on a shell that listens. */
function makeWindow() {
  const state = { room: { cols: 80, rows: 24 } as ISize | undefined, listens: true, told: [] as ISize[] };
  const terminal = {
    cols: 80,
    rows: 24,
    fit: () => {
      Object.assign(terminal, state.room);
      return state.room !== undefined;
    }
  };
  const size = new WindowSize({
    terminal: () => terminal,
    tell: () => (state.listens ? told => void state.told.push(told) : undefined)
  });
  size.attached({ cols: 80, rows: 24 });
  return { state, terminal, size };
}

it('tells the last of several sizes once', () => {
  const { state, size } = makeWindow();
  for (const cols of [90, 95, 100]) {
    state.room = { cols, rows: 24 };
    size.fit();
  }
  vi.runAllTimers();
  expect(state.told).toEqual([{ cols: 100, rows: 24 }]);
  size.fit();
  vi.runAllTimers();
  expect(state.told).toHaveLength(1);
});

it('keeps to the size of another window until it is used itself', () => {
  const { state, terminal, size } = makeWindow();
  size.became({ cols: 40, rows: 10 });
  Object.assign(terminal, { cols: 40, rows: 10 });
  expect(size.isForeign).toBe(true);
  size.fit();
  vi.runAllTimers();
  expect([terminal.cols, state.told]).toEqual([40, []]);
  size.takeOver();
  expect([size.isForeign, terminal.cols, state.told]).toEqual([false, 80, [{ cols: 80, rows: 24 }]]);
  size.became({ cols: 80, rows: 24 });
  expect(size.isForeign).toBe(false);
});

it.each<[string, (made: ReturnType<typeof makeWindow>) => unknown]>([
  ['the shell has ended meanwhile', ({ state }) => (state.listens = false)],
  ['it is disposed of meanwhile', ({ size }) => size.dispose()]
])('says nothing when %s', (_what, change) => {
  const made = makeWindow();
  made.state.room = { cols: 100, rows: 30 };
  made.size.fit();
  change(made);
  vi.runAllTimers();
  expect(made.state.told).toEqual([]);
});

it('says nothing where the room cannot be measured', () => {
  const { state, size } = makeWindow();
  state.room = undefined;
  size.fit();
  size.takeOver();
  vi.runAllTimers();
  expect(state.told).toEqual([]);
});
