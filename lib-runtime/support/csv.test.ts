// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { parseCsv, splitCsv } from './csv.ts';

describe('parseCsv', () => {
  it.each<[string, string[] | undefined]>([
    ['', ['']],
    ['a,b', ['a', 'b']],
    ['a,,b,', ['a', '', 'b', '']],
    ['"a,b",c', ['a,b', 'c']],
    ['"a ""b""",c', ['a "b"', 'c']],
    ['""', ['']],
    [' a, b', [' a', ' b']],
    ['a"b', undefined],
    ['a="b"', undefined],
    ['"a"b', undefined],
    ['"a" ,b', undefined],
    ['"a', undefined]
  ])('%j', (line, fields) => {
    expect(parseCsv(line)).toEqual(fields);
  });

  it('is a failure of the command line in splitCsv', () => {
    expect(() => splitCsv('a"b')).toThrow(expect.objectContaining({ code: 'usage', step: 'flag' }));
  });
});
