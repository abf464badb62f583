// SPDX-License-Identifier: BSD-3-Clause
/** The model behind every view: what the daemon has told, kept up to date by its events. */
import { PathExt } from '@jupyterlab/coreutils';
import { type ISignal, Signal } from '@lumino/signaling';
import { type DaemonClient, daemonClient, DaemonError, type IAnswer } from '../../lib-runtime/api/client.ts';
import { type IEventSubscription, listenEvents } from '../../lib-runtime/api/events.ts';
import { API_VERSION } from '../../lib-runtime/api/routes.ts';
import type { DaemonEvent, Image, Job, Shell } from '../../lib-runtime/api/schema.ts';
import type { ConnectionState, ContainersChange, IContainers } from '../tokens.ts';
import { inOrder, readServer, reconcile } from './model-data.ts';
import type { JupyterTransport } from './transport.ts';

export interface IContainersOptions {
  readonly transport: JupyterTransport;
  /** What the file browser calls a path, without its drive; undefined for a drive that is not the server's. */
  localPath(contentsPath: string): string | undefined;
  /** Sentences, translated. */
  readonly words: { readonly offline: string; readonly otherVersion: string };
}

export class Containers implements IContainers {
  readonly transport: JupyterTransport;
  readonly client: DaemonClient;

  constructor(options: IContainersOptions) {
    this.transport = options.transport;
    this._options = options;
    this.client = daemonClient({
      request: async (method, path, body) => {
        this.connect();
        return this.transport.request(method, path, body);
      }
    });
  }

  get state(): ConnectionState {
    return this._state;
  }

  get problem(): string | undefined {
    return this._problem;
  }

  get images(): readonly Image[] | undefined {
    return this._images;
  }

  get jobs(): readonly Job[] {
    return inOrder(this._jobs.values());
  }

  get shells(): readonly Shell[] {
    return inOrder(this._shells.values());
  }

  get changed(): ISignal<IContainers, ContainersChange> {
    return this._changed;
  }

  get shellsAllowed(): boolean {
    return this._shellsAllowed;
  }

  /** Asks the server extension what it is, and connects at once when a daemon runs: its jobs are of interest. */
  async greet(): Promise<void> {
    let answer: IAnswer;
    try {
      answer = await this.transport.server();
    } catch {
      // The server is away; views that need it will say so when they connect.
      return;
    }
    this._greeted = answer.status === 200;
    const server = readServer(answer.body);
    this._rootDir = server.rootDir;
    this._shellsAllowed = server.shells;
    this._otherVersion = answer.status === 200 && server.api !== undefined && server.api !== API_VERSION;
    if (this._otherVersion) {
      this._tell('offline', this._options.words.otherVersion);
    } else if (server.daemon) {
      this.connect();
    } else {
      this._changed.emit('state');
    }
  }

  connect(): void {
    if (this._events || this._otherVersion) {
      return;
    }
    this._tell('connecting');
    this._events = listenEvents(this.transport, {
      onEvent: event => this._receive(event),
      onState: state => (state === 'connected' ? void this._refresh() : void this._explain())
    });
    window.addEventListener('online', () => this._events?.retry());
  }

  retry(): void {
    if (this._state !== 'offline') {
      return;
    }
    if (this._otherVersion) {
      void this.greet();
    } else if (this._events) {
      this._events.retry();
      void this._refresh();
    }
  }

  async refreshImages(): Promise<void> {
    const { images } = await this.client.images();
    this._images = images;
    this._changed.emit('images');
  }

  hostPath(contentsPath: string): string | undefined {
    const local = this._rootDir === undefined ? undefined : this._options.localPath(contentsPath);
    // PathExt takes the slash at the beginning away.
    return local === undefined ? undefined : `/${PathExt.join(this._rootDir ?? '', local)}`;
  }

  /**
   * What was removed while nobody listened is told by nobody: the lists are asked for. Only what is asked last counts: an
   * answer that was on its way before the daemon came back knows nothing of it.
   */
  private async _refresh(): Promise<void> {
    const heard = (this._heard = new Set<string>());
    try {
      const [{ jobs }, { shells }, { images }] = await Promise.all([
        this.client.jobs(),
        this.client.shells(),
        this.client.images()
      ]);
      if (heard !== this._heard) {
        return;
      }
      if (!this._greeted) {
        // It was away when this page was opened: where its files are is not known yet.
        void this.greet();
      }
      this._jobs = reconcile(jobs, this._jobs, heard);
      this._shells = reconcile(shells, this._shells, heard);
      this._images = images;
      this._tell('connected');
      this._changed.emit('images');
      this._changed.emit('jobs');
      this._changed.emit('shells');
    } catch (error) {
      if (heard === this._heard) {
        this._tell('offline', this._reason(error));
      }
    }
  }

  /** A WebSocket says nothing of why it was refused; a request does. */
  private async _explain(): Promise<void> {
    this._tell('offline', this._problem ?? this._options.words.offline);
    try {
      const { status, body } = await this.transport.request('GET', '/version', undefined);
      this._problem = status === 200 ? undefined : this._reason(new DaemonError(status, body));
    } catch {
      this._problem = this._options.words.offline;
    }
    if (this._state === 'offline') {
      this._changed.emit('state');
    }
  }

  private _reason(error: unknown): string {
    return error instanceof DaemonError
      ? [error.message, error.reason, error.fix].filter(Boolean).join('. ')
      : this._options.words.offline;
  }

  private _receive(event: DaemonEvent): void {
    switch (event.type) {
      case 'job':
        this._heard.add(event.job.id);
        this._jobs.set(event.job.id, event.job);
        this._changed.emit('jobs');
        break;
      case 'job-removed':
        this._heard.add(event.id);
        this._jobs.delete(event.id);
        this._changed.emit('jobs');
        break;
      case 'shell':
        this._heard.add(event.shell.id);
        this._shells.set(event.shell.id, event.shell);
        this._changed.emit('shells');
        break;
      case 'shell-removed':
        this._heard.add(event.id);
        this._shells.delete(event.id);
        this._changed.emit('shells');
        break;
      case 'images':
        // The next event or connection asks again when this fails.
        this.refreshImages().catch(() => undefined);
        break;
    }
  }

  private _tell(state: ConnectionState, problem?: string): void {
    if (this._state !== state || this._problem !== problem) {
      this._state = state;
      this._problem = problem;
      this._changed.emit('state');
    }
  }

  private readonly _options: IContainersOptions;
  private readonly _changed = new Signal<IContainers, ContainersChange>(this);
  private _state: ConnectionState = 'idle';
  private _problem: string | undefined;
  private _images: readonly Image[] | undefined;
  private _jobs = new Map<string, Job>();
  private _shells = new Map<string, Shell>();
  /** Ids of what events were about since the lists were asked for. */
  private _heard = new Set<string>();
  private _events: IEventSubscription | undefined;
  private _rootDir: string | undefined;
  private _shellsAllowed = true;
  private _otherVersion = false;
  /** The server has said what it is. */
  private _greeted = false;
}
