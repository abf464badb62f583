// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where a stream of terminal bytes can be cut: not within a character or an escape sequence (ECMA-48 5.4, and the
 * states of a VT500 parser, https://vt100.net/emu/dec_ansi_parser). Also tells which pieces are text and nothing else.
 */

const State = { ground: 0, escape: 1, csi: 2, osc: 3, string: 4 } as const;
type State = (typeof State)[keyof typeof State];

const ESC = 0x1b;
/** Change the character set, for what comes after them, too. */
const SHIFTS = [0x0e, 0x0f] as const;
/** Begins C1 controls in UTF-8, which are escape sequences of one character. */
const BEFORE_C1 = 0xc2;

export interface IScanned {
  /** Bytes of the piece up to the last place where nothing is unfinished; -1 when there is no such place. */
  readonly boundary: number;
  /** No escape sequence and no change of character set: such text leaves nothing behind but what it prints. */
  readonly plain: boolean;
}

/** Scans a stream piece by piece. */
export class SequenceScanner {
  private state: State = State.ground;
  /** Bytes that a UTF-8 character still lacks. */
  private lacking = 0;

  scan(bytes: Uint8Array): IScanned {
    const clean = this.state === State.ground;
    // Searching for a byte is many times faster than looking at every byte, and most of a flood has none of these.
    let escape = clean ? bytes.indexOf(ESC) : 0;
    if (escape < 0) {
      const boundary = this.finishText(bytes, 0);
      return { boundary, plain: !SHIFTS.some(shift => bytes.includes(shift)) && !hasC1(bytes) };
    }
    let boundary = clean ? this.finishText(bytes.subarray(0, escape), 0) : -1;
    this.lacking = 0;
    let at = escape;
    while (at < bytes.length) {
      if (this.state === State.ground) {
        escape = bytes.indexOf(ESC, at);
        boundary = Math.max(boundary, this.finishText(bytes.subarray(at, escape < 0 ? bytes.length : escape), at));
        if (escape < 0) {
          break;
        }
        at = escape;
        this.lacking = 0;
      }
      this.state = afterByte(this.state, bytes[at] as number);
      at += 1;
      boundary = this.state === State.ground ? at : boundary;
    }
    return { boundary, plain: false };
  }

  /** The last place between two characters in text without escape sequences that begins at `offset`; or -1. */
  private finishText(text: Uint8Array, offset: number): number {
    let rest = this.lacking;
    // A character ends within the last bytes, or else it does not end here.
    let from = Math.max(0, text.length - 3);
    if (from === 0) {
      from = Math.min(rest, text.length);
      rest -= from;
    } else {
      rest = 0;
    }
    let last = rest === 0 ? from : -1;
    for (let at = from; at < text.length; at += 1) {
      const byte = text[at] as number;
      rest = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : Math.max(0, rest - 1);
      last = rest === 0 ? at + 1 : last;
    }
    this.lacking = rest;
    return last < 0 ? -1 : offset + last;
  }
}

function hasC1(bytes: Uint8Array): boolean {
  for (let at = bytes.indexOf(BEFORE_C1); at >= 0; at = bytes.indexOf(BEFORE_C1, at + 1)) {
    if ((bytes[at + 1] ?? 0) < 0xa0) {
      return true;
    }
  }
  return false;
}

/** The state after a byte, ESC included. */
function afterByte(state: State, byte: number): State {
  if (byte === ESC) {
    return State.escape;
  }
  // CAN and SUB end whatever was begun.
  if (byte === 0x18 || byte === 0x1a) {
    return State.ground;
  }
  switch (state) {
    case State.escape:
      if (byte === 0x5b) {
        return State.csi;
      }
      if (byte === 0x5d) {
        return State.osc;
      }
      // DCS, SOS, PM, APC
      if (byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f) {
        return State.string;
      }
      return byte >= 0x30 && byte <= 0x7e ? State.ground : State.escape;
    case State.csi:
      return byte >= 0x40 && byte <= 0x7e ? State.ground : State.csi;
    case State.osc:
      return byte === 0x07 ? State.ground : State.osc;
    default:
      return state;
  }
}
