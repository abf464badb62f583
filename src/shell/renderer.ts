// SPDX-License-Identifier: BSD-3-Clause
/**
 * WebGL where it works, HTML elsewhere. Browsers keep about 16 WebGL contexts a page and take away the oldest: a tab
 * that is not shown holds none.
 */
import type { WebglAddon } from '@xterm/addon-webgl';
import type { Terminal } from '@xterm/xterm';
import type { IDisposable } from '@lumino/disposable';

export type RendererChoice = 'auto' | 'webgl' | 'dom';

/** Contexts that may be lost before this terminal stays with HTML. */
const PATIENCE = 2;
/** Milliseconds until a new context is asked for: one that was lost with a driver's reset needs a while. */
const PAUSE = 1000;

export class Renderer implements IDisposable {
  private readonly terminal: Terminal;
  private choice: RendererChoice = 'auto';
  private shown = false;
  private losses = 0;
  private addon: { dispose(): void } | undefined;
  private loading = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(terminal: Terminal) {
    this.terminal = terminal;
  }

  isDisposed = false;

  /** What draws now. */
  get kind(): 'webgl' | 'dom' {
    return this.addon ? 'webgl' : 'dom';
  }

  choose(choice: RendererChoice): void {
    if (choice !== this.choice) {
      this.choice = choice;
      this.losses = 0;
      this.settle();
    }
  }

  /** Whether the terminal can be seen; it must be open by then. */
  show(shown: boolean): void {
    this.shown = shown;
    this.settle();
  }

  dispose(): void {
    this.isDisposed = true;
    clearTimeout(this.timer);
    this.drop();
  }

  private settle(): void {
    clearTimeout(this.timer);
    const wanted = this.shown && this.choice !== 'dom' && this.losses < PATIENCE;
    if (!wanted) {
      this.drop();
    } else if (!this.addon && !this.loading && (this.choice === 'webgl' || canDraw())) {
      this.loading = true;
      void this.load().finally(() => {
        this.loading = false;
      });
    }
  }

  private async load(): Promise<void> {
    let addon: WebglAddon | undefined;
    try {
      const webgl = await import('@xterm/addon-webgl');
      if (this.isDisposed || !this.shown || this.choice === 'dom') {
        return;
      }
      addon = new webgl.WebglAddon();
      addon.onContextLoss(() => {
        this.losses += 1;
        this.drop();
        this.timer = setTimeout(() => this.settle(), PAUSE);
      });
      this.terminal.loadAddon(addon);
      this.addon = addon;
    } catch {
      // No WebGL 2, or the chunk did not come: HTML draws already.
      addon?.dispose();
      this.losses = PATIENCE;
    }
  }

  private drop(): void {
    const { addon } = this;
    this.addon = undefined;
    addon?.dispose();
  }
}

let honest: boolean | undefined;

/**
 * Whether what is drawn on a canvas can be read back as it was. Browsers that hide their user's traces change it, and
 * text would come out blank or in rainbow colours.
 */
function canDraw(): boolean {
  if (honest === undefined) {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 8;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (context) {
      context.fillStyle = 'rgb(17, 119, 204)';
      context.fillRect(0, 0, 8, 8);
      const { data } = context.getImageData(0, 0, 8, 8);
      honest = data.every((value, at) => value === [17, 119, 204, 255][at % 4]);
    } else {
      honest = false;
    }
  }
  return honest;
}
