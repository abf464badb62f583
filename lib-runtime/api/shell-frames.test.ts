// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { decodeFrame, encodeFrame, type Frame } from './shell-frames.ts';

test.each<[Frame, string]>([
  [{ type: 'data', bytes: new Uint8Array([27, 91, 0, 255]) }, '001b5b00ff'],
  [{ type: 'data', bytes: new Uint8Array(0) }, '00'],
  [{ type: 'ack', bytes: 0xfffffffe }, '01fffffffe'],
  [{ type: 'resize', cols: 132, rows: 43 }, '020084002b'],
  [{ type: 'snapshot', cols: 80, rows: 24, text: 'é$ ' }, '0300500018c3a92420'],
  [{ type: 'exit', status: -1 }, '04ffffffff'],
  [{ type: 'title', title: 'vim' }, '0576696d']
])('%j', (frame, hex) => {
  const bytes = encodeFrame(frame);
  expect(Buffer.from(bytes).toString('hex')).toBe(hex);
  expect(decodeFrame(bytes)).toEqual(frame);
});

test.each(['', '01', '0100', '02000000', '030050', '0400', '07', 'ff00000000'])('no frame: %s', hex => {
  expect(decodeFrame(Buffer.from(hex, 'hex'))).toBeUndefined();
});
