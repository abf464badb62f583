// SPDX-License-Identifier: BSD-3-Clause
/** Windows of bench/terminal.ts: what a page does with a terminal's WebSocket, without a page. */
import { WebSocket } from 'ws';
import { type DaemonClient, daemonClient } from '../lib-runtime/api/client.ts';
import { shellSocketPath } from '../lib-runtime/api/routes.ts';
import type { NewShell } from '../lib-runtime/api/schema.ts';
import { decodeFrame, encodeFrame } from '../lib-runtime/api/shell-frames.ts';
import type { IJupyter, IWay } from './terminal-server.ts';

export interface ITerminal {
  /** Of output, so far. */
  readonly bytes: number;
  readonly frames: number;
  /** When the last output was drawn, as performance.now(). */
  readonly drawnAt: number;
  /** Bytes drawn in a second; at once by default. */
  speed: number;
  type(text: string): void;
  /** Settles when the text has come, also across frames. */
  seen(text: string): Promise<void>;
  /** Settles when all is drawn and nothing has come for so many milliseconds. */
  quiet(milliseconds: number): Promise<void>;
  /** Takes nothing from now on: a page that hangs. */
  stall(): void;
  close(): Promise<void>;
}

/** Bytes after which our client tells what it has drawn (api/shell-connection.ts). */
const ACK_EVERY = 64 * 1024;
const REMEMBERED = 64;

class Window implements ITerminal {
  bytes = 0;
  frames = 0;
  drawnAt = 0;
  speed = Number.POSITIVE_INFINITY;
  private last = '';
  private cameAt = 0;
  private stalled = false;
  private readonly socket: WebSocket;
  private readonly put: (text: string) => void;
  private readonly end: () => Promise<void>;
  private waiting: { readonly text: string; readonly settle: () => void } | undefined;

  constructor(socket: WebSocket, put: (text: string) => void, end: () => Promise<void>) {
    this.socket = socket;
    this.put = put;
    this.end = end;
  }

  /** One message of output. `tail` is its end, as text. */
  take(bytes: number, tail: string, drawn: () => void): void {
    this.bytes += bytes;
    this.frames += 1;
    this.cameAt = performance.now();
    this.last = (this.last + tail).slice(-REMEMBERED);
    if (this.waiting && this.last.includes(this.waiting.text)) {
      this.waiting.settle();
    }
    // One thing is drawn after the other.
    this.drawnAt = Math.max(this.drawnAt, this.cameAt) + (bytes / this.speed) * 1000;
    const wait = this.drawnAt - this.cameAt;
    if (this.stalled) {
      return;
    }
    if (wait < 1) {
      drawn();
    } else {
      setTimeout(drawn, wait);
    }
  }

  type(text: string): void {
    this.put(text);
  }

  seen(text: string): Promise<void> {
    this.last = '';
    return new Promise(resolve => (this.waiting = { text, settle: resolve }));
  }

  async quiet(milliseconds: number): Promise<void> {
    for (;;) {
      const now = performance.now();
      const left = Math.max(this.cameAt, this.drawnAt) + milliseconds - now;
      if (left <= 0) {
        return;
      }
      await new Promise(resolve => setTimeout(resolve, left + 1));
    }
  }

  stall(): void {
    this.stalled = true;
    this.socket.pause();
  }

  async close(): Promise<void> {
    this.socket.terminate();
    await this.end();
  }
}

async function opened(socket: WebSocket): Promise<void> {
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.on('error', () => undefined);
}

/** A shell of the daemon; `way` is straight to its socket or through Jupyter. */
export async function openOurs(way: IWay, shell: NewShell): Promise<ITerminal> {
  const client: DaemonClient = daemonClient(way);
  const { id } = await client.startShell({ ...shell, cols: 80, rows: 24 });
  const socket = way.socket(shellSocketPath(id));
  const window: Window = new Window(
    socket,
    text => socket.send(encodeFrame({ type: 'data', bytes: Buffer.from(text) })),
    async () => {
      await client.removeShell(id);
      await client.removeShell(id);
    }
  );
  let drawn = 0;
  socket.on('message', (data: Buffer) => {
    const frame = decodeFrame(data);
    if (frame?.type !== 'data') {
      return;
    }
    const { length } = frame.bytes;
    window.take(length, data.toString('latin1', Math.max(1, data.length - REMEMBERED)), () => {
      drawn += length;
      if (drawn >= ACK_EVERY) {
        socket.send(encodeFrame({ type: 'ack', bytes: drawn }));
        drawn = 0;
      }
    });
  });
  await opened(socket);
  socket.send(encodeFrame({ type: 'resize', cols: 80, rows: 24 }));
  return window;
}

/** A terminal of jupyter_server, on which the program is started. */
export async function openTerminado(jupyter: IJupyter, words: readonly string[]): Promise<ITerminal> {
  const { name } = (await jupyter.ask('POST', '/api/terminals')) as { name: string };
  const socket = jupyter.socket(`/terminals/websocket/${name}`);
  const window: Window = new Window(
    socket,
    text => socket.send(JSON.stringify(['stdin', text])),
    async () => void (await jupyter.ask('DELETE', `/api/terminals/${name}`))
  );
  socket.on('message', (data: Buffer) => {
    // A browser parses every message; that it takes time is part of the matter.
    const message = JSON.parse(data.toString()) as [string, string];
    if (message[0] === 'stdout') {
      window.take(Buffer.byteLength(message[1]), message[1].slice(-REMEMBERED), () => undefined);
    }
  });
  await opened(socket);
  socket.send(JSON.stringify(['set_size', 24, 80, 0, 0]));
  window.type(`exec ${words.join(' ')}\n`);
  await new Promise(resolve => setTimeout(resolve, 1_000));
  return window;
}
