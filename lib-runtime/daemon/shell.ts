// SPDX-License-Identifier: BSD-3-Clause
/** One shell: a program on a terminal, its screen, and the windows that show it. docs/shell-protocol.md */
import type { RawData, WebSocket } from 'ws';
import type { Shell as Description } from '../api/schema.ts';
import { decodeFrame, type Frame } from '../api/shell-frames.ts';
import { Coalescer } from './coalescer.ts';
import { type IPty, openPty } from './pty.ts';
import { type ISnapshot, Screen } from './screen.ts';
import { ShellClient } from './shell-client.ts';
import { isReply } from './replies.ts';

export interface IShellRequest {
  readonly description: Description;
  readonly words: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cols: number;
  readonly rows: number;
  onChange(description: Description): void;
}

/** Milliseconds between the request to end and the end by force. */
const GRACE = 3_000;
/** Milliseconds for which changes of title and windows are collected before they are told. */
const TELL_AFTER = 50;
/** Typed bytes that the program has not taken beyond which its windows are not read any more. */
const MAX_TYPED = 1 << 20;
const INTERRUPT = 3;

export class Shell {
  private readonly request: IShellRequest;
  private readonly pty: IPty;
  private readonly output: Coalescer;
  private readonly clients = new Set<ShellClient>();
  private screen: Screen | undefined;
  /** After the end. */
  private last: ISnapshot | undefined;
  private now: Description;
  private cols: number;
  private rows: number;
  private paused = false;
  private telling: ReturnType<typeof setTimeout> | undefined;
  private readonly whenEnded: Promise<void>;
  private settleEnded: () => void = () => undefined;

  /** @throws ContainerError `unsupported` where there are no terminals */
  constructor(request: IShellRequest) {
    this.request = request;
    this.now = request.description;
    this.cols = request.cols;
    this.rows = request.rows;
    this.whenEnded = new Promise(resolve => (this.settleEnded = resolve));
    this.output = new Coalescer((frame, release) => this.broadcast(frame, release));
    this.pty = openPty({
      ...request,
      onData: bytes => this.output.add(bytes),
      onEnd: status => this.end(status)
    });
    this.screen = new Screen(this.cols, this.rows, {
      onReply: text => this.pty.write(Buffer.from(text)),
      onTitle: title => this.retitle(title),
      onBehind: () => this.balance()
    });
  }

  get description(): Description {
    return this.now;
  }

  rename(name: string): void {
    this.change({ name });
  }

  /** Hangs up and, after a grace, ends it by force; settles when it has ended. */
  async stop(): Promise<void> {
    if (this.now.state === 'ended') {
      return;
    }
    this.pty.signal('SIGHUP');
    // A stopped program cannot hear it otherwise.
    this.pty.signal('SIGCONT');
    const timer = setTimeout(() => this.pty.signal('SIGKILL'), GRACE);
    await this.whenEnded;
    clearTimeout(timer);
  }

  /** Ends what is shown of it. */
  dispose(): void {
    clearTimeout(this.telling);
    this.screen?.dispose();
    this.clients.forEach(client => client.socket.close(1000));
  }

