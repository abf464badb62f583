// SPDX-License-Identifier: BSD-3-Clause
/** What happens in the daemon, told to every listener. */
import type { DaemonEvent } from '../api/schema.ts';

export type EventListener = (event: DaemonEvent) => void;

export class EventHub {
  private readonly listeners = new Set<EventListener>();

  /** @returns what ends it */
  listen(listener: EventListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  emit(event: DaemonEvent): void {
    for (const listener of this.listeners) {
      listener(event);
    }
  }
}
