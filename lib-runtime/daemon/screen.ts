// SPDX-License-Identifier: BSD-3-Clause
/**
 * The screen of a shell, kept for a window that comes back: a terminal without a display. It reads slower than a
 * flood is written, so it reads when there is time, and of a flood of plain text only what is not scrolled away.
 */
import serialize from '@xterm/addon-serialize';
import headless from '@xterm/headless';
import { SequenceScanner } from './sequences.ts';
import { hasScrollRegion, serializeTerminal } from './snapshot.ts';

/** Lines above the screen. */
export const SCROLLBACK = 5000;
/** Bytes unread by the terminal beyond which the shell is held back, and below which it goes on. */
const MAX_UNREAD = 2 << 20;
const FEW_UNREAD = 1 << 20;
/**
 * Milliseconds after which output is read, unless more than so many bytes have come meanwhile: then it is a flood. Where
 * no window answers a program's questions, they should not wait; else a flood that falters should not be read.
 */
const READ_AFTER = { unseen: 40, seen: 250 } as const;
const FLOOD = 64 * 1024;
const WORTH_SKIPPING = 256 * 1024;

export interface IScreenHooks {
  /** An answer of the terminal to a program that nobody else has answered. */
  onReply(text: string): void;
  onTitle(title: string): void;
  /** Whether the shell must wait for the screen. */
  onBehind(): void;
}

export interface ISnapshot {
  readonly text: string;
  readonly cols: number;
  readonly rows: number;
  /** What has come since, from a place where nothing is unfinished. */
  readonly rest: readonly Uint8Array[];
}

interface IPiece {
  readonly bytes: Uint8Array;
  readonly boundary: number;
  readonly plain: boolean;
  /** Whether a window's terminal sees it, too, and answers it. */
  readonly seen: boolean;
  readonly release: (() => void) | undefined;
}

interface IResize {
  readonly cols: number;
  readonly rows: number;
}

export class Screen {
  private readonly terminal: InstanceType<typeof headless.Terminal>;
  private readonly serializer = new serialize.SerializeAddon();
  private readonly hooks: IScreenHooks;
  private readonly scanner = new SequenceScanner();
  private unread: (IPiece | IResize)[] = [];
  private unreadBytes = 0;
  /** Those of `unread` that cannot be skipped. */
  private unskippable = 0;
  /** Bytes added since it was last looked whether this is a flood. */
  private arrived = 0;
  private reading = false;
  private seen = false;
  private full = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private waiting: ((snapshot: ISnapshot) => void)[] = [];
  private over = false;

  constructor(cols: number, rows: number, hooks: IScreenHooks) {
    this.hooks = hooks;
    this.terminal = new headless.Terminal({ cols, rows, scrollback: SCROLLBACK, allowProposedApi: true });
    this.terminal.loadAddon(this.serializer);
    this.terminal.onData(text => {
      if (!this.seen && !this.over) {
        hooks.onReply(text);
      }
    });
    this.terminal.onTitleChange(title => hooks.onTitle(title));
  }

  /** The shell must wait: too much is unread, or somebody waits for a snapshot. */
  get behind(): boolean {
    return this.full || this.waiting.length > 0;
  }

  /** @param bytes are kept and must not change until `release` is called, if it ever is */
  add(bytes: Uint8Array, seen: boolean, release?: () => void): void {
    if (this.over) {
      return;
    }
    const piece = { bytes, seen, release, ...this.scanner.scan(bytes) };
    this.unread.push(piece);
    this.unreadBytes += bytes.length;
    this.arrived += bytes.length;
    this.unskippable += piece.plain ? 0 : 1;
    if (this.unreadBytes > MAX_UNREAD) {
      this.skip();
      if (this.unreadBytes > MAX_UNREAD) {
        this.setFull(true);
        this.read();
        return;
      }
    }
    this.timer ??= setTimeout(() => this.readInTime(), READ_AFTER[seen ? 'seen' : 'unseen']);
  }

  resize(cols: number, rows: number): void {
    this.unread.push({ cols, rows });
    this.unskippable += 1;
    this.read();
  }

  /**
   * The screen as it is now. `use` is called at once when it is drawn: whatever is added after that is not in it.
   */
  snapshot(use: (snapshot: ISnapshot) => void): void {
    this.waiting.push(use);
    this.hooks.onBehind();
    this.read();
  }

  dispose(): void {
    this.over = true;
    clearTimeout(this.timer);
    this.unread = [];
    this.waiting = [];
    this.terminal.dispose();
  }

  private readInTime(): void {
    this.timer = undefined;
    if (this.over) {
      return;
    }
    // A screen takes its memory early in a flood, not when somebody looks.
    const filled = this.terminal.buffer.normal.length > SCROLLBACK;
    const flood = filled && this.arrived > FLOOD;
    this.arrived = 0;
    if (flood) {
      // Most of it need not be read. It is looked at again.
      this.timer = setTimeout(() => this.readInTime(), READ_AFTER.seen);
    } else {
      this.read();
    }
  }

