// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeName, encodeName, fsPath } from './names.ts';

describe('names', () => {
  it('survive the way to a string and back, whatever their bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), bytes => {
        const name = Buffer.from(bytes);
        expect(encodeName(decodeName(name)).equals(name)).toBe(true);
      })
    );
  });

  it.each([
    ['UTF-8', Buffer.from('Főtanúsítvány.crt'), 'Főtanúsítvány.crt'],
    ['Latin-1', Buffer.from([0x61, 0xe9, 0x62]), 'a\udce9b'],
    ['UTF-8 and a stray byte', Buffer.from([0xc3, 0xa9, 0xff]), 'é\udcff']
  ])('decodes %s', (_, bytes, name) => {
    expect(decodeName(bytes)).toBe(name);
  });

  it('gives Node bytes only where a string would lie', () => {
    expect(fsPath('/tmp/é')).toBe('/tmp/é');
    expect(fsPath('/tmp/\udce9')).toEqual(Buffer.from('/tmp/\xe9', 'latin1'));
  });
});
