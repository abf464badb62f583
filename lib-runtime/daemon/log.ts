// SPDX-License-Identifier: BSD-3-Clause
/** Output of a job, bounded: its beginning and its end are kept, the middle of a flood is only counted. */
import type { JobLog } from '../api/schema.ts';

const HEAD = 64 * 1024;
const TAIL = 192 * 1024;

export class BoundedLog {
  private head = Buffer.alloc(0);
  private tail: Buffer[] = [];
  private tailBytes = 0;
  private dropped = 0;

  add(chunk: Buffer): void {
    const room = HEAD - this.head.length;
    if (room > 0) {
      this.head = Buffer.concat([this.head, chunk.subarray(0, room)]);
    }
    const rest = chunk.subarray(Math.max(room, 0));
    if (rest.length === 0) {
      return;
    }
    // A copy: a slice would keep the whole of what it was cut from alive.
    this.tail.push(Buffer.from(rest));
    this.tailBytes += rest.length;
    // Up to twice the size before it is cut, so that small chunks do not cost a copy each.
    if (this.tailBytes > 2 * TAIL || this.tail.length > 4096) {
      this.trim();
    }
  }

  snapshot(): JobLog {
    this.trim();
    return { head: this.head.toString(), tail: Buffer.concat(this.tail).toString(), droppedBytes: this.dropped };
  }

  private trim(): void {
    const all = Buffer.concat(this.tail);
    const kept = Buffer.from(all.subarray(Math.max(0, all.length - TAIL)));
    this.dropped += all.length - kept.length;
    this.tail = [kept];
    this.tailBytes = kept.length;
  }
}
