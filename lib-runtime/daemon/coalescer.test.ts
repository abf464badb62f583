// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { decodeFrame, MAX_DATA } from '../api/shell-frames.ts';
import { Coalescer } from './coalescer.ts';

const sleep = (milliseconds: number): Promise<void> => new Promise(resolve => setTimeout(resolve, milliseconds));

test('a flood becomes few large frames, in order and whole, that nobody changes later', async () => {
  const frames: Uint8Array[] = [];
  const copies: string[] = [];
  const coalescer = new Coalescer(frame => {
    frames.push(frame);
    copies.push(Buffer.from(frame).toString('latin1'));
  });
  const reused = Buffer.alloc(4095);
  let whole = '';
  for (let n = 0; n < 100; n += 1) {
    reused.fill(65 + (n % 26));
    whole += reused.toString('latin1');
    coalescer.add(reused);
  }
  await sleep(20);
  expect(frames.length).toBe(Math.ceil(whole.length / MAX_DATA));
  expect(frames.map(frame => Buffer.from(frame).toString('latin1'))).toEqual(copies);
  const data = frames.map(frame => decodeFrame(frame)).map(frame => (frame?.type === 'data' ? frame.bytes : undefined));
  expect(data.map(bytes => Buffer.from(bytes ?? '').toString('latin1')).join('')).toBe(whole);
});

test('a buffer is used again once it is released, and not before', async () => {
  const held: { frame: Uint8Array; text: string; release: () => void }[] = [];
  const buffers = new Set<ArrayBufferLike>();
  const coalescer = new Coalescer((frame, release) => {
    buffers.add(frame.buffer);
    held.push({ frame, text: Buffer.from(frame).toString('latin1'), release });
  });
  for (let n = 0; n < 50; n += 1) {
    coalescer.add(Buffer.alloc(MAX_DATA, 65 + (n % 26)));
    if (held.length === 5) {
      expect(held.map(({ frame }) => Buffer.from(frame).toString('latin1'))).toEqual(held.map(({ text }) => text));
      held.splice(0, 3).forEach(({ release }) => release());
    }
  }
  await sleep(10);
  expect(buffers.size).toBeLessThanOrEqual(7);
});

test('a few letters go at once, and flush() does not send nothing', async () => {
  const frames: Uint8Array[] = [];
  const coalescer = new Coalescer(frame => frames.push(frame));
  coalescer.flush();
  await sleep(10);
  coalescer.add(Buffer.from('ab'));
  coalescer.add(Buffer.from('c'));
  coalescer.flush();
  expect(frames.map(frame => Buffer.from(frame).toString())).toEqual(['\0abc']);
  await sleep(10);
  expect(frames.length).toBe(1);
});
