// SPDX-License-Identifier: BSD-3-Clause
/** One window of a shell: what it was sent and has drawn. */
import type { WebSocket } from 'ws';
import { encodeFrame, type Frame, MAX_DATA } from '../api/shell-frames.ts';
import type { ISnapshot } from './screen.ts';

/**
 * Bytes sent and not drawn beyond which a window has had enough: what it draws in TARGET milliseconds, so that an
 * interrupt is not waiting behind a flood on its way to a slow page or over a slow network, within these bounds. Below
 * a quarter of it, and at least LOW (a client says at every 64 kB what it has drawn), it takes more.
 */
const HIGHEST = 512 * 1024;
const LOWEST = 96 * 1024;
const LOW = 64 * 1024;
const TARGET = 50;
/** How much the newest ACK counts in what a window draws in a millisecond. */
const NEWEST = 0.25;
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
  /** Bytes a millisecond; what nobody knows yet is taken to be fast. */
  private pace = HIGHEST / TARGET;
  private pacedAt = 0;
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
    if (this.undrawn === 0) {
      this.pacedAt = performance.now();
    }
    this.undrawn += frame.length - 1;
    this.overfull ||= this.undrawn > this.high;
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
    if (bytes > 0 && this.undrawn > 0) {
      const now = performance.now();
      this.pace += NEWEST * (bytes / Math.max(0.1, now - this.pacedAt) - this.pace);
      this.pacedAt = now;
    }
    this.undrawn = Math.max(0, this.undrawn - bytes);
    this.overfull &&= this.undrawn > Math.max(LOW, this.high / 4);
  }

  private get high(): number {
    return Math.min(HIGHEST, Math.max(LOWEST, this.pace * TARGET));
  }
}
