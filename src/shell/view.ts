// SPDX-License-Identifier: BSD-3-Clause
/** A shell's tab: starts the shell or attaches to one, shows it, and says what is the matter when something is. */
import type { IThemeManager } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { type ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import type { NewShell, Shell } from '../../lib-runtime/api/schema.ts';
import { ShellConnection, type ShellConnectionState } from '../../lib-runtime/api/shell-connection.ts';
import { containerIcon } from '../icons.ts';
import type { ISettings } from '../settings.ts';
import type { IContainers } from '../tokens.ts';
import { Backlog } from './backlog.ts';
import { Bar } from './bar.ts';
import { InputQueue } from './input-queue.ts';
import { openLink } from './links.ts';
import { tabTitle, terminalLook } from './look.ts';
import {
  connectingMessage,
  endedMessage,
  failedMessage,
  type IEndActions,
  offlineMessage,
  startingMessage
} from './messages.ts';
import { SearchBar } from './search-bar.ts';
import { type ITerminalLook, ShellTerminal } from './terminal.ts';
import { matchColors, readThemeColors } from './theme.ts';
import { WindowSize } from './window-size.ts';

/** The shell of a tab. `id`: attach to it. `request`: what it was, or is to be, started with. */
export interface IShellSource {
  readonly id?: string;
  readonly request?: NewShell;
}

export interface IShellViewOptions {
  readonly containers: IContainers;
  readonly settings: ISettings;
  readonly themes: IThemeManager | null;
  readonly trans: TranslationBundle;
  readonly source: IShellSource;
}

/** Milliseconds for which nobody needs to be told that something is under way. */
const QUIET = 400;

let count = 0;

export class ShellView extends Widget {
  constructor(options: IShellViewOptions) {
    super();
    this._options = options;
    this._trans = options.trans;
    this._source = options.source;
    this.addClass('jp-nbcontainer-Shell');
    const instructions = document.createElement('p');
    instructions.id = `jp-nbcontainer-Shell-instructions-${++count}`;
    instructions.className = 'jp-sr-only';
    instructions.textContent = this._trans.__(
      'Press Escape twice to leave the terminal. Press Enter to return to its input.'
    );
    this._instructions = instructions.id;
    const frame = document.createElement('div');
    frame.className = 'jp-nbcontainer-Shell-frame';
    this._host.className = 'jp-nbcontainer-Shell-terminal';
    frame.append(this._host);
    this.node.append(instructions, this._bar.node, frame);
    this._queue = new InputQueue(text => this._connection?.send(text) === true);
    this.title.icon = containerIcon;
    this._updateTitle();
    options.containers.changed.connect(this._onContainers, this);
    options.settings.changed.connect(this._updateLook, this);
    options.themes?.themeChanged.connect(this._updateLook, this);
    window.addEventListener('online', this._retry);
    document.addEventListener('visibilitychange', this._onVisibility);
  }

  /** The id of the shell, once there is one. */
  get shellId(): string | undefined {
    return this._source.id;
  }

  get source(): IShellSource {
    return this._source;
  }

  /** Whether a program runs that closing the tab would leave running. */
  get isRunning(): boolean {
    return this._source.id !== undefined && !this._over;
  }

  /** The shell has an id, the first or another one. */
  get started(): ISignal<this, void> {
    return this._started;
  }

  /** The user is done with this tab. */
  get closeRequested(): ISignal<this, void> {
    return this._closeRequested;
  }

  /** What is shown of the connection, for tests and for the curious. */
  get state(): ShellConnectionState | 'none' {
    return this._connection?.state ?? 'none';
  }

  copy(): void {
    this._terminal?.copy();
  }

  get hasSelection(): boolean {
    return (this._terminal?.selection ?? '') !== '';
  }

  paste(text: string): void {
    this._terminal?.paste(text);
    this._terminal?.focus();
  }

  clear(): void {
    this._terminal?.clear();
  }

  openSearch(): void {
    this._search?.open(this._terminal?.selection ?? '');
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._size.dispose();
    window.removeEventListener('online', this._retry);
    document.removeEventListener('visibilitychange', this._onVisibility);
    this._queue.clear();
    this._connection?.close();
    this._terminal?.dispose();
    super.dispose();
    Signal.clearData(this);
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.update();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.update();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    void this._terminal?.setShown(false);
  }

  protected override onResize(message: Widget.ResizeMessage): void {
    super.onResize(message);
    this.update();
  }

  protected override onUpdateRequest(message: Message): void {
    super.onUpdateRequest(message);
    if (!this.isVisible || this.isDisposed) {
      return;
    }
    const isNew = !this._terminal;
    if (isNew) {
      this._open();
    }
    void this._terminal?.setShown(true).then(() => {
      this._size.fit();
      if (isNew) {
        this._begin();
      }
    });
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this._wantsFocus = true;
    this._terminal?.focus();
  }

  /** xterm measures its letters when it is opened, so that is put off until the tab is first seen. */
  private _open(): void {
    this._terminal = new ShellTerminal(this._host, this._instructions, this._look(), {
      onInput: text => this._queue.push(text),
      onBinary: bytes => this._connection?.send(bytes),
      onFocus: () => this._size.takeOver(),
      onUse: () => {
        if (this._size.isForeign) {
          this._size.takeOver();
        }
      },
      onSearch: () => this.openSearch(),
      onLink: (address, shown) => void openLink(address, shown, this._trans)
    });
    const { search } = this._terminal;
    this._search = new SearchBar(
      search,
      this._trans,
      () => matchColors(readThemeColors(this.node)),
      () => this._terminal?.focus()
    );
    this.node.append(this._search.node);
    if (this._wantsFocus) {
      this._terminal.focus();
    }
  }

  private _begin(): void {
    if (this.isDisposed) {
      return;
    }
    if (this._source.id !== undefined) {
      this._attach(this._source.id);
    } else {
      void this._start();
    }
  }

  private async _start(): Promise<void> {
    const { request } = this._source;
    const terminal = this._terminal;
    if (!request || !terminal) {
      return;
    }
    this._bar.show(startingMessage(this._trans, request.image));
    this._size.fit();
    let shell: Shell;
    try {
      const { cols, rows } = terminal;
      shell = await this._options.containers.client.startShell({ ...request, cols, rows });
    } catch (error) {
      this._fail(error);
      return;
    }
    if (this.isDisposed) {
      // Nobody has seen it, and nobody would find it.
      this._options.containers.client.removeShell(shell.id).catch(() => undefined);
      return;
    }
    this._source = { id: shell.id, request };
    this._shell = shell;
    this._updateTitle();
    this._started.emit();
    this._attach(shell.id);
  }

  private _fail(error: unknown): void {
    if (this.isDisposed) {
      return;
    }
    this._over = true;
    this._bar.show(failedMessage(this._trans, error, this._endActions()));
    this._size.fit();
  }

  private _startAgain(): void {
    const { id } = this._source;
    const request = this._request();
    if (!request) {
      return;
    }
    this._connection?.close();
    this._connection = undefined;
    if (id !== undefined) {
      this._options.containers.client.removeShell(id).catch(() => undefined);
    }
    this._source = { request };
    this._shell = undefined;
    this._over = false;
    this._terminal?.show('', this._terminal.cols, this._terminal.rows);
    this._terminal?.focus();
    void this._start();
  }

  /** What to start the like of this shell with; of one that another window has started only the image is known. */
  private _request(): NewShell | undefined {
    return this._source.request ?? (this._shell && { image: this._shell.image });
  }

  private _attach(id: string): void {
    const terminal = this._terminal;
    if (!terminal) {
      return;
    }
    const { cols, rows } = terminal;
    this._size.attached({ cols, rows });
    const backlog = new Backlog(
      (bytes, drawn) => terminal.write(bytes, drawn),
      () => document.hidden
    );
    this._backlog = backlog;
    const connection = new ShellConnection(
      this._options.containers.transport,
      id,
      {
        onSnapshot: (text, columns, lines) => {
          this._size.became({ cols: columns, rows: lines });
          terminal.show(text, columns, lines);
        },
        onData: (bytes, done) => backlog.add(bytes, done),
        onResize: (columns, lines) => {
          this._size.became({ cols: columns, rows: lines });
          terminal.resize(columns, lines);
        },
        onTitle: title => {
          this._programTitle = title;
          this._updateTitle();
        },
        onExit: status => this._ended(status),
        onState: state => this._onState(state)
      },
      { cols, rows }
    );
    this._connection = connection;
    connection.attach();
    setTimeout(() => {
      if (connection.state === 'connecting' && this._connection === connection) {
        this._bar.show(connectingMessage(this._trans));
      }
    }, QUIET);
  }

  private _onState(state: ShellConnectionState): void {
    const connected = state === 'connected';
    this._terminal?.setReadOnly(!connected);
    switch (state) {
      case 'connected':
        this._bar.show(undefined);
        this._size.fit();
        break;
      case 'offline':
        this._queue.clear();
        this._bar.show(offlineMessage(this._trans, this._retry));
        break;
      case 'gone':
        this._ended(undefined);
        break;
      case 'ended':
      case 'connecting':
        break;
    }
  }

  /** `status`: undefined where it is not known. */
  private _ended(status: number | undefined): void {
    this._over = true;
    this._queue.clear();
    this._updateTitle();
    this._bar.show(endedMessage(this._trans, status, this._endActions()));
    this._size.fit();
  }

  private _endActions(): IEndActions {
    return {
      close: () => this._closeRequested.emit(),
      again: this._request() ? () => this._startAgain() : undefined
    };
  }

  private readonly _retry = (): void => {
    this._connection?.retry();
  };

  /** Seen again: what was left out meanwhile is in the screen that the daemon keeps. */
  private readonly _onVisibility = (): void => {
    const { id } = this._source;
    if (!document.hidden && this._backlog?.skipping === true && id !== undefined && !this._over) {
      this._connection?.close();
      this._attach(id);
    }
  };

  private _look(): ITerminalLook {
    return terminalLook(this.node, this._options.settings.values, this._options.themes);
  }

  private _updateLook(): void {
    this._terminal?.setLook(this._look());
    this._size.fit();
  }

  private _onContainers(sender: IContainers): void {
    const shell = sender.shells.find(({ id }) => id === this._source.id);
    if (shell && shell !== this._shell) {
      this._shell = shell;
      this._programTitle = shell.title ?? this._programTitle;
      this._updateTitle();
    }
  }

  private _updateTitle(): void {
    const shell = this._shell;
    const { request } = this._source;
    const programTitle = this._over ? '' : this._programTitle;
    Object.assign(this.title, tabTitle({ shell, request, programTitle }, this._trans));
    this.title.dataset = { type: 'nbcontainer-shell', ...(shell && { 'nbcontainer-tab': shell.id }) };
  }

  private readonly _options: IShellViewOptions;
  private readonly _trans: TranslationBundle;
  private readonly _instructions: string;
  private readonly _bar = new Bar();
  private readonly _host = document.createElement('div');
  private readonly _queue: InputQueue;
  private readonly _size = new WindowSize({
    terminal: () => (this.isVisible ? this._terminal : undefined),
    tell: () => {
      const connection = this._over ? undefined : this._connection;
      return connection && (({ cols, rows }) => connection.resize(cols, rows));
    }
  });
  private readonly _started = new Signal<this, void>(this);
  private readonly _closeRequested = new Signal<this, void>(this);
  private _source: IShellSource;
  private _shell: Shell | undefined;
  private _programTitle = '';
  private _terminal: ShellTerminal | undefined;
  private _search: SearchBar | undefined;
  private _connection: ShellConnection | undefined;
  private _backlog: Backlog | undefined;
  /** The program has ended, or there never was one. */
  private _over = false;
  private _wantsFocus = false;
}
