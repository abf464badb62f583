// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJournal } from './journal.ts';
import { parseContentRange, RangeSet } from './ranges.ts';

describe('RangeSet', () => {
  it('agrees with a bit for each byte', () => {
    const SIZE = 60;
    const range = fc
      .tuple(fc.integer({ min: 0, max: SIZE }), fc.integer({ min: 0, max: SIZE }))
      .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 12 }), fc.integer({ min: 1, max: 20 }), (ranges, piece) => {
        const bits = Array.from({ length: SIZE }, (_, at) => ranges.some(({ start, end }) => at >= start && at < end));
        const set = new RangeSet(ranges);
        expect(set.total).toBe(bits.filter(Boolean).length);
        const firstGap = bits.indexOf(false);
        expect(set.prefix).toBe(firstGap < 0 ? SIZE : firstGap);
        const left = set.missing(SIZE, piece);
        expect(left.every(({ start, end }) => end > start && end - start <= piece)).toBe(true);
        const covered = Array.from({ length: SIZE }, (_, at) => left.filter(r => at >= r.start && at < r.end).length);
        expect(covered).toEqual(bits.map(bit => (bit ? 0 : 1)));
        expect(left).toEqual([...left].sort((a, b) => a.start - b.start));
      })
    );
  });
});

it.each([
  ['bytes 0-99/200', { start: 0, end: 100, size: 200 }],
  ['bytes 5-5/*', { start: 5, end: 6, size: undefined }],
  ['bytes */200', undefined],
  ['items 0-1/2', undefined],
  [null, undefined]
])('reads Content-Range %j', (header, range) => {
  expect(parseContentRange(header)).toEqual(range);
});

describe('parseJournal', () => {
  const head = '{"version":1,"digest":"sha256:a","size":100}\n';
  it.each([
    ['empty', '', undefined],
    ['a head only', head, []],
    ['ranges', `${head}[0,10]\n[20,30]\n[10,20]\n`, [{ start: 0, end: 30 }]],
    ['a torn line', `${head}[0,10]\n[20,3`, [{ start: 0, end: 10 }]],
    ['a torn head', head.slice(0, 20), undefined],
    ['another digest', head.replace(':a', ':b'), undefined],
    ['another size', head.replace('100', '101'), undefined],
    ['a range beyond the end', `${head}[0,101]\n`, undefined],
    ['a negative range', `${head}[-1,5]\n`, undefined],
    ['a text for a number', `${head}["0",5]\n`, undefined],
    ['a null', `${head}null\n`, undefined]
  ])('%s', (_name, text, ranges) => {
    expect(parseJournal(text, 'sha256:a', 100)?.list()).toEqual(ranges);
  });
});
