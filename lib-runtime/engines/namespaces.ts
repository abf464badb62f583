// SPDX-License-Identifier: BSD-3-Clause
/** The namespaces engine: starts the launcher with a plan, waits for it, turns its reports into errors. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Duplex, Readable } from 'node:stream';
import { constants } from 'node:os';
import { asContainerError, ContainerError } from '../support/errors.ts';
import { passesInterrupts } from './foreground.ts';
import { launchError } from './launch-errors.ts';
import { launcherPath } from './launcher-path.ts';
import { encodePlan, StatusDecoder, type StatusRecord } from './protocol.ts';
import type { IExecution, IPlannedStep } from './steps.ts';

export interface ILaunchPlan {
  readonly steps: readonly IPlannedStep[];
  readonly execution: IExecution;
}

/** What a step noted and went on: an optional bind that failed, a directory that could not be entered. */
export interface ILaunchNote {
  readonly step: IPlannedStep | undefined;
  readonly errno: string;
  readonly text: string;
}

export interface ILaunchOptions {
  /** `inherit`, or one value for each of the three. */
  readonly stdio: 'inherit' | 'ignore' | 'pipe' | readonly [StdioValue, StdioValue, StdioValue];
  /** Aborting sends SIGTERM, SIGKILL after `graceMs`; the promise is rejected with code `cancelled`. */
  readonly signal?: AbortSignal;
  /** Milliseconds between SIGTERM and SIGKILL of an abort. Default 3000. */
  readonly graceMs?: number;
  readonly onNote?: (note: ILaunchNote) => void;
  /** The launcher's process, as soon as it runs: its pid, its pipes. */
  readonly onSpawn?: (child: ChildProcess) => void;
  /**
   * This process waits in front of a person or a script: while the container runs, SIGTERM and SIGHUP are passed on,
   * SIGINT and SIGQUIT as well unless a terminal sends them to the whole group (engines/foreground.ts).
   * Default: true when a stream is inherited.
   */
  readonly foreground?: boolean;
  /** Another launcher than that of this installation. */
  readonly launcher?: string;
}
type StdioValue = 'inherit' | 'ignore' | 'pipe' | number;

const PASSED_ON = ['SIGTERM', 'SIGHUP'] as const;
const LEFT_TO_PAYLOAD = ['SIGINT', 'SIGQUIT'] as const;

/**
 * Performs a plan and waits for its end.
 *
 * @returns the payload's exit status, 128 + number when a signal ended it.
 * @throws ContainerError `launch` when a step failed, `exec` when the command could not be executed, `cancelled`.
 */
export async function launchNamespaces(plan: ILaunchPlan, options: ILaunchOptions): Promise<{ status: number }> {
  const encoded = encodePlan(plan.steps, plan.execution);
  if (options.signal?.aborted) {
    throw cancelled();
  }
  const launcher = options.launcher ?? launcherPath();
  const streams: readonly StdioValue[] =
    typeof options.stdio === 'string' ? Array(3).fill(options.stdio) : options.stdio;
  const foreground = options.foreground ?? streams.includes('inherit');
  let child: ChildProcess;
  try {
    child = spawn(launcher, ['run', '3', '4'], { stdio: [...streams, 'pipe', 'pipe'], env: {}, cwd: '/' });
  } catch (error) {
    throw asContainerError(error, 'launch', 'cannot start the launcher');
  }
  const release = foreground ? holdSignals(child) : () => undefined;
  const stopAbort = options.signal ? abortWith(options.signal, child, options.graceMs ?? 3000) : () => undefined;
  try {
    const failures: StatusRecord[] = [];
    const ended = waitForEnd(child, record => {
      if (record.kind === 'note') {
        options.onNote?.({ step: plan.steps[record.index], errno: record.errno, text: record.text });
      } else {
        failures.push(record);
      }
    });
    options.onSpawn?.(child);
    const input = child.stdio[3] as Duplex | undefined;
    input?.on('error', () => undefined); // a launcher that ended early says why on its status stream
    input?.end(encoded);
    const status = await ended;
    if (options.signal?.aborted) {
      throw cancelled();
    }
    const failure = failures[0];
    if (failure) {
      throw launchError(failure, plan);
    }
    return { status };
  } finally {
    release();
    stopAbort();
  }
}

function cancelled(): ContainerError {
  return new ContainerError({ code: 'cancelled', step: 'launch', message: 'the container was stopped' });
}

/** Resolves with the exit status once the process has ended and its status stream is at its end. */
function waitForEnd(child: ChildProcess, onRecord: (record: StatusRecord) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    let status: number | undefined;
    let drained = false;
    const finish = (): void => {
      if (status !== undefined && drained) {
        resolve(status);
      }
    };
    child.on('error', error => {
      reject(asContainerError(error, 'launch', 'cannot start the launcher'));
    });
    child.on('exit', (code, signal) => {
      status = code ?? 128 + (signal ? constants.signals[signal] : 0);
      finish();
    });
    const decoder = new StatusDecoder(onRecord);
    const stream = child.stdio[4] as Readable | undefined;
    stream?.on('data', (chunk: Buffer) => {
      decoder.write(chunk);
    });
    stream?.on('error', () => undefined);
    stream?.on('close', () => {
      decoder.end();
      drained = true;
      finish();
    });
  });
}

/** Installs the foreground's signal handlers; returns what takes them away. */
function holdSignals(child: ChildProcess): () => void {
  const pass = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  const interrupt = (signal: NodeJS.Signals): void => {
    if (passesInterrupts()) {
      child.kill(signal);
    }
  };
  LEFT_TO_PAYLOAD.forEach(signal => process.on(signal, interrupt));
  PASSED_ON.forEach(signal => process.on(signal, pass));
  return () => {
    LEFT_TO_PAYLOAD.forEach(signal => process.removeListener(signal, interrupt));
    PASSED_ON.forEach(signal => process.removeListener(signal, pass));
  };
}

function abortWith(signal: AbortSignal, child: ChildProcess, graceMs: number): () => void {
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    child.kill('SIGTERM');
    timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  };
  signal.addEventListener('abort', stop, { once: true });
  return () => {
    signal.removeEventListener('abort', stop);
    clearTimeout(timer);
  };
}
