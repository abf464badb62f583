// SPDX-License-Identifier: BSD-3-Clause
/** The ptrace engine: PRoot, for machines with neither mounts nor user namespaces. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { asContainerError, ContainerError } from '../support/errors.ts';
import type { IExecution } from './steps.ts';

export interface IPtraceLaunch {
  /** Absolute path of PRoot. */
  readonly program: string;
  /** Its arguments up to the command; `@NAME@` stands for the path of a file. */
  readonly arguments: readonly string[];
  readonly files: Readonly<Record<string, string>>;
  readonly execution: IExecution;
}

export interface IPtraceOptions {
  readonly stdio: 'inherit' | 'ignore' | 'pipe' | readonly (number | 'inherit' | 'ignore' | 'pipe')[];
  /** Aborting sends SIGTERM, SIGKILL after three seconds; the promise is rejected with code `cancelled`. */
  readonly signal?: AbortSignal;
  readonly onSpawn?: (child: ChildProcess) => void;
}

/** Milliseconds between SIGTERM and SIGKILL of an abort. */
const GRACE = 3000;
/** Milliseconds that the self-test may take; it needs about ten. */
const SELF_TEST = 5000;

/**
 * Starts a command under PRoot, without a shell, and waits for its end. Generated files lie in a private directory
 * that is removed afterwards.
 *
 * @returns the exit status, 128 + the number of the signal that ended the command.
 * @throws ContainerError `launch` when PRoot does not work here, `cancelled` when it was aborted.
 */
export async function launchPtrace(plan: IPtraceLaunch, options: IPtraceOptions): Promise<{ status: number }> {
  if (options.signal?.aborted) {
    throw cancelled();
  }
  const directory = await mkdtemp(join(tmpdir(), 'nbcontainer-'));
  try {
    const paths = new Map<string, string>();
    for (const [name, content] of Object.entries(plan.files)) {
      const path = join(directory, String(paths.size));
      await writeFile(path, content, { mode: 0o644 });
      paths.set(name, path);
    }
    const fill = (text: string): string =>
      text.replace(/@([\w-]+)@/g, (whole, name: string) => paths.get(name) ?? whole);
    const environment = {
      ...plan.execution.environment,
      PROOT_TMP_DIR: directory,
      ...(needsNoSeccomp(plan.program, directory) && { PROOT_NO_SECCOMP: '1' })
    };
    const words = [...plan.arguments.map(fill), ...plan.execution.argv];
    return { status: await run(plan.program, words, environment, options) };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * Whether PRoot fails with its seccomp acceleration and works without: kernels since 4.8 with a PRoot that is older,
 * or a sandbox that forbids filters.
 *
 * @throws ContainerError `launch` when it fails both ways.
 */
export function needsNoSeccomp(program: string, directory: string): boolean {
  const attempts = [{}, { PROOT_NO_SECCOMP: '1' }].map(
    extra => () =>
      spawnSync(program, ['/proc/self/exe', '--version'], {
        env: { PATH: '/usr/bin:/bin', PROOT_TMP_DIR: directory, ...extra },
        timeout: SELF_TEST,
        killSignal: 'SIGKILL',
        encoding: 'utf8'
      })
  );
  let problem = '';
  for (const [index, attempt] of attempts.entries()) {
    const result = attempt();
    if (result.status === 0) {
      return index === 1;
    }
    problem =
      result.error?.message ?? (result.stderr.trim().split('\n')[0] || `status ${result.status ?? result.signal}`);
  }
  throw new ContainerError({
    code: 'launch',
    step: 'launch: ptrace',
    message: 'PRoot does not work on this machine',
    reason: problem,
    fix: 'See nbcontainer doctor for what this machine denies'
  });
}

function run(
  program: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
  options: IPtraceOptions
): Promise<number> {
  return new Promise((resolve, reject) => {
    const stdio = typeof options.stdio === 'string' ? options.stdio : [...options.stdio];
    const child = spawn(program, words, { env, stdio });
    let timer: NodeJS.Timeout | undefined;
    const abort = (): void => {
      child.kill('SIGTERM');
      timer = setTimeout(() => child.kill('SIGKILL'), GRACE);
    };
    const pass = (signal: NodeJS.Signals): void => {
      child.kill(signal);
    };
    const ignore = (): void => undefined;
    const settle = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
      PASSED_ON.forEach(signal => process.removeListener(signal, pass));
      LEFT.forEach(signal => process.removeListener(signal, ignore));
    };
    options.signal?.addEventListener('abort', abort, { once: true });
    PASSED_ON.forEach(signal => process.on(signal, pass));
    LEFT.forEach(signal => process.on(signal, ignore));
    child.on('error', error => {
      settle();
      reject(asContainerError(error, 'launch: ptrace', `cannot start ${program}`));
    });
    child.on('exit', (code, signal) => {
      settle();
      if (options.signal?.aborted) {
        reject(cancelled());
      } else {
        resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
      }
    });
    options.onSpawn?.(child);
  });
}

/** As in namespaces.ts: the terminal sends INT and QUIT to the whole group, TERM and HUP are passed on. */
const PASSED_ON = ['SIGTERM', 'SIGHUP'] as const;
const LEFT = ['SIGINT', 'SIGQUIT'] as const;

function cancelled(): ContainerError {
  return new ContainerError({ code: 'cancelled', step: 'launch', message: 'the container was stopped' });
}
