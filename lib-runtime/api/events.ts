// SPDX-License-Identifier: BSD-3-Clause
/** The daemon's events for a client: connected for ever, parsed, and told when it was away. */
import { type ConnectionState, type IChannelOpener, type IPatience, keepOpen } from './channel.ts';
import { EVENTS_PATH } from './routes.ts';
import type { DaemonEvent } from './schema.ts';

export interface IEventHandlers {
  onEvent(event: DaemonEvent): void;
  /**
   * `connected`: the daemon answers and tells its jobs and shells next, as events. What was removed meanwhile is not
   * told: ask for the lists again. `offline`: it does not, and it is tried again and again.
   */
  onState(state: ConnectionState): void;
}

export interface IEventSubscription {
  /** Tries at once when offline. */
  retry(): void;
  close(): void;
}

/** An empty message, which the daemon answers with one. */
const QUESTION = '';

/** Listens until it is closed. */
export function listenEvents(
  transport: IChannelOpener,
  handlers: IEventHandlers,
  patience?: IPatience
): IEventSubscription {
  const channel = keepOpen(transport, EVENTS_PATH, {
    greeting: () => QUESTION,
    question: QUESTION,
    onMessage: message => {
      const event = typeof message === 'string' && message !== '' ? parseEvent(message) : undefined;
      if (event) {
        handlers.onEvent(event);
      }
    },
    onState: state => handlers.onState(state),
    ...(patience && { patience })
  });
  return { retry: () => channel.retry(), close: () => channel.close() };
}

/** What the daemon sends is held to the schema by its own types; a newer daemon's unknown event passes as it is. */
function parseEvent(text: string): DaemonEvent | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'type' in value ? (value as DaemonEvent) : undefined;
  } catch {
    return undefined;
  }
}
