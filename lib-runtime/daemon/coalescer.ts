// SPDX-License-Identifier: BSD-3-Clause
/** Collects the small pieces in which a terminal is read into DATA frames: few and large in a flood, at once else. */
import { FrameType, MAX_DATA } from '../api/shell-frames.ts';

/** Milliseconds for which output is collected. */
const INTERVAL = 4;
/** A frame below this is copied, so that a few letters do not hold the whole of its buffer. */
const SMALL = 16 * 1024;
/** Buffers that are kept for use again: new ones for all of a flood keep the garbage collector busy. */
const KEPT = 64;

/** Takes a whole DATA frame, which is not changed until it calls `release`; one that is never released is collected. */
export type FrameListener = (frame: Uint8Array, release: () => void) => void;

export class Coalescer {
  private readonly onFrame: FrameListener;
  private readonly free: Buffer<ArrayBuffer>[] = [];
  private buffer = Buffer.allocUnsafeSlow(1 + MAX_DATA);
  private length = 1;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private flushedAt = 0;

  constructor(onFrame: FrameListener) {
    this.onFrame = onFrame;
  }

  /** @param bytes are copied */
  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + this.buffer.length - this.length);
      this.buffer.set(part, this.length);
      this.length += part.length;
      at += part.length;
      if (this.length === this.buffer.length) {
        this.flush();
      }
    }
    if (this.length > 1) {
      // What follows silence, such as the echo of a key, goes with what is there at this very moment.
      const wait = performance.now() - this.flushedAt >= INTERVAL ? 0 : INTERVAL;
      this.timer ??= setTimeout(() => this.flush(), wait);
    }
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.length === 1) {
      return;
    }
    this.flushedAt = performance.now();
    const { buffer } = this;
    const filled = buffer.subarray(0, this.length);
    this.length = 1;
    filled[0] = FrameType.data;
    if (filled.length < SMALL) {
      this.onFrame(Buffer.from(filled), () => undefined);
      return;
    }
    this.buffer = this.free.pop() ?? Buffer.allocUnsafeSlow(1 + MAX_DATA);
    this.onFrame(filled, () => {
      if (this.free.length < KEPT) {
        this.free.push(buffer);
      }
    });
  }
}
