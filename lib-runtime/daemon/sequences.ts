// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where a stream of terminal bytes can be cut: not within a character or an escape sequence (ECMA-48 5.4, and the
 * states of a VT500 parser, https://vt100.net/emu/dec_ansi_parser). Also tells which pieces are text and nothing else.
 */

const State = { ground: 0, escape: 1, csi: 2, osc: 3, string: 4 } as const;
type State = (typeof State)[keyof typeof State];

export interface IScanned {
  /** Bytes of the piece up to the last place where nothing is unfinished; -1 when there is no such place. */
  readonly boundary: number;
  /** No escape sequence and no change of character set: such text leaves nothing behind but what it prints. */
  readonly plain: boolean;
  /** Line feeds, when plain. */
  readonly lines: number;
}

/** Scans a stream piece by piece. */
export class SequenceScanner {
  private state: State = State.ground;
  /** Bytes that a UTF-8 character still lacks. */
  private lacking = 0;
  /** After 0xC2 may follow a C1 control, which is an escape sequence of one byte. */
  private afterC2 = false;

  scan(bytes: Uint8Array): IScanned {
    let boundary = this.state === State.ground && this.lacking === 0 ? 0 : -1;
    let plain = this.state === State.ground;
    let lines = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at] as number;
      if (this.state !== State.ground) {
        this.state = afterByte(this.state, byte);
        boundary = this.state === State.ground ? at + 1 : boundary;
        continue;
      }
      if (this.lacking > 0 && (byte & 0xc0) === 0x80) {
        plain &&= !(this.afterC2 && byte < 0xa0);
        this.lacking -= 1;
      } else {
        this.lacking = byte < 0xc0 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
        this.afterC2 = byte === 0xc2;
        if (byte === 0x0a) {
          lines += 1;
        } else if (byte === 0x1b) {
          this.state = State.escape;
          plain = false;
          continue;
        } else if (byte === 0x0e || byte === 0x0f) {
          plain = false;
        }
      }
      if (this.lacking === 0) {
        boundary = at + 1;
      }
    }
    return { boundary, plain, lines };
  }
}

function afterByte(state: State, byte: number): State {
  if (byte === 0x1b) {
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
