// SPDX-License-Identifier: BSD-3-Clause
/** xterm with its add-ons, for one tab. This module is loaded when the first shell is opened, and not before. */
import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { type ITheme, Terminal } from '@xterm/xterm';
import { Clipboard } from '@jupyterlab/apputils';
import type { IDisposable } from '@lumino/disposable';
import shellCss from '../../style/shell.raw.css';
import xtermCss from '../../style/xterm.raw.css';
import { cleanPaste } from './input-queue.ts';
import { keyAction } from './keys.ts';
import { Renderer, type RendererChoice } from './renderer.ts';

export interface ITerminalLook {
  readonly theme: ITheme;
  readonly contrast: number;
  readonly fontFamily: string;
  /** Pixels. */
  readonly fontSize: number;
  readonly scrollback: number;
  readonly screenReader: boolean;
  readonly renderer: RendererChoice;
}

export interface ITerminalHandlers {
  /** Typed or pasted, and the terminal's own answers to questions of programs. */
  onInput(text: string): void;
  /** Reports of the mouse in the old form: one byte a character. */
  onBinary(bytes: Uint8Array): void;
  onFocus(): void;
  /** A key was pressed or something was pasted: by the user, not by the terminal. */
  onUse(): void;
  onSearch(): void;
  /** `shown`: the text of the link is its address. */
  onLink(address: string, shown: boolean): void;
}

/** Milliseconds between two Escapes that leave the terminal, as in JupyterLab's. */
const ESCAPE_TWICE = 350;

/** Esc c: a full reset, as bytes, so that it also ends a character that was cut in two. */
const RESET = Uint8Array.of(0x1b, 0x63);

let styled = false;

/** JupyterLab has an xterm of another version on the same page: ours has its style in our tabs only. */
function addStyle(): void {
  if (!styled) {
    styled = true;
    const style = document.createElement('style');
    style.textContent = `.jp-nbcontainer-Shell {\n${xtermCss}\n}\n${shellCss}`;
    document.head.append(style);
  }
}

/** In CSS pixels, as the browser measures it; 0 where it cannot. */
function letterWidth(family: string, size: number): number {
  const context = document.createElement('canvas').getContext('2d');
  if (!context) {
    return 0;
  }
  context.font = `${size}px ${family}`;
  return context.measureText('W').width;
}

export class ShellTerminal implements IDisposable {
  readonly search = new SearchAddon({ highlightLimit: 1000 });
  private readonly host: HTMLElement;
  private readonly handlers: ITerminalHandlers;
  private readonly terminal: Terminal;
  private readonly fitter = new FitAddon();
  private readonly renderer: Renderer;
  private escapeAt = -Infinity;
  /** While a snapshot is drawn: answers to questions in it were given long ago. */
  private replaying = 0;

  /** Opens a terminal in `host`, which must be visible. `describedBy`: id of the words for screen readers. */
  constructor(host: HTMLElement, describedBy: string, look: ITerminalLook, handlers: ITerminalHandlers) {
    addStyle();
    this.host = host;
    this.handlers = handlers;
    this.terminal = new Terminal({
      // The search add-on marks what it finds by an interface that is not settled.
      allowProposedApi: true,
      cursorBlink: true,
      macOptionIsMeta: false,
      linkHandler: { activate: (_event, address) => handlers.onLink(address, false), allowNonHttpProtocols: false }
    });
    this.renderer = new Renderer(this.terminal, () => this.space());
    this.terminal.loadAddon(this.fitter);
    this.terminal.loadAddon(this.search);
    this.terminal.loadAddon(new WebLinksAddon((_event, address) => handlers.onLink(address, true)));
    this.setLook(look);
    this.terminal.open(host);
    this.terminal.textarea?.setAttribute('aria-describedby', describedBy);
    this.terminal.textarea?.addEventListener('focus', () => handlers.onFocus());
    this.terminal.attachCustomKeyEventHandler(event => this.onKey(event));
    this.terminal.onKey(() => handlers.onUse());
    this.terminal.onData(text => this.replaying === 0 && handlers.onInput(text));
    this.terminal.onBinary(text => handlers.onBinary(Uint8Array.from(text, character => character.charCodeAt(0))));
    host.addEventListener('paste', this.onPaste, true);
    host.addEventListener('keydown', this.onHostKey);
  }

  isDisposed = false;

  get cols(): number {
    return this.terminal.cols;
  }

  get rows(): number {
    return this.terminal.rows;
  }

  get rendererKind(): 'webgl' | 'dom' {
    return this.renderer.kind;
  }

  get selection(): string {
    return this.terminal.getSelection();
  }

