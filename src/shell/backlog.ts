// SPDX-License-Identifier: BSD-3-Clause
/**
 * What was given to a terminal and is not drawn yet. Browsers slow the timers of a page that nobody sees down to one a
 * second or a minute, and xterm draws by timers: a program that writes much would be held back for as long as its
 * user looks elsewhere. So a hidden page stops drawing beyond a limit, says that it has drawn, and shows the screen
 * anew when it is seen again.
 */

/** Bytes; well below the daemon's high mark. */
export const HIDDEN_LIMIT = 128 * 1024;

export class Backlog {
  private readonly write: (bytes: Uint8Array, drawn: () => void) => void;
  private readonly isHidden: () => boolean;
  private readonly waiting = new Map<() => void, number>();
  private bytes = 0;

  constructor(write: (bytes: Uint8Array, drawn: () => void) => void, isHidden: () => boolean) {
    this.write = write;
    this.isHidden = isHidden;
  }

  /** Output was left out: the terminal does not show the screen as it is. */
  skipping = false;

  /** `done` is called once: when the bytes are drawn or left out. */
  add(bytes: Uint8Array, done: () => void): void {
    if (!this.skipping && this.isHidden() && this.bytes + bytes.length > HIDDEN_LIMIT) {
      this.skipping = true;
      [...this.waiting.keys()].forEach(each => this.settle(each));
    }
    if (this.skipping) {
      done();
      return;
    }
    this.waiting.set(done, bytes.length);
    this.bytes += bytes.length;
    this.write(bytes, () => this.settle(done));
  }

  private settle(done: () => void): void {
    const length = this.waiting.get(done);
    if (length !== undefined) {
      this.waiting.delete(done);
      this.bytes -= length;
      done();
    }
  }
}
