// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { readRecent, remember } from './recent.ts';

test('recent references: newest first, each once, twelve of them', () => {
  expect(remember(['a', 'b', 'c'], 'b')).toEqual(['b', 'a', 'c']);
  expect(
    remember(
      Array.from({ length: 12 }, (_, at) => `r${at}`),
      'new'
    )
  ).toHaveLength(12);
  expect(readRecent(['a', 3, '', 'b'])).toEqual(['a', 'b']);
  expect(readRecent({ 0: 'a' })).toEqual([]);
});
