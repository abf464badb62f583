// SPDX-License-Identifier: BSD-3-Clause
/** A daemon's end of channels, for tests: what was opened, said and closed. */
import type { IChannel, IChannelHandlers, IChannelOpener, Message } from './channel.ts';

/** One opened channel, seen from the other side. */
export interface IOpened {
  readonly path: string;
  readonly said: Message[];
  closed: boolean;
  readonly handlers: IChannelHandlers;
  /** As a network does: the channel ends, with a WebSocket's code. */
  end(code?: number): void;
}

export class FakeOpener implements IChannelOpener {
  readonly opened: IOpened[] = [];

  get last(): IOpened {
    const last = this.opened.at(-1);
    if (!last) {
      throw new Error('nothing was opened');
    }
    return last;
  }

  open(path: string, handlers: IChannelHandlers): IChannel {
    const opened: IOpened = {
      path,
      said: [],
      closed: false,
      handlers,
      end: (code = 1006) => {
        if (!opened.closed) {
          opened.closed = true;
          handlers.onClose(code);
        }
      }
    };
    this.opened.push(opened);
    return { send: message => void opened.said.push(message), close: () => opened.end() };
  }
}
