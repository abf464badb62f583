// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { quoteLine } from '../../lib-runtime/api/command-line.ts';
import { looksLikeShell, splitWords, type Words } from './words.ts';

const open: Words = { problem: 'open-quote' };
test.each<[string, Words]>([
  ['', { words: [] }],
  [' \t\n', { words: [] }],
  ['python3 train.py', { words: ['python3', 'train.py'] }],
  ['  a\tb\r\nc ', { words: ['a', 'b', 'c'] }],
  [`sh -c 'echo "$HOME" | wc'`, { words: ['sh', '-c', 'echo "$HOME" | wc'] }],
  [`"a b"'c d'e`, { words: ['a bc de'] }],
  [`'' ""`, { words: ['', ''] }],
  [String.raw`"a\"b" "\\" "\$x" "\n"`, { words: ['a"b', '\\', '$x', String.raw`\n`] }],
  [String.raw`a\ b \' '\'`, { words: ['a b', "'", '\\'] }],
  ['a\\\nb "c\\\nd"', { words: ['ab', 'cd'] }],
  ['$HOME * ~ | > ; # `id` $(id)', { words: ['$HOME', '*', '~', '|', '>', ';', '#', '`id`', '$(id)'] }],
  ["it's", open],
  ['"a', open],
  ['"a\\', open],
  ['a\\', { problem: 'open-backslash' }]
])('%j', (text, expected) => {
  expect(splitWords(text)).toEqual(expected);
});

test('it reads back every line that quoteLine writes', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: fc.constantFrom(...`'"\\$\`*;|#~ \t\nab\u00e9-`) })), words => {
      expect(splitWords(quoteLine(words))).toEqual({ words });
    })
  );
});

test('of text without expansions and operators a shell makes the same words', () => {
  const texts = [`a "b c" 'd' e\\ f`, String.raw`"\\" "\"" '\' \a "\a"`, `''"" x''y`, 'a\\\nb "c\\\nd"'];
  for (const text of texts) {
    const said = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${text}`]).toString();
    expect(splitWords(text)).toEqual({ words: said.split('\0').slice(0, -1) });
  }
});

describe('a hint that there is no shell', () => {
  test.each([
    [['ls', '|', 'wc'], true],
    [['a', '&&', 'b'], true],
    [['a', '2>&1'], true],
    [['X=1', 'make'], true],
    [['sh', '-c', 'ls | wc'], false],
    [['echo', 'a>b', '--x=1', '*'], false],
    [[], false]
  ])('%j: %s', (words, expected) => {
    expect(looksLikeShell(words)).toBe(expected);
  });
});
