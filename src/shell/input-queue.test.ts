// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cleanPaste, InputQueue, PAUSE, PIECE } from './input-queue.ts';

describe('InputQueue', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const queue = (reachable = () => true): { sent: string[]; input: InputQueue } => {
    const sent: string[] = [];
    return { sent, input: new InputQueue(text => (reachable() ? (sent.push(text), true) : false)) };
  };

  it('sends keys at once', () => {
    const { sent, input } = queue();
    input.push('l');
    input.push('s');
    expect(sent).toEqual(['l', 's']);
  });

  it('sends a paste in pieces with pauses, and what is typed meanwhile after it', () => {
    const { sent, input } = queue();
    const paste = 'x'.repeat(2 * PIECE + 5);
    input.push(paste);
    input.push('!');
    expect(sent).toHaveLength(1);
    vi.advanceTimersByTime(PAUSE);
    expect(sent).toHaveLength(2);
    vi.runAllTimers();
    expect(sent.join('')).toBe(`${paste}!`);
    expect(input.waiting).toBe(0);
  });

  it('does not cut a character of two units', () => {
    const { sent, input } = queue();
    const paste = `${'x'.repeat(PIECE - 1)}😀end`;
    input.push(paste);
    vi.runAllTimers();
    expect(sent[0]).toBe('x'.repeat(PIECE - 1));
    expect(sent.join('')).toBe(paste);
  });

  it('lets an interrupt overtake a paste, and drops the rest of it', () => {
    const { sent, input } = queue();
    input.push('x'.repeat(10 * PIECE));
    input.push('\x03');
    vi.runAllTimers();
    expect(sent).toEqual(['x'.repeat(PIECE), '\x03']);
  });

  it('drops the rest when the shell is out of reach, and sends again when it is back', () => {
    let reachable = true;
    const { sent, input } = queue(() => reachable);
    input.push('x'.repeat(3 * PIECE));
    reachable = false;
    vi.runAllTimers();
    expect(input.waiting).toBe(0);
    reachable = true;
    input.push('y');
    expect(sent).toEqual(['x'.repeat(PIECE), 'y']);
  });
});

describe('cleanPaste', () => {
  it.each([
    ['plain\twith tab\nand line', 'plain\twith tab\nand line'],
    ['windows\r\nlines\r', 'windows\nlines\n'],
    ['safe\x1b[201~rm -rf /\n', 'safe[201~rm -rf /\n'],
    ['c1\x9bcontrols\x07\x00', 'c1controls'],
    ['ümlaut 😀', 'ümlaut 😀']
  ])('%j', (text, clean) => {
    expect(cleanPaste(text)).toBe(clean);
  });
});
