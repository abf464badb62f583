// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { isForeground } from './foreground.ts';

describe('isForeground', () => {
  it.each([
    ['a shell in a terminal', '4242 (node) S 4000 4242 4000 34816 4242 4194304 100', true],
    ['in the background of a terminal', '4242 (node) S 4000 4242 4000 34816 4000 4194304 100', false],
    ['without a terminal', '4242 (node) S 4000 4242 4000 0 -1 4194304 100', false],
    ['a name with spaces and parentheses', '7 (a) S 1 (b) R 1 7 1 34816 7 0', true],
    ['nothing', '', false]
  ])('%s', (_case, stat, expected) => {
    expect(isForeground(stat)).toBe(expected);
  });
});
