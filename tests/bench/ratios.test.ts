// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { compare, median, table } from '../../bench/ratios.ts';

const samples = (...pairs: [number, number][]) => pairs.map(([milliseconds, stolen]) => ({ milliseconds, stolen }));

it('takes medians of odd and even series', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

it('leaves out pairs in which the host took processor time', () => {
  const result = compare('a / b', samples([1, 0], [100, 0.5], [2, 0]), samples([2, 0], [2, 0], [8, 0]), 0.4);
  expect(result).toMatchObject({ minimum: 0.5, median: 0.375, pairs: 2, dropped: 1 });
  expect(table([result]).split('\n')[2]).toContain('<= 0.4 MISSED');
  expect(() => compare('a / b', samples([1, 0.5]), samples([1, 0]))).toThrow('in none of 1 pairs');
});
