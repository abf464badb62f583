// SPDX-License-Identifier: BSD-3-Clause
/** From the output of a program to text that can be drawn piece by piece. Pure. */
import type { JobLog } from '../../lib-runtime/api/schema.ts';

/** What a log view shows: a beginning, the number of bytes that were left out, and an end. */
export interface ILogText {
  readonly head: string;
  readonly droppedBytes: number;
  readonly tail: string;
}

/** As long as nothing was left out, all of it is the head. */
export function logText({ head, droppedBytes, tail }: JobLog): ILogText {
  // A character of which not all bytes have come yet ends in U+FFFD; it is whole the next time.
  const whole = (text: string): string => text.replace(/\uFFFD{1,3}$/, '');
  return droppedBytes === 0
    ? { head: whole(head + tail), droppedBytes, tail: '' }
    : { head, droppedBytes, tail: whole(tail) };
}

/** What to do with a part that is drawn: nothing, draw more behind it, or draw it anew. */
export type Change = { readonly kind: 'same' | 'anew' } | { readonly kind: 'more'; readonly text: string };

export function changeOf(before: string, after: string): Change {
  if (after === before) {
    return { kind: 'same' };
  }
  return before !== '' && after.startsWith(before)
    ? { kind: 'more', text: after.slice(before.length) }
    : { kind: 'anew' };
}

/** CSI sequences other than colours, OSC and other string sequences, and single escapes: not for a page. */
const NOT_COLOUR = /\x1b\[[0-?]*[ -/]*[@-ln-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-Z\\`-~]/g;

/**
 * Text as a terminal would leave it: a carriage return begins the line again, as progress bars do, and only colours
 * are left of the escape sequences.
 */
export function settled(text: string): string {
  const plain = text.replace(NOT_COLOUR, '');
  return plain.includes('\r')
    ? plain
        .replace(/\r+\n/g, '\n')
        .split('\n')
        // What was drawn last; bars are as wide as what they cover.
        .map(line => line.split('\r').reduce((last, part) => (part === '' ? last : part), ''))
        .join('\n')
    : plain;
}

/** The colours that are still on at the end of a text, as sequences to begin the next one with. */
export function openColours(text: string, before = ''): string {
  const found = [...(before + text).matchAll(/\x1b\[([0-9;:]*)m/g)];
  const on: string[] = [];
  for (const [sequence, codes = ''] of found) {
    if (/^0*(;0*)*$/.test(codes)) {
      on.length = 0;
    } else {
      on.push(sequence);
    }
  }
  return on.slice(-16).join('');
}

/** Whole lines in blocks of about this many characters, and the line that is still open. */
export function blocksOf(text: string, size = 16_384): { readonly blocks: readonly string[]; readonly open: string } {
  const end = text.lastIndexOf('\n') + 1;
  const blocks: string[] = [];
  for (let from = 0; from < end;) {
    const near = text.indexOf('\n', from + size - 1) + 1;
    const to = near === 0 || near > end ? end : near;
    blocks.push(text.slice(from, to));
    from = to;
  }
  return { blocks, open: text.slice(end) };
}
