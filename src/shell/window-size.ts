// SPDX-License-Identifier: BSD-3-Clause
/** Whose size a shell has when several windows show it: the one's that was used last. */

/** Milliseconds without another change after which the shell is told its new size. */
const RESIZE_PAUSE = 60;

/** Columns and rows of letters. */
export interface ISize {
  readonly cols: number;
  readonly rows: number;
}

export interface IFittingTerminal extends ISize {
  /** Takes the size of the tab; false where that cannot be measured. */
  fit(): boolean;
}

export interface IWindowSizeOptions {
  /** The terminal while it is to be seen. */
  readonly terminal: () => IFittingTerminal | undefined;
  /** Tells the shell; undefined while nobody listens. */
  readonly tell: () => ((size: ISize) => void) | undefined;
}

export class WindowSize {
  constructor(options: IWindowSizeOptions) {
    this._options = options;
  }

  /** Another window's size is shown. */
  get isForeign(): boolean {
    return this._foreign;
  }

  /** The shell is told this size as it is attached to: it counts as ours. */
  attached(size: ISize): void {
    this._foreign = false;
    this._sent = nameOf(size);
  }

  /** The shell has this size now. */
  became(size: ISize): void {
    this._foreign = nameOf(size) !== this._sent;
  }

  /** Fills the tab, unless another window is the one in use: then its size is shown. */
  fit(): void {
    const terminal = this._options.terminal();
    if (!terminal || this._foreign || !terminal.fit()) {
      return;
    }
    if (this._options.tell() && nameOf(terminal) !== this._sent) {
      clearTimeout(this._timer);
      this._timer = setTimeout(() => this._send(), RESIZE_PAUSE);
    }
  }

  /** Whoever types decides on the size. */
  takeOver(): void {
    this._foreign = false;
    if (this._options.terminal()?.fit() === true) {
      clearTimeout(this._timer);
      this._send();
    }
  }

  dispose(): void {
    clearTimeout(this._timer);
  }

  private _send(): void {
    const terminal = this._options.terminal();
    const tell = this._options.tell();
    if (terminal && tell) {
      const { cols, rows } = terminal;
      this._sent = nameOf(terminal);
      tell({ cols, rows });
    }
  }

  private readonly _options: IWindowSizeOptions;
  private _foreign = false;
  /** The size last told to the shell. */
  private _sent = '';
  private _timer: ReturnType<typeof setTimeout> | undefined;
}

const nameOf = ({ cols, rows }: ISize): string => `${cols}x${rows}`;