  /** Takes a window's socket for as long as it is open. */
  attach(socket: WebSocket): void {
    const client = new ShellClient(socket);
    this.clients.add(client);
    socket.on('message', (data, isBinary) => {
      const frame = isBinary ? decodeFrame(asBytes(data)) : undefined;
      if (frame) {
        this.receive(client, frame);
      }
    });
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      this.clients.delete(client);
      this.balance();
      this.countClients();
    });
    this.countClients();
  }

  private receive(client: ShellClient, frame: Frame): void {
    switch (frame.type) {
      case 'data':
        this.type(client, frame.bytes);
        break;
      case 'ack':
        client.drew(frame.bytes);
        if (frame.bytes === 0) {
          // Somebody asks whether the daemon is there.
          client.send({ type: 'data', bytes: new Uint8Array(0) });
        }
        this.balance();
        break;
      case 'resize':
        this.resize(client, frame.cols, frame.rows);
        break;
      default:
        break;
    }
  }

  private type(client: ShellClient, bytes: Uint8Array): void {
    if (this.now.state === 'ended') {
      return;
    }
    if (isReply(bytes)) {
      // Every window's terminal answers a question of the program; one answer is enough.
      if (client === this.leader) {
        this.pty.write(bytes);
      }
      return;
    }
    this.activate(client);
    if (bytes.length === 1 && bytes[0] === INTERRUPT) {
      this.pty.forget();
    }
    this.pty.write(bytes);
    if (this.pty.unwritten > MAX_TYPED) {
      client.socket.pause();
      void this.pty.drained().then(() => client.socket.resume());
    }
  }

  private resize(client: ShellClient, cols: number, rows: number): void {
    const isNew = client.state === 'new';
    if (cols > 0 && rows > 0 && this.now.state === 'running') {
      this.activate(client);
      if (cols !== this.cols || rows !== this.rows) {
        this.output.flush();
        this.cols = cols;
        this.rows = rows;
        this.pty.resize(cols, rows);
        this.screen?.resize(cols, rows);
        for (const other of this.clients) {
          if (other !== client && other.state !== 'new') {
            other.send({ type: 'resize', cols, rows });
          }
        }
      }
    }
    if (isNew) {
      this.draw(client);
    }
  }

  private activate(client: ShellClient): void {
    client.activeAt = performance.now();
    this.balance();
  }

  /** The window in use: the last one that was typed in or given a size. Only it can hold the program back. */
  private get leader(): ShellClient | undefined {
    let leader: ShellClient | undefined;
    for (const client of this.clients) {
      if (client.activeAt > (leader?.activeAt ?? 0)) {
        leader = client;
      }
    }
    return leader;
  }

  /** Sends a client the whole screen, then all output. */
  private draw(client: ShellClient): void {
    const { screen, last } = this;
    if (last) {
      client.sendSnapshot(last);
      client.send({ type: 'exit', status: this.now.status ?? 0 });
      client.socket.close(1000);
      return;
    }
    // What is collected is part of the screen, not of what comes after it.
    this.output.flush();
    client.state = 'waiting';
    screen?.snapshot(snapshot => {
      client.state = 'live';
      client.sendSnapshot(snapshot);
      if (this.now.title !== undefined) {
        client.send({ type: 'title', title: this.now.title });
      }
      this.balance();
    });
  }

  private broadcast(frame: Uint8Array, release: () => void): void {
    let users = 1;
    const done = (): void => {
      users -= 1;
      if (users === 0) {
        release();
      }
    };
    let seen = false;
    for (const client of this.clients) {
      if (client.state === 'live') {
        users += 1;
        client.sendData(frame, done);
      }
      seen ||= client.state === 'live' || client.state === 'waiting';
    }
    this.screen?.add(frame.subarray(1), seen, done);
    this.balance();
  }

  /** Decides who gets output and whether the program may go on. */
  private balance(): void {
    if (this.now.state === 'ended') {
      return;
    }
    const { leader } = this;
    for (const client of this.clients) {
      if (client.state === 'live' && client.full && client !== leader) {
        client.state = 'behind';
      } else if (client.state === 'behind' && !client.full) {
        this.drawAgain(client);
      }
    }
    const hold = leader?.full === true || this.screen?.behind === true;
    if (hold !== this.paused) {
      this.paused = hold;
      if (hold) {
        this.pty.pause();
      } else {
        this.pty.resume();
      }
    }
  }

  private drawAgain(client: ShellClient): void {
    const { pause } = client;
    if (pause === 0) {
      this.draw(client);
      return;
    }
    // Asked for again by the next output or ACK, and at the latest then.
    setTimeout(() => this.balance(), pause + 1).unref();
  }

  private end(status: number): void {
    this.output.flush();
    const screen = this.screen;
    screen?.snapshot(snapshot => {
      this.last = snapshot;
      this.change({ state: 'ended', status, endedAt: new Date().toISOString() });
      for (const client of this.clients) {
        if (client.state === 'live') {
          client.send({ type: 'exit', status });
          client.socket.close(1000);
        } else if (client.state !== 'new') {
          this.draw(client);
        }
      }
      this.screen = undefined;
      screen.dispose();
      this.settleEnded();
    });
  }

  private retitle(title: string): void {
    for (const client of this.clients) {
      if (client.state === 'live') {
        client.send({ type: 'title', title });
      }
    }
    this.now = { ...this.now, title };
    this.tellSoon();
  }

  private countClients(): void {
    this.now = { ...this.now, clients: this.clients.size };
    this.tellSoon();
  }

  private tellSoon(): void {
    this.telling ??= setTimeout(() => this.change({}), TELL_AFTER);
  }

  private change(change: Partial<Description>): void {
    clearTimeout(this.telling);
    this.telling = undefined;
    this.now = { ...this.now, ...change };
    this.request.onChange(this.now);
  }
}

function asBytes(data: RawData): Uint8Array {
  return Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
