// SPDX-License-Identifier: BSD-3-Clause
/**
 * The binary frames of a shell's WebSocket: one byte of type, then the payload; numbers are big-endian. Whoever sends
 * counts bytes of DATA payloads, whoever receives reports with ACK what its terminal has drawn, so that a flood is
 * held back where it is made. docs/shell-protocol.md tells the conversation.
 */

export const FrameType = {
  /** Both ways: bytes of the terminal (to the daemon: what was typed). */
  data: 0,
  /** To the daemon: u32, bytes of DATA drawn since the last ACK. */
  ack: 1,
  /** To the daemon: u16 columns, u16 rows: this window is the one in use now. From it: the size changed. */
  resize: 2,
  /** From the daemon: u16 columns, u16 rows, then UTF-8: resets the terminal and draws the screen as it is. */
  snapshot: 3,
  /** From the daemon, last: i32 exit status. */
  exit: 4,
  /** From the daemon: UTF-8, the title that a program set. */
  title: 5
} as const;

export type Frame =
  | { readonly type: 'data'; readonly bytes: Uint8Array }
  | { readonly type: 'ack'; readonly bytes: number }
  | { readonly type: 'resize'; readonly cols: number; readonly rows: number }
  | { readonly type: 'snapshot'; readonly cols: number; readonly rows: number; readonly text: string }
  | { readonly type: 'exit'; readonly status: number }
  | { readonly type: 'title'; readonly title: string };

/** Bytes of one DATA payload, at most: proxies have limits on a message. */
export const MAX_DATA = 64 * 1024 - 1;

/** A frame as bytes. */
export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  switch (frame.type) {
    case 'data': {
      const bytes = new Uint8Array(1 + frame.bytes.length);
      bytes.set(frame.bytes, 1);
      return bytes;
    }
    case 'ack':
      return header(FrameType.ack, 4, view => view.setUint32(1, frame.bytes));
    case 'resize':
      return header(FrameType.resize, 4, view => size(view, frame));
    case 'snapshot': {
      const text = new TextEncoder().encode(frame.text);
      const bytes = header(FrameType.snapshot, 4 + text.length, view => size(view, frame));
      bytes.set(text, 5);
      return bytes;
    }
    case 'exit':
      return header(FrameType.exit, 4, view => view.setInt32(1, frame.status));
    case 'title': {
      const text = new TextEncoder().encode(frame.title);
      const bytes = header(FrameType.title, text.length, () => undefined);
      bytes.set(text, 1);
      return bytes;
    }
  }
}

/** The frame in a message; undefined for one that is none. The payload of DATA is a view of `bytes`. Pure. */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const payload = bytes.subarray(1);
  switch (bytes[0]) {
    case FrameType.data:
      return { type: 'data', bytes: payload };
    case FrameType.ack:
      return payload.length === 4 ? { type: 'ack', bytes: view.getUint32(1) } : undefined;
    case FrameType.resize:
      return payload.length === 4 ? { type: 'resize', cols: view.getUint16(1), rows: view.getUint16(3) } : undefined;
    case FrameType.snapshot:
      return payload.length >= 4
        ? { type: 'snapshot', cols: view.getUint16(1), rows: view.getUint16(3), text: utf8(payload.subarray(4)) }
        : undefined;
    case FrameType.exit:
      return payload.length === 4 ? { type: 'exit', status: view.getInt32(1) } : undefined;
    case FrameType.title:
      return { type: 'title', title: utf8(payload) };
    default:
      return undefined;
  }
}

function header(type: number, length: number, fill: (view: DataView) => void): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(1 + length);
  bytes[0] = type;
  fill(new DataView(bytes.buffer));
  return bytes;
}

function size(view: DataView, { cols, rows }: { readonly cols: number; readonly rows: number }): void {
  view.setUint16(1, cols);
  view.setUint16(3, rows);
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
