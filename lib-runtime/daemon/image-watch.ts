// SPDX-License-Identifier: BSD-3-Clause
/** Tells when the store's images change, also when a command in somebody's terminal changes them. */
import { type FSWatcher, watch } from 'node:fs';
import { openStore } from '../store/store.ts';

/** Milliseconds for which changes are collected: a pull writes and renames several files. */
const COLLECT = 250;

/** Watches while somebody listens; nothing is watched otherwise. */
export class ImageWatch {
  private readonly onChange: () => void;
  private watcher: FSWatcher | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wanted = false;

  constructor(onChange: () => void) {
    this.onChange = onChange;
  }

  setWanted(wanted: boolean): void {
    this.wanted = wanted;
    if (wanted) {
      void this.start();
    } else {
      this.watcher?.close();
      this.watcher = undefined;
      clearTimeout(this.timer);
      this.timer = undefined;
    }
  }

  private async start(): Promise<void> {
    // A store that cannot be opened or watched (no inotify left) is listed when it is asked for: nobody needs this.
    const store = await openStore().catch(() => undefined);
    if (!store || !this.wanted || this.watcher) {
      return;
    }
    try {
      // Every image that is pulled or removed has a record here.
      this.watcher = watch(store.refs, { persistent: false }, () => {
        this.timer ??= setTimeout(() => {
          this.timer = undefined;
          this.onChange();
        }, COLLECT);
      });
      this.watcher.on('error', () => this.watcher?.close());
    } catch {
      this.watcher = undefined;
    }
  }
}
