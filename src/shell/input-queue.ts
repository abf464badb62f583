// SPDX-License-Identifier: BSD-3-Clause
/**
 * What was typed goes out at once; a large paste goes out in pieces with pauses, since a terminal's line takes in only
 * as much as its program reads, and an interrupt must be able to overtake the rest.
 */

/** Characters of one piece: a few times what the kernel keeps for a program that is not reading (4 KiB). */
export const PIECE = 16 * 1024;
/** Milliseconds between two pieces. */
export const PAUSE = 10;

/** Ctrl+C and Ctrl+Z end or stop the program that would read the rest of the paste. */
const INTERRUPTS = new Set(['\x03', '\x1a']);

export class InputQueue {
  private readonly out: (text: string) => boolean;
  private rest = '';
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `out` sends; false means that the shell is out of reach, and then the rest is dropped. */
  constructor(out: (text: string) => boolean) {
    this.out = out;
  }

  /** Characters that wait. */
  get waiting(): number {
    return this.rest.length;
  }

  push(text: string): void {
    if (INTERRUPTS.has(text)) {
      this.clear();
    }
    this.rest += text;
    if (this.timer === undefined) {
      this.next();
    }
  }

  /** Drops what waits. */
  clear(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.rest = '';
  }

  private next(): void {
    this.timer = undefined;
    const piece = this.rest.slice(0, end(this.rest));
    this.rest = this.rest.slice(piece.length);
    if (!this.out(piece)) {
      this.rest = '';
    } else if (this.rest !== '') {
      this.timer = setTimeout(() => this.next(), PAUSE);
    }
  }
}

/** Where the first piece ends: never within a character of two units. */
function end(text: string): number {
  const unit = text.charCodeAt(PIECE - 1);
  return unit >= 0xd800 && unit < 0xdc00 ? PIECE - 1 : PIECE;
}

/**
 * Pasted text without control characters: an escape sequence in it would reach the program as if it had been typed, and
 * the one that ends a bracketed paste would run what comes after it. Tabs and ends of lines stay.
 */
export function cleanPaste(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '');
}
