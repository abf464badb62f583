// SPDX-License-Identifier: BSD-3-Clause
/**
 * One window's connection to a shell of the daemon: attaches, reports what was drawn so that a flood is held back,
 * comes back for ever, and knows when there is nothing to come back to. docs/shell-protocol.md tells the conversation.
 */
import { type IChannelOpener, type IPatience, type IStandingChannel, keepOpen, type Message } from './channel.ts';
import { NO_SUCH_SHELL, shellSocketPath } from './routes.ts';
import { decodeFrame, encodeFrame, MAX_DATA } from './shell-frames.ts';

/**
 * `connecting` until the first snapshot; `offline` while it is tried again; `ended` after the program's end (its last
 * screen was sent); `gone` when the daemon has no such shell (it was removed, or the daemon was started anew).
 * The last two are final.
 */
export type ShellConnectionState = 'connecting' | 'connected' | 'offline' | 'ended' | 'gone';

export interface IShellHandlers {
  /** Reset the terminal, give it this size, write the text. Comes at every attach, and after a flood was skipped. */
  onSnapshot(text: string, cols: number, rows: number): void;
  /** Write the bytes and call `done` once they are drawn, as xterm's `write(bytes, done)` does. */
  onData(bytes: Uint8Array, done: () => void): void;
  /** Another window changed the size of the shell: show it at that size. */
  onResize?(cols: number, rows: number): void;
  onTitle?(title: string): void;
  onExit?(status: number): void;
  onState?(state: ShellConnectionState): void;
}

export interface IShellOptions {
  /** Of this window, in cells. */
  readonly cols: number;
  readonly rows: number;
  readonly patience?: IPatience;
}

/** Bytes drawn after which an ACK goes out: well below the daemon's low mark. */
const ACK_EVERY = 64 * 1024;

/** Asks for an empty DATA. */
const QUESTION = encodeFrame({ type: 'ack', bytes: 0 });

export class ShellConnection {
  private readonly transport: IChannelOpener;
  private readonly id: string;
  private readonly handlers: IShellHandlers;
  private readonly patience: IPatience | undefined;
  private channel: IStandingChannel | undefined;
  private cols: number;
  private rows: number;
  private now: ShellConnectionState = 'connecting';
  /** Counts attachments: what an earlier one had drawn is of no interest to the present one. */
  private attachment = 0;
  private drawn = 0;
  private closed = false;

  constructor(transport: IChannelOpener, id: string, handlers: IShellHandlers, options: IShellOptions) {
    this.transport = transport;
    this.id = id;
    this.handlers = handlers;
    this.cols = options.cols;
    this.rows = options.rows;
    this.patience = options.patience;
  }

  get state(): ShellConnectionState {
    return this.now;
  }

  /** Opens the connection, once. */
  attach(): void {
    if (this.channel || this.closed) {
      return;
    }
    this.channel = keepOpen(this.transport, shellSocketPath(this.id), {
      greeting: () => {
        this.attachment += 1;
        this.drawn = 0;
        return encodeFrame({ type: 'resize', cols: this.cols, rows: this.rows });
      },
      question: QUESTION,
      onMessage: message => this.receive(message),
      onState: state => {
        if (state === 'offline') {
          this.tell('offline');
        }
      },
      isFinal: code => {
        if (this.now === 'ended') {
          return true;
        }
        if (code === NO_SUCH_SHELL) {
          this.tell('gone');
          return true;
        }
        return false;
      },
      ...(this.patience && { patience: this.patience })
    });
  }

  /** What was typed or pasted. False when the shell is out of reach: it was not sent and will not be. */
  send(input: string | Uint8Array): boolean {
    const bytes = typeof input === 'string' ? new TextEncoder().encode(input) : input;
    let sent = this.now === 'connected';
    for (let at = 0; at < bytes.length && sent; at += MAX_DATA) {
      const frame = encodeFrame({ type: 'data', bytes: bytes.subarray(at, at + MAX_DATA) });
      sent = this.channel?.send(frame) === true;
    }
    return sent;
  }

  /** The window's size in cells. It makes this window the one whose size counts. */
  resize(cols: number, rows: number): void {
    this.cols = cols;
    this.rows = rows;
    this.channel?.send(encodeFrame({ type: 'resize', cols, rows }));
  }

  /** Tries at once when offline, e.g. at the banner's button or when the browser is online again. */
  retry(): void {
    this.channel?.retry();
  }

  /** Detaches; the shell goes on. No handler is called afterwards. */
  close(): void {
    this.closed = true;
    this.channel?.close();
  }

  private receive(message: Message): void {
    const frame = typeof message === 'string' ? undefined : decodeFrame(message);
    if (!frame || this.closed) {
      return;
    }
    switch (frame.type) {
      case 'snapshot':
        this.handlers.onSnapshot(frame.text, frame.cols, frame.rows);
        this.tell('connected');
        break;
      case 'data':
        if (frame.bytes.length > 0) {
          const { attachment } = this;
          this.handlers.onData(frame.bytes, () => this.acknowledge(attachment, frame.bytes.length));
        }
        break;
      case 'resize':
        this.handlers.onResize?.(frame.cols, frame.rows);
        break;
      case 'title':
        this.handlers.onTitle?.(frame.title);
        break;
      case 'exit':
        this.tell('ended');
        this.handlers.onExit?.(frame.status);
        break;
      case 'ack':
        break;
    }
  }

  private acknowledge(attachment: number, bytes: number): void {
    if (attachment !== this.attachment || this.closed) {
      return;
    }
    this.drawn += bytes;
    if (this.drawn >= ACK_EVERY) {
      this.channel?.send(encodeFrame({ type: 'ack', bytes: this.drawn }));
      this.drawn = 0;
    }
  }

  private tell(state: ShellConnectionState): void {
    if (this.now !== state) {
      this.now = state;
      this.handlers.onState?.(state);
    }
  }
}
