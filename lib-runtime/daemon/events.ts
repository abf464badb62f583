// SPDX-License-Identifier: BSD-3-Clause
/** What happens in the daemon, told to every listener. */
import type { DaemonEvent } from '../api/schema.ts';

export type EventListener = (event: DaemonEvent) => void;

export class EventHub {
  private readonly listeners = new Set<EventListener>();
  private readonly onAudience: ((present: boolean) => void) | undefined;

  /** @param onAudience is told when the first listener comes and when the last one goes */
  constructor(onAudience?: (present: boolean) => void) {
    this.onAudience = onAudience;
  }

  /** @returns what ends it */
  listen(listener: EventListener): () => void {
    this.listeners.add(listener);
    if (this.listeners.size === 1) {
      this.onAudience?.(true);
    }
    return () => {
      if (this.listeners.delete(listener) && this.listeners.size === 0) {
        this.onAudience?.(false);
      }
    };
  }

  emit(event: DaemonEvent): void {
    for (const listener of this.listeners) {
      listener(event);
    }
  }
}