  setLook(look: ITerminalLook): void {
    Object.assign(this.terminal.options, {
      theme: look.theme,
      minimumContrastRatio: look.contrast,
      fontFamily: look.fontFamily,
      fontSize: look.fontSize,
      scrollback: look.scrollback,
      screenReaderMode: look.screenReader
    });
    this.space();
    this.renderer.choose(look.renderer);
  }

  /** To be told when the tab is shown or hidden. Settles when the width of letters is known. */
  async setShown(shown: boolean): Promise<void> {
    await this.renderer.show(shown);
  }

  /** WebGL cuts the width of a letter to whole pixels, which sets text too tight where most of a pixel is lost. */
  private space(): void {
    const { fontFamily = 'monospace', fontSize = 13 } = this.terminal.options;
    const fraction = (letterWidth(fontFamily, fontSize) * window.devicePixelRatio) % 1;
    this.terminal.options.letterSpacing = this.renderer.kind === 'webgl' && fraction >= 0.5 ? 1 : 0;
  }

  /** As many columns and rows as there is room for; false when that is not known (a hidden tab). */
  fit(): boolean {
    const room = this.fitter.proposeDimensions();
    if (!room || !Number.isFinite(room.cols) || !Number.isFinite(room.rows)) {
      return false;
    }
    this.resize(room.cols, room.rows);
    return true;
  }

  resize(cols: number, rows: number): void {
    this.terminal.resize(cols, rows);
  }

  /** `done` is called when the bytes have been interpreted. */
  write(bytes: Uint8Array, done: () => void): void {
    this.terminal.write(bytes, done);
  }

  /** Shows a screen as the daemon keeps it, after what was written before. */
  show(text: string, cols: number, rows: number): void {
    this.replaying += 1;
    this.terminal.write(RESET, () => this.terminal.resize(cols, rows));
    this.terminal.write(text, () => {
      this.replaying -= 1;
    });
  }

  setReadOnly(readOnly: boolean): void {
    this.terminal.options.disableStdin = readOnly;
    this.terminal.options.cursorBlink = !readOnly;
  }

  focus(): void {
    this.terminal.focus();
  }

  clear(): void {
    this.terminal.clear();
  }

  copy(): void {
    if (this.terminal.hasSelection()) {
      Clipboard.copyToSystem(this.terminal.getSelection());
      this.terminal.clearSelection();
    }
  }

  paste(text: string): void {
    this.handlers.onUse();
    this.terminal.paste(cleanPaste(text));
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.isDisposed = true;
      this.host.removeEventListener('paste', this.onPaste, true);
      this.host.removeEventListener('keydown', this.onHostKey);
      this.renderer.dispose();
      this.terminal.dispose();
    }
  }

  /** True leaves the key to xterm. */
  private onKey(event: KeyboardEvent): boolean {
    if (event.type !== 'keydown' || event.isComposing) {
      return true;
    }
    const { key, ctrlKey: ctrl, shiftKey: shift, altKey: alt, metaKey: meta } = event;
    const action = keyAction(
      { key, ctrl, shift, alt, meta },
      {
        hasSelection: this.terminal.hasSelection(),
        fullScreen: this.terminal.buffer.active.type === 'alternate',
        isMac: /Mac/.test(navigator.platform),
        afterEscape: event.timeStamp - this.escapeAt < ESCAPE_TWICE
      }
    );
    this.escapeAt = key === 'Escape' && action === 'program' ? event.timeStamp : -Infinity;
    if (action === 'program') {
      return true;
    }
    // Our keys are no shortcuts of JupyterLab (Ctrl+Shift+C would open its palette).
    event.stopPropagation();
    if (action !== 'browser') {
      event.preventDefault();
    }
    switch (action) {
      case 'copy':
        this.copy();
        break;
      case 'newline':
        this.handlers.onInput('\n');
        break;
      case 'search':
        this.handlers.onSearch();
        break;
      case 'leave':
        this.leave();
        break;
    }
    return false;
  }

  /** The focus goes to the frame, from where Tab leads on, and Enter back in. */
  private leave(): void {
    if (this.terminal.textarea) {
      this.terminal.textarea.tabIndex = -1;
    }
    this.host.tabIndex = 0;
    this.host.focus();
  }

  private readonly onHostKey = (event: KeyboardEvent): void => {
    if (event.target === this.host && event.key === 'Enter') {
      event.preventDefault();
      event.stopPropagation();
      this.host.removeAttribute('tabindex');
      if (this.terminal.textarea) {
        this.terminal.textarea.tabIndex = 0;
      }
      this.focus();
    }
  };

  /** Before xterm sees it, which would let escape sequences through. */
  private readonly onPaste = (event: ClipboardEvent): void => {
    const text = event.clipboardData?.getData('text/plain');
    event.preventDefault();
    event.stopPropagation();
    if (text) {
      this.paste(text);
    }
  };
}
