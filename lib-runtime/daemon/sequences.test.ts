// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SequenceScanner } from './sequences.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const utf8 = (text: string): Uint8Array => Buffer.from(text);

test.each<[string, Uint8Array, number, boolean]>([
  ['nothing', bytes(''), 0, true],
  ['text', bytes('ab\r\n'), 4, true],
  ['characters of several bytes', utf8('é€😀'), 9, true],
  ['a character that is cut', utf8('a😀').subarray(0, 4), 1, true],
  ['a longer text with a cut at its end', utf8('hello wörld €').subarray(0, 15), 13, true],
  ['colours', bytes('a\x1b[31mb'), 7, false],
  ['an escape that is cut', bytes('a\x1b'), 1, false],
  ['parameters that are cut', bytes('a\x1b[3;'), 1, false],
  ['a title', bytes('\x1b]0;x\x07a'), 7, false],
  ['a title that ends otherwise', bytes('\x1b]0;x\x1b\\a'), 8, false],
  ['a title whose end is cut', bytes('ab\x1b]0;x\x1b'), 2, false],
  ['a device control string holds a BEL', bytes('\x1bPq\x07a'), 0, false],
  ['a string that is cancelled', bytes('\x1bPq\x18ab'), 6, false],
  ['a character set', bytes('\x1b(0'), 3, false],
  ['shift out', bytes('a\x0e'), 2, false],
  ['a C1 control', utf8('a\u009b31m'), 6, false],
  ['a Latin letter after the same first byte', utf8('°C'), 3, true]
])('%s', (_what, piece, boundary, plain) => {
  expect(new SequenceScanner().scan(piece)).toEqual({ boundary, plain });
});

test('what began in one piece ends in another', () => {
  const scanner = new SequenceScanner();
  const pieces = ['a\x1b', '[3', '1', 'mb', '\x1b]2;t', 'itle', '\x1b', '\\', 'c'].map(bytes);
  expect(pieces.map(piece => scanner.scan(piece).boundary)).toEqual([1, -1, -1, 2, 0, -1, -1, 1, 1]);
});

test('the last boundary is the same however the stream is cut', () => {
  const unit = fc.constantFrom('abc', 'é', '€', '😀', '\r\n', '\x1b[1;31m', '\x1b]0;t\x07', '\x1bP1$r\x1b\\', '\x1b7');
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 12 }), fc.array(fc.nat(60)), fc.nat(8), (units, cuts, missing) => {
      const all = utf8(units.join(''));
      const stream = all.subarray(0, Math.max(0, all.length - missing));
      const lastOf = (places: readonly number[]): number => {
        const scanner = new SequenceScanner();
        let last = 0;
        let from = 0;
        for (const to of [...places, stream.length].filter(place => place <= stream.length).sort((a, b) => a - b)) {
          const { boundary } = scanner.scan(stream.subarray(from, to));
          last = boundary < 0 ? last : from + boundary;
          from = to;
        }
        return last;
      };
      expect(lastOf(cuts)).toBe(lastOf([]));
    })
  );
});
