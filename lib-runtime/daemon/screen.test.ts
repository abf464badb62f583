// SPDX-License-Identifier: BSD-3-Clause
/** Whoever comes back sees what they would have seen: the snapshot and what follows, against the whole stream. */
import headless from '@xterm/headless';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { type ISnapshot, Screen, SCROLLBACK } from './screen.ts';

type Terminal = InstanceType<typeof headless.Terminal>;

const screens: Screen[] = [];
afterEach(() => screens.splice(0).forEach(screen => screen.dispose()));

interface IWatched {
  readonly screen: Screen;
  readonly replies: string[];
  readonly titles: string[];
}

function makeScreen(cols = 40, rows = 10): IWatched {
  const replies: string[] = [];
  const titles: string[] = [];
  const hooks = { onReply: (text: string) => replies.push(text), onTitle: (text: string) => titles.push(text) };
  const screen = new Screen(cols, rows, { ...hooks, onBehind: () => undefined });
  screens.push(screen);
  return { screen, replies, titles };
}

const snapshotOf = (screen: Screen): Promise<ISnapshot> => new Promise(resolve => screen.snapshot(resolve));

async function terminalWith(pieces: readonly (string | Uint8Array)[], cols = 40, rows = 10): Promise<Terminal> {
  const terminal = new headless.Terminal({ cols, rows, scrollback: SCROLLBACK, allowProposedApi: true });
  for (const piece of pieces) {
    await new Promise<void>(resolve => terminal.write(piece, resolve));
  }
  return terminal;
}

/** Everything that a person or a program can notice. */
function stateOf(terminal: Terminal): unknown {
  const { active, normal } = terminal.buffer;
  const lines = (buffer: typeof active): string[] =>
    Array.from({ length: buffer.length }, (_, row) => {
      const line = buffer.getLine(row);
      const cells = Array.from({ length: terminal.cols }, (_, column) => line?.getCell(column));
      const drawn = cells.map(cell => `${cell?.getChars()}/${cell?.getFgColor()}/${cell?.isBold()}`);
      return drawn.join('|').replace(/(\|\/-1\/0)+$/, '');
    });
  // The core holds what xterm has no public word for.
  const core = (terminal as unknown as { _core: Record<string, Record<string, unknown>> })._core;
  return {
    type: active.type,
    active: lines(active),
    normal: active === normal ? undefined : lines(normal),
    cursor: [Math.min(active.cursorX, terminal.cols - 1), active.cursorY],
    modes: terminal.modes,
    region: [core['buffer']?.['scrollTop'], core['buffer']?.['scrollBottom']],
    hidden: core['coreService']?.['isCursorHidden'],
    mouse: core['coreMouseService']?.['activeEncoding'],
    style: (core['coreService']?.['decPrivateModes'] as Record<string, unknown>)['cursorStyle']
  };
}

// Erasing the beginning of a line that wraps is left out: the serialize addon draws a hyphen there.
const piece = fc.constantFrom(
  'word ',
  'ünïcode€😀 ',
  '\r\n',
  'a line that is longer than the screen is wide, so that it wraps\r\n',
  '\x1b[1;31mred\x1b[0m',
  '\x1b[3;5H',
  '\x1b[?1049h\x1b[2J',
  '\x1b[?1049l',
  '\x1b[2;7r',
  '\x1b[r',
  '\x1b[?6h',
  '\x1b[?6l',
  '\x1b[?25l',
  '\x1b[?25h',
  '\x1b[?1002h\x1b[?1006h',
  '\x1b[?1006l\x1b[?1002l',
  '\x1b[?2004h',
  '\x1b[?1h\x1b=',
  '\x1b[4 q',
  '\x1b]0;title\x07'
);

test('a snapshot at any time, and what follows it, draw the same as the whole stream', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { minLength: 1, maxLength: 25 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (pieces, share) => {
        const stream = Buffer.from(pieces.join(''));
        const cut = Math.round(stream.length * share);
        const { screen } = makeScreen();
        screen.add(stream.subarray(0, cut), true);
        const { text, rest } = await snapshotOf(screen);
        const restored = await terminalWith([text, ...rest, stream.subarray(cut)]);
        expect(stateOf(restored)).toEqual(stateOf(await terminalWith([stream])));
      }
    ),
    { numRuns: 150, seed: 6 }
  );
});

test('what comes while the snapshot is drawn is in it or after it, and never lost or doubled', async () => {
  const { screen } = makeScreen();
  const line = (n: number): Buffer => Buffer.from(`line ${n}\r\n`);
  const after: Uint8Array[] = [];
  let shown: ISnapshot | undefined;
  for (let n = 0; n < 400; n += 1) {
    if (shown) {
      after.push(line(n));
    }
    screen.add(line(n), true);
    if (n === 100) {
      screen.snapshot(snapshot => (shown = snapshot));
    }
    if (n % 50 === 0) {
      await new Promise(resolve => setTimeout(resolve, 2));
    }
  }
  while (!shown) {
    await new Promise(resolve => setTimeout(resolve, 2));
  }
  const { text, rest } = shown as ISnapshot;
  const whole = await terminalWith(Array.from({ length: 400 }, (_, n) => line(n)));
  expect(stateOf(await terminalWith([text, ...rest, ...after]))).toEqual(stateOf(whole));
});

