// SPDX-License-Identifier: BSD-3-Clause
/** What the plugins know of each other. */
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import type { DaemonClient, ITransport } from '../lib-runtime/api/client.ts';
import type { Image, Job, Shell } from '../lib-runtime/api/schema.ts';

/**
 * `idle`: nobody has needed the daemon yet, and none was running. `connecting`: the first answer is awaited.
 * `offline`: the server or the daemon does not answer; it is tried again for ever.
 */
export type ConnectionState = 'idle' | 'connecting' | 'connected' | 'offline';

export type ContainersChange = 'state' | 'images' | 'jobs' | 'shells';

/** Images, jobs and shells as the daemon tells them, for every view alike. */
export interface IContainers {
  readonly state: ConnectionState;
  /** Why it is offline, in words. */
  readonly problem: string | undefined;
  /** Undefined until the first list has come. */
  readonly images: readonly Image[] | undefined;
  /** Newest first. */
  readonly jobs: readonly Job[];
  readonly shells: readonly Shell[];
  readonly changed: ISignal<IContainers, ContainersChange>;
  /** False where an admin has switched terminals off. */
  readonly shellsAllowed: boolean;

  /** Every request of the daemon's API; rejects with DaemonError, whose message is for the user. Connects when idle. */
  readonly client: DaemonClient;
  /** For the WebSocket of a shell. */
  readonly transport: ITransport;

  /** Starts the daemon when none runs, and listens to it from now on. Does nothing the second time. */
  connect(): void;
  /** Tries at once when it is offline, where it would otherwise wait for its next turn. */
  retry(): void;
  /** Asks for the images again. */
  refreshImages(): Promise<void>;
  /**
   * The absolute path of a file of the file browser, as a container's command line needs it; undefined where the
   * server's files are no files of its machine (another drive, a database).
   */
  hostPath(contentsPath: string): string | undefined;
}

export const IContainers = new Token<IContainers>(
  'nbcontainer:IContainers',
  'Images, jobs and shells of the container daemon, and its client.'
);
