// SPDX-License-Identifier: BSD-3-Clause
/** A daemon as the command line starts it, with a store and a place of its own, for the tests of one file. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type DaemonClient, daemonClient, type ITransport } from '../../lib-runtime/api/client.ts';
import { socketTransport } from '../../lib-runtime/daemon/transport.ts';
import { eventually, makeBusyboxTree } from '../../lib-runtime/engines/test-support.ts';
import { type IOutcome, type IWorkplace, makeWorkplace } from '../support/cli.ts';
import { attach, type IWindow } from './window.ts';

export interface IRunningDaemon {
  /** An image: a directory with busybox. */
  readonly tree: string;
  readonly client: DaemonClient;
  readonly transport: ITransport;
  readonly place: IWorkplace;
  start(): Promise<void>;
  stop(): Promise<void>;
  nbcontainer(words: readonly string[]): Promise<IOutcome>;
  /** A window that shows the shell. */
  open(id: string, size?: { cols: number; rows: number }): Promise<IWindow>;
  /** Closes all windows and ends all shells. */
  removeShells(): Promise<void>;
}

export function runningDaemon(): IRunningDaemon {
  const windows: IWindow[] = [];
  const running = {
    start: async () => {
      // Short: a socket's path has 108 bytes.
      const place = await makeWorkplace('/tmp');
      const runtime = join(place.directory, 'run');
      await mkdir(runtime, { mode: 0o700 });
      const transport = socketTransport(join(runtime, 'nbcontainer', 'daemon.sock'));
      const nbcontainer = (words: readonly string[]): Promise<IOutcome> =>
        place.nbcontainer(words, { env: { XDG_RUNTIME_DIR: runtime } });
      const tree = makeBusyboxTree(join(place.directory, 'tree'));
      Object.assign(running, { place, transport, nbcontainer, tree, client: daemonClient(transport) });
      expect(await nbcontainer(['daemon', 'start'])).toMatchObject({ status: 0 });
    },
    stop: async () => {
      const stopped = await running.nbcontainer(['daemon', 'stop']);
      await running.place.dispose();
      expect(stopped.status).toBe(0);
    },
    open: async (id: string, size?: { cols: number; rows: number }) => {
      const window = attach(running.transport, id, size);
      windows.push(window);
      await eventually(() => window.connection.state !== 'connecting', 'attached');
      return window;
    },
    removeShells: async () => {
      windows.splice(0).forEach(window => window.connection.close());
      for (const { id, state } of (await running.client.shells()).shells) {
        if (state === 'running') {
          await running.client.removeShell(id);
        }
        await running.client.removeShell(id);
      }
    }
  } as IRunningDaemon;
  return running;
}

/** As `eventually`, for what has to be asked for. */
export async function until(look: () => Promise<boolean>, what: string, seconds = 10): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await look())) {
    if (Date.now() > end) {
      throw new Error(`timed out: ${what}`);
    }
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