  /** Lets the terminal read until nothing is left that can be read. */
  private read(): void {
    if (this.reading || this.over) {
      return;
    }
    if (this.unreadBytes > WORTH_SKIPPING) {
      this.skip();
    }
    this.reading = true;
    void this.readOn(this.unreadBytes);
  }

  /** Reads so many bytes, and on for as long as the shell waits: a flood that is not held back would have no end. */
  private async readOn(bytes: number): Promise<void> {
    let left = bytes;
    for (;;) {
      if (left <= 0 && !this.behind && this.unreadBytes > 0) {
        this.reading = false;
        this.timer ??= setTimeout(() => this.readInTime(), READ_AFTER.seen);
        return;
      }
      const next = this.over ? undefined : this.next();
      if (!next) {
        this.reading = false;
        this.setFull(false);
        if (!this.over && this.waiting.length > 0) {
          this.serve();
        }
        return;
      }
      if ('cols' in next) {
        this.terminal.resize(next.cols, next.rows);
        continue;
      }
      this.seen = next.seen;
      left -= next.bytes.length;
      await new Promise<void>(resolve => this.terminal.write(next.bytes, resolve));
      next.release?.();
      if (this.unreadBytes < FEW_UNREAD) {
        this.setFull(false);
      }
    }
  }

  private serve(): void {
    const text = serializeTerminal(this.terminal, this.serializer, SCROLLBACK);
    const rest = this.unread.flatMap(piece => ('bytes' in piece ? [piece.bytes] : []));
    const { cols, rows } = this.terminal;
    const waiting = this.waiting;
    this.waiting = [];
    waiting.forEach(use => use({ text, cols, rows, rest }));
    this.hooks.onBehind();
  }

  /** Takes the next piece from `unread`, up to a place where nothing is unfinished. */
  private next(): IPiece | IResize | undefined {
    const [first] = this.unread;
    if (!first || 'cols' in first) {
      this.unskippable -= first ? 1 : 0;
      return this.unread.shift();
    }
    const finished = this.unread.findLastIndex(piece => 'cols' in piece || piece.boundary >= 0);
    // An escape sequence of megabytes is no escape sequence: it is read as it is.
    const whole = finished > 0 || first.boundary === first.bytes.length || this.unreadBytes > MAX_UNREAD;
    const end = whole ? first.bytes.length : first.boundary;
    if (end <= 0) {
      return undefined;
    }
    this.unreadBytes -= end;
    if (end === first.bytes.length) {
      this.unread.shift();
      this.unskippable -= first.plain ? 0 : 1;
      return first;
    }
    this.unskippable += first.plain ? 1 : 0;
    this.unread[0] = { ...first, bytes: first.bytes.subarray(end), boundary: -1, plain: false };
    return { ...first, bytes: first.bytes.subarray(0, end), release: undefined };
  }

  /**
   * Forgets plain text that the text after it would scroll out of sight. Only when nothing else is before it: with a
   * scroll region set, lines outside of it would stay.
   */
  private skip(): void {
    if (this.unskippable > 0 || hasScrollRegion(this.terminal)) {
      return;
    }
    const pieces = this.unread as IPiece[];
    let missing = SCROLLBACK + this.terminal.rows + 1;
    let from = pieces.length;
    while (from > 0 && missing > 0) {
      from -= 1;
      missing -= countLines(pieces[from]?.bytes ?? NOTHING);
    }
    // One more, which loses its first line: the cut is at the beginning of a line.
    from -= 1;
    const first = pieces[from];
    const cut = first && lineStart(first.bytes);
    if (!first || cut === undefined) {
      return;
    }
    const gone = pieces.slice(0, from);
    const dropped = gone.reduce((sum, piece) => sum + piece.bytes.length, cut);
    gone.forEach(piece => piece.release?.());
    const rest = { ...first, bytes: first.bytes.subarray(cut), boundary: first.boundary - cut };
    this.unread = [rest, ...pieces.slice(from + 1)];
    this.unreadBytes -= dropped;
  }

  private setFull(full: boolean): void {
    if (this.full !== full) {
      this.full = full;
      this.hooks.onBehind();
    }
  }
}

const NOTHING = new Uint8Array(0);

function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    lines += bytes[at] === 0x0a ? 1 : 0;
  }
  return lines;
}

/** After the first line's CR LF. */
function lineStart(bytes: Uint8Array): number | undefined {
  const at = bytes.indexOf(0x0a);
  return at > 0 && bytes[at - 1] === 0x0d ? at + 1 : undefined;
}
