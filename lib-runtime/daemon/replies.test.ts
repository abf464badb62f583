// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { isReply } from './replies.ts';

test.each([
  '\x1b[?1;2c',
  '\x1b[>0;276;0c',
  '\x1b[0n',
  '\x1b[24;80R',
  '\x1b[?24;80R',
  '\x1b[?2026;2$y',
  '\x1b[8;24;80t',
  '\x1b]11;rgb:ffff/ffff/ffff\x1b\\',
  '\x1b]4;1;rgb:00/00/00\x07',
  '\x1bP1$r0m\x1b\\',
  '\x1bP>|xterm.js(6.0.0)\x1b\\',
  '\x1b[I',
  '\x1b[O',
  '\x1b[?1;2c\x1b[1;1R'
])('an answer of a terminal: %j', text => {
  expect(isReply(Buffer.from(text))).toBe(true);
});

test.each([
  '',
  'c',
  '\x1b',
  '\x1b[A',
  '\x1b[1;5D',
  '\x1bOP',
  '\x1b[15~',
  '\x1b[200~ab\x1b[201~',
  '\x1b[<0;1;1M',
  '\x1b[0nls',
  '\x03'
])('typed: %j', text => {
  expect(isReply(Buffer.from(text))).toBe(false);
});
