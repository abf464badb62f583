// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, test } from 'vitest';
import { blocksOf, changeOf, logText, openColours, settled } from './log-text.ts';

const RED = '\x1b[31m';
const BOLD = '\x1b[1m';
const OFF = '\x1b[0m';

test.each([
  [
    { head: 'a', tail: 'b', droppedBytes: 0 },
    { head: 'ab', tail: '', droppedBytes: 0 }
  ],
  [
    { head: 'a', tail: 'b\uFFFD', droppedBytes: 7 },
    { head: 'a', tail: 'b', droppedBytes: 7 }
  ],
  [
    { head: 'a\uFFFD\uFFFD', tail: '', droppedBytes: 0 },
    { head: 'a', tail: '', droppedBytes: 0 }
  ]
])('the log %j', (log, text) => {
  expect(logText(log)).toEqual(text);
});

test.each([
  ['', '', { kind: 'same' }],
  ['', 'a', { kind: 'anew' }],
  ['a', 'ab', { kind: 'more', text: 'b' }],
  ['ab', 'bc', { kind: 'anew' }]
])('from %j to %j', (before, after, change) => {
  expect(changeOf(before, after)).toEqual(change);
});

test.each([
  ['a\r\nb\n', 'a\nb\n'],
  ['10 %\r20 %\r', '20 %'],
  ['10 %\r100 %\ndone', '100 %\ndone'],
  [`\x1b[2K\x1b[1;31mx\x1b[0m\x1b[?25l`, '\x1b[1;31mx\x1b[0m'],
  ['\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b', 'ab'],
  ['\x1b(Ba\x1b7b\x1b=c', 'abc'],
  ['a\x1b[3Ab\x1b[10;20Hc', 'abc']
])('%j settles as %j', (text, expected) => {
  expect(settled(text)).toBe(expected);
});

test.each([
  [`${RED}a`, '', RED],
  [`${RED}a${OFF}b`, '', ''],
  ['b', RED, RED],
  [`${OFF}b${BOLD}`, RED, BOLD],
  [`${RED}${BOLD}\x1b[m`, '', ''],
  [`${BOLD}x`, RED, RED + BOLD]
])('after %j, begun with %j, is on: %j', (text, before, expected) => {
  expect(openColours(text, before)).toBe(expected);
});

describe('blocks', () => {
  test.each([
    ['', 4, [], ''],
    ['abc', 4, [], 'abc'],
    ['ab\ncd\nef\ngh', 4, ['ab\ncd\n', 'ef\n'], 'gh'],
    ['abcdefgh\nx\n', 4, ['abcdefgh\n', 'x\n'], ''],
    ['a\n\n\n\nb\n', 2, ['a\n', '\n\n', '\nb\n'], '']
  ])('%j', (text, size, blocks, open) => {
    expect(blocksOf(text, size)).toEqual({ blocks, open });
    expect(blocks.join('') + open).toBe(text);
  });
});
