// SPDX-License-Identifier: BSD-3-Clause
/** One window of a shell: what it was sent and has drawn. */
import type { WebSocket } from 'ws';
import { encodeFrame, type Frame, MAX_DATA } from '../api/shell-frames.ts';
import type { ISnapshot } from './screen.ts';

/** Bytes sent and not drawn beyond which a window has had enough, and below which it takes more. */
const HIGH = 512 * 1024;
const LOW = 128 * 1024;
/** Milliseconds between two snapshots for a window that was left behind: one costs as much as a megabyte of output. */
const PAUSE = 1_000;

/** `new`: has not said its size. `waiting`: is drawn a snapshot. `live`: gets all output. `behind`: gets none. */
type State = 'new' | 'waiting' | 'live' | 'behind';

export class ShellClient {
  readonly socket: WebSocket;
  state: State = 'new';
  /** Of its last sign of a person, for "the last active one". */
  activeAt = 0;
  private undrawn = 0;
  private overfull = false;
  private snapshotAt = 0;

  constructor(socket: WebSocket) {
    this.socket = socket;
  }

  /** Whether it has had enough, until it has drawn most of it. */
  get full(): boolean {
    return this.overfull;
  }

  /** Milliseconds until it may have a snapshot again. */
  get pause(): number {
    return Math.max(0, this.snapshotAt + PAUSE - performance.now());
  }

  send(frame: Frame): void {
    this.socket.send(encodeFrame(frame));
  }

  /** A whole DATA frame, which other clients share; `release` is called when it has been written. */
  sendData(frame: Uint8Array, release?: () => void): void {
    this.socket.send(frame, release);
    this.undrawn += frame.length - 1;
    this.overfull ||= this.undrawn > HIGH;
  }

  sendSnapshot({ text, cols, rows, rest }: ISnapshot): void {
    this.snapshotAt = performance.now();
    this.send({ type: 'snapshot', cols, rows, text });
    for (const bytes of rest) {
      for (let at = 0; at < bytes.length; at += MAX_DATA) {
        this.sendData(encodeFrame({ type: 'data', bytes: bytes.subarray(at, at + MAX_DATA) }));
      }
    }
  }

  drew(bytes: number): void {
    this.undrawn = Math.max(0, this.undrawn - bytes);
    this.overfull &&= this.undrawn > LOW;
  }
}
