// SPDX-License-Identifier: BSD-3-Clause
/**
 * A two-way channel to the daemon (a WebSocket, where there is one), and a standing one that opens again for ever.
 * Nothing here knows a browser or Node: timers are the only thing of the surroundings that it uses.
 */

export type Message = string | Uint8Array;

/** A channel that is being opened or open. */
export interface IChannel {
  /** Text or binary; nothing happens when the channel is not open. */
  send(message: string | Uint8Array<ArrayBuffer>): void;
  /** `onClose` follows. */
  close(): void;
}

export interface IChannelHandlers {
  onOpen(): void;
  onMessage(message: Message): void;
  /** Exactly once, also when it never opened. `code` as a WebSocket's: 1006 when nobody said why. */
  onClose(code: number): void;
}

/** Opens channels; see ITransport in client.ts. */
export interface IChannelOpener {
  open(path: string, handlers: IChannelHandlers): IChannel;
}

/** What a WebSocket of a browser and one of the package ws have in common. */
export interface IWebSocket {
  binaryType: string;
  readonly readyState: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
  addEventListener(type: 'open' | 'error', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (event: { readonly code: number }) => void): void;
}

const OPEN = 1;

/** A WebSocket as a channel: `webSocketChannel(new WebSocket(url), handlers)`. */
export function webSocketChannel(socket: IWebSocket, handlers: IChannelHandlers): IChannel {
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('open', () => handlers.onOpen());
  socket.addEventListener('message', ({ data }) => {
    if (typeof data === 'string') {
      handlers.onMessage(data);
    } else if (data instanceof ArrayBuffer) {
      handlers.onMessage(new Uint8Array(data));
    }
  });
  // A close follows every error; without a listener Node would throw it.
  socket.addEventListener('error', () => undefined);
  let closed = false;
  const onClose = (code: number): void => {
    if (!closed) {
      closed = true;
      handlers.onClose(code);
    }
  };
  socket.addEventListener('close', ({ code }) => onClose(code));
  return {
    send: message => {
      if (socket.readyState === OPEN && !closed) {
        socket.send(message);
      }
    },
    close: () => {
      socket.close();
      // A dead network would keep the close handshake, and so the next attempt, waiting for minutes.
      onClose(1006);
    }
  };
}

/** Milliseconds. */
export interface IPatience {
  readonly firstRetry: number;
  readonly lastRetry: number;
  /** Silence after which the other side is asked, and after which an unanswered question means that it is gone. */
  readonly silence: number;
}

export const PATIENCE: IPatience = { firstRetry: 500, lastRetry: 10_000, silence: 5_000 };

/** Whether the daemon is there: it has answered on this very channel, and not been silent for long. */
export type ConnectionState = 'connected' | 'offline';

export interface IStandingOptions {
  /** Sent first, every time the channel opens. The daemon must answer it. */
  readonly greeting: () => string | Uint8Array<ArrayBuffer>;
  /** Asks whether the daemon is there. It must answer it. */
  readonly question: string | Uint8Array<ArrayBuffer>;
  onMessage(message: Message): void;
  onState(state: ConnectionState): void;
  /** What a close means: true ends the attempts. */
  isFinal?(code: number): boolean;
  readonly patience?: IPatience;
}

export interface IStandingChannel {
  /** False when it is not connected: nothing was sent. */
  send(message: string | Uint8Array<ArrayBuffer>): boolean;
  /** Tries at once when it is offline, e.g. when the browser says that the network is back. */
  retry(): void;
  /** For good; no handler is called afterwards. */
  close(): void;
}

/**
 * Keeps a channel open: opens it again after 0.5 s, then after twice as long, up to 10 s, for ever. A connection that
 * has died silently (a network cut) is noticed by an unanswered question.
 */
export function keepOpen(opener: IChannelOpener, path: string, options: IStandingOptions): IStandingChannel {
  const patience = options.patience ?? PATIENCE;
  let channel: IChannel | undefined;
  let connected = false;
  let told: ConnectionState | undefined;
  let over = false;
  let asked = false;
  let heard = false;
  let wait = patience.firstRetry;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let watch: ReturnType<typeof setInterval> | undefined;

  const tell = (state: ConnectionState): void => {
    if (told !== state) {
      told = state;
      options.onState(state);
    }
  };

  const closed = (code: number): void => {
    clearInterval(watch);
    channel = undefined;
    connected = false;
    if (over) {
      return;
    }
    if (options.isFinal?.(code) === true) {
      over = true;
      return;
    }
    retryTimer = setTimeout(connect, wait);
    wait = Math.min(patience.lastRetry, wait * 2);
    tell('offline');
  };

  const listen = (): void => {
    if (heard) {
      heard = asked = false;
    } else if (asked) {
      channel?.close();
    } else {
      asked = true;
      channel?.send(options.question);
    }
  };

  function connect(): void {
    clearTimeout(retryTimer);
    asked = heard = false;
    let mine: IChannel | undefined = undefined;
    let dead = false;
    mine = opener.open(path, {
      onOpen: () => {
        if (!over) {
          mine?.send(options.greeting());
        }
      },
      onMessage: message => {
        if (over || dead) {
          return;
        }
        heard = true;
        if (!connected) {
          connected = true;
          wait = patience.firstRetry;
          tell('connected');
        }
        options.onMessage(message);
      },
      onClose: code => {
        dead = true;
        closed(code);
      }
    });
    if (!dead) {
      channel = mine;
      // Also ends an attempt that is neither accepted nor refused.
      watch = setInterval(listen, patience.silence);
    }
  }

  connect();
  return {
    send: message => {
      if (connected && channel) {
        channel.send(message);
        return true;
      }
      return false;
    },
    retry: () => {
      if (!over && !channel) {
        wait = patience.firstRetry;
        connect();
      } else if (!over && connected) {
        // Perhaps it is dead: ask now and judge at the next turn.
        heard = false;
        asked = true;
        channel?.send(options.question);
      }
    },
    close: () => {
      over = true;
      clearTimeout(retryTimer);
      clearInterval(watch);
      channel?.close();
    }
  };
}
