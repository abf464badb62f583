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
  private readonly onChange: () => void;
  private choice: RendererChoice = 'auto';
  private shown = false;
  private losses = 0;
  private addon: { dispose(): void } | undefined;
  private loading: Promise<void> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `onChange`: another renderer draws now, and its letters are of another width. */
  constructor(terminal: Terminal, onChange: () => void) {
    this.terminal = terminal;
    this.onChange = onChange;
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

  /** Whether the terminal can be seen; it must be open by then. Settles when it is known what draws. */
  async show(shown: boolean): Promise<void> {
    this.shown = shown;
    this.settle();
    await this.loading;
  }

  dispose(): void {
    this.isDisposed = true;
    clearTimeout(this.timer);
    this.addon?.dispose();
  }

  private settle(): void {
    clearTimeout(this.timer);
    const wanted = this.shown && this.choice !== 'dom' && this.losses < PATIENCE;
    if (!wanted) {
      this.drop();
    } else if (!this.addon && !this.loading && (this.choice === 'webgl' || canDraw())) {
      this.loading = this.load().finally(() => {
        this.loading = undefined;
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
      this.onChange();
    } catch {
      // No WebGL 2, or the chunk did not come: HTML draws already.
      addon?.dispose();
      this.losses = PATIENCE;
    }
  }

  private drop(): void {
    const { addon } = this;
    this.addon = undefined;
    if (addon) {
      addon.dispose();
      this.onChange();
    }
  }
}

let worth: boolean | undefined;

/** Whether WebGL will do better than HTML on this machine; found out once. */
function canDraw(): boolean {
  worth ??= hasGpu() && isHonest();
  return worth;
}

/**
 * Drawn by the processor (a virtual machine, a remote desktop) WebGL is several times slower than HTML: a flood took
 * seconds to stop instead of tenths of one.
 */
function hasGpu(): boolean {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('webgl2', { failIfMajorPerformanceCaveat: true });
  if (!context) {
    return false;
  }
  const names = context.getExtension('WEBGL_debug_renderer_info');
  const name = names ? String(context.getParameter(names.UNMASKED_RENDERER_WEBGL)) : '';
  context.getExtension('WEBGL_lose_context')?.loseContext();
  return !/swiftshader|llvmpipe|software|basic render/i.test(name);
}

/**
 * Whether what is drawn on a canvas can be read back as it was. Browsers that hide their user's traces change it, and
 * text would come out blank or in rainbow colours.
 */
function isHonest(): boolean {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 8;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) {
    return false;
  }
  const color = [17, 119, 204, 255];
  context.fillStyle = `rgb(${color.slice(0, 3).join(', ')})`;
  context.fillRect(0, 0, 8, 8);
  return context.getImageData(0, 0, 8, 8).data.every((value, at) => value === color[at % 4]);
}
