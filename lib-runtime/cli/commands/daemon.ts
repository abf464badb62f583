// SPDX-License-Identifier: BSD-3-Clause
/** daemon: start, stop, status, and the hidden `run` that is the daemon. */
import { daemonPlace } from '../../daemon/place.ts';
import { startDaemon } from '../../daemon/server.ts';
import { askDaemon, ensureDaemon, stopDaemon } from '../../daemon/start.ts';
import { ContainerError } from '../../support/errors.ts';
import { info, print } from '../output.ts';
import { VERSION } from '../version.ts';

interface IValues {
  readonly json?: boolean;
}

/** Seconds without jobs, shells, clients and requests after which the daemon ends; NBCONTAINER_DAEMON_IDLE overrides it. */
const IDLE = 30 * 60;

/** The words that start this very command line again. */
function ownCommand(): string[] {
  return [process.execPath, ...process.execArgv, '--', process.argv[1] ?? ''];
}

export async function daemonStartCommand(values: IValues): Promise<number> {
  const place = await daemonPlace(process.env);
  const version = await ensureDaemon(place, VERSION, ownCommand());
  if (values.json) {
    print(JSON.stringify({ ...version, socket: place.socket }));
  } else {
    info(`The daemon runs as process ${version.pid} on ${place.socket}`);
  }
  return 0;
}

export async function daemonStopCommand(): Promise<number> {
  const stopped = await stopDaemon(await daemonPlace(process.env));
  info(stopped ? 'The daemon has ended' : 'No daemon runs');
  return 0;
}

/** Status 0 when it runs, 3 when it does not (as an init script answers). */
export async function daemonStatusCommand(values: IValues): Promise<number> {
  const place = await daemonPlace(process.env);
  const version = await askDaemon(place);
  if (values.json) {
    print(JSON.stringify({ running: version !== undefined, socket: place.socket, ...version }));
  } else {
    print(
      version
        ? `nbcontainer ${version.version} runs as process ${version.pid} on ${place.socket}, jobs: ${version.busy.jobs}, shells: ${version.busy.shells}`
        : 'No daemon runs'
    );
  }
  return version ? 0 : 3;
}

/** Is the daemon until SIGTERM, SIGINT or idleness. */
export async function daemonRunCommand(): Promise<number> {
  const place = await daemonPlace(process.env);
  const idle = idleSeconds(process.env['NBCONTAINER_DAEMON_IDLE']) * 1000;
  const daemon = await startDaemon({ place, version: VERSION, cli: ownCommand(), idle });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => void daemon.stop());
  }
  // A closed terminal is no reason to end: whoever started it may go.
  process.on('SIGHUP', () => undefined);
  await daemon.ended;
  return 0;
}

function idleSeconds(text: string | undefined): number {
  const seconds = text === undefined || text === '' ? IDLE : Number(text);
  if (!Number.isFinite(seconds) || seconds <= 0) {
    throw new ContainerError({
      code: 'usage',
      step: 'daemon',
      message: `NBCONTAINER_DAEMON_IDLE is not a number of seconds: ${text}`
    });
  }
  return seconds;
}