test('a flood of text is not read in whole, and leaves the same screen and scrollback', async () => {
  const { screen } = makeScreen();
  const begin = Buffer.from('\x1b[1;32mgreen \x1b[?25lbegin');
  const pieces = Array.from({ length: 120 }, (_, n) =>
    Buffer.from(Array.from({ length: 700 }, (_, line) => `${n}.${line} ${'x'.repeat((n + line) % 90)}\r\n`).join(''))
  );
  screen.add(begin, true);
  await snapshotOf(screen);
  let behind = 0;
  const start = performance.now();
  for (const each of pieces) {
    screen.add(each, true);
    behind += screen.behind ? 1 : 0;
  }
  const elapsed = performance.now() - start;
  expect(behind).toBe(0);
  const { text } = await snapshotOf(screen);
  const reading = performance.now();
  const whole = await terminalWith([begin, ...pieces]);
  // Nothing was read yet: reading them all takes many times as long.
  expect(elapsed).toBeLessThan((performance.now() - reading) / 2);
  expect(stateOf(await terminalWith([text]))).toEqual(stateOf(whole));
});

test('a flood that has to be read makes the shell wait, and then go on', async () => {
  const { screen } = makeScreen();
  const coloured = Buffer.from('\x1b[31mred\x1b[0m '.repeat(16 * 1024));
  for (let n = 0; n < 20 && !screen.behind; n += 1) {
    screen.add(coloured, true);
  }
  expect(screen.behind).toBe(true);
  await snapshotOf(screen);
  expect(screen.behind).toBe(false);
});

test('lines outside of a scroll region stay, also in a flood', async () => {
  const { screen } = makeScreen();
  const begin = Buffer.from('top line\r\n\x1b[3;8r\x1b[3;1H');
  const flood = Buffer.from('text\r\n'.repeat(500_000));
  screen.add(begin, true);
  await snapshotOf(screen);
  screen.add(flood, true);
  const { text } = await snapshotOf(screen);
  const restored = await terminalWith([text]);
  expect(restored.buffer.active.getLine(restored.buffer.active.baseY)?.translateToString(true)).toBe('top line');
});

test('a question of a program is answered here only when no window sees it', async () => {
  const { screen, replies } = makeScreen();
  screen.add(Buffer.from('ab\x1b[6n'), false);
  await snapshotOf(screen);
  expect(replies).toEqual(['\x1b[1;3R']);
  screen.add(Buffer.from('\x1b[6n\x1b[c'), true);
  await snapshotOf(screen);
  expect(replies.length).toBe(1);
  // The snapshot asks nothing.
  const restored = await terminalWith([]);
  const asked: string[] = [];
  restored.onData(text => asked.push(text));
  const { text } = await snapshotOf(screen);
  await new Promise<void>(resolve => restored.write(text, resolve));
  expect(asked).toEqual([]);
});

test('without a window the answer does not wait for long', async () => {
  const { screen, replies, titles } = makeScreen();
  screen.add(Buffer.from('\x1b[c\x1b]2;hello\x07'), false);
  await new Promise(resolve => setTimeout(resolve, 150));
  expect([replies.length, titles]).toEqual([1, ['hello']]);
});

test('resizing takes effect between what came before and after', async () => {
  const { screen } = makeScreen(20, 5);
  screen.add(Buffer.from('0123456789012345678901234\r\n'), true);
  screen.resize(30, 6);
  screen.add(Buffer.from('0123456789012345678901234\r\n'), true);
  const snapshot = await snapshotOf(screen);
  expect([snapshot.cols, snapshot.rows]).toEqual([30, 6]);
  const restored = await terminalWith([snapshot.text], 30, 6);
  const lines = Array.from({ length: 3 }, (_, row) => restored.buffer.active.getLine(row)?.translateToString(true));
  expect(lines).toEqual(['0123456789012345678901234', '0123456789012345678901234', '']);
});

test('a snapshot is never larger than proxies take', async () => {
  const { screen } = makeScreen(200, 50);
  let cell = 0;
  for (let row = 0; row < 3000; row += 1) {
    const cells = Array.from({ length: 200 }, () => `\x1b[38;5;${(cell += 1) % 256}mx`);
    screen.add(Buffer.from(`${cells.join('')}\r\n`), true);
    if (screen.behind) {
      await snapshotOf(screen);
    }
  }
  const { text } = await snapshotOf(screen);
  expect(text.length).toBeLessThanOrEqual(2 << 20);
  expect(text.length).toBeGreaterThan(200_000);
});
