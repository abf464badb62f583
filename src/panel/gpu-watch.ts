// SPDX-License-Identifier: BSD-3-Clause
/** Asks for the GPUs: once when the daemon answers, and again and again only where there is one and it is looked at. */
import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';
import type { GpuStatus } from '../../lib-runtime/api/schema.ts';
import type { ContainersChange, IContainers } from '../tokens.ts';
import type { IPanelContext } from './context.ts';
import type { IGpuSource } from './gpu-view.tsx';

/** Milliseconds between two looks while they fail, at most. */
const MAX = 60_000;

export class GpuWatch implements IGpuSource, IDisposable {
  /** @param isShown whether the section can be seen */
  constructor(context: IPanelContext, isShown: () => boolean) {
    this._context = context;
    const { containers, settings } = context;
    this._poll = new Poll<GpuStatus, unknown>({
      auto: false,
      factory: () => containers.client.gpus(),
      frequency: this._frequency(),
      standby: () => (containers.state === 'connected' && isShown() ? 'when-hidden' : true)
    });
    this._poll.ticked.connect((poll, { phase, payload }) => {
      if (phase === 'resolved') {
        this._set(payload as GpuStatus);
      }
    }, this);
    settings.changed.connect(this._onSettings, this);
    containers.changed.connect(this._onChanged, this);
    void this._look();
  }

  get status(): GpuStatus | undefined {
    return this._status;
  }

  get changed(): ISignal<IGpuSource, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  dispose(): void {
    this._poll.dispose();
    Signal.clearData(this);
  }

  private _onChanged(containers: IContainers, change: ContainersChange): void {
    if (change === 'state' && containers.state === 'connected') {
      void this._look();
    }
  }

  private _onSettings(): void {
    this._poll.frequency = this._frequency();
  }

  private _frequency(): { interval: number; backoff: boolean; max: number } {
    const interval = this._context.settings.values.gpuPollSeconds * 1000;
    return { interval, backoff: true, max: Math.max(interval, MAX) };
  }

  private async _look(): Promise<void> {
    if (this._context.containers.state !== 'connected') {
      return;
    }
    try {
      this._set(await this._context.containers.client.gpus());
    } catch {
      // A daemon that cannot tell: as good as none until it is connected anew.
    }
  }

  private _set(status: GpuStatus): void {
    if (this.isDisposed) {
      return;
    }
    this._status = status;
    if (status.gpus.length > 0 && !this._polling) {
      this._polling = true;
      void this._poll.start();
    }
    this._changed.emit();
  }

  private readonly _context: IPanelContext;
  private readonly _poll: Poll<GpuStatus, unknown>;
  private readonly _changed = new Signal<this, void>(this);
  private _status: GpuStatus | undefined;
  private _polling = false;
}
