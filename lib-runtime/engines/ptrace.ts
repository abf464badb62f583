// SPDX-License-Identifier: BSD-3-Clause
/**
 * The ptrace engine: PRoot, for machines with neither mounts nor user namespaces. The command runs below our own
 * launcher, which PRoot starts inside: so exit statuses, signals, the working directory and the words of a failed exec
 * are the same as with the namespaces engine (PRoot 5.1 itself turns every signal into status 255).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { companionLibraries } from '../host/companion.ts';
import { asContainerError, ContainerError } from '../support/errors.ts';
import { passesInterrupts } from './foreground.ts';
import { execError, stepError } from './launch-errors.ts';
import { launcherPath } from './launcher-path.ts';
import type { ILaunchNote, ILaunchOptions } from './namespaces.ts';
import { childrenOf } from './processes.ts';
import { encodePlan, StatusDecoder, type StatusRecord } from './protocol.ts';
import { makeScratch, recordTracer } from './scratch.ts';
import type { IExecution, IPlannedStep } from './steps.ts';

export interface IPtraceLaunch {
  /** Absolute path of PRoot. */
  readonly program: string;
  /** Its arguments up to the command; `@NAME@` stands for the path of a file or directory. */
  readonly arguments: readonly string[];
  /** Generated files, by name. */
  readonly files: Readonly<Record<string, string>>;
  /** Empty directories that go away at the end, by name. */
  readonly directories: readonly string[];
  /** Numbers of the capabilities that PRoot and all below it give up first; none: it keeps what the caller has. */
  readonly confinement?: readonly number[];
  /** Performed inside, before the command: umask, no-new-privileges, chdir. */
  readonly steps: readonly IPlannedStep[];
  readonly execution: IExecution;
}

/** Where the launcher is seen inside. */
const INSIDE = '/.nbcontainer/launcher';
/** Milliseconds that one self-test may take; it needs about ten. */
const SELF_TEST = 5000;
const PASSED_ON = ['SIGTERM', 'SIGHUP'] as const;
const LEFT_TO_PAYLOAD = ['SIGINT', 'SIGQUIT'] as const;

/**
 * Starts a command under PRoot, without a shell, and waits for its end. Generated files lie in a private directory
 * that is removed afterwards.
 *
 * @returns the exit status, 128 + the number of the signal that ended the command.
 * @throws ContainerError `launch` when PRoot does not work here, `exec` when the command could not be executed,
 *   `cancelled` when it was aborted.
 */
export async function launchPtrace(plan: IPtraceLaunch, options: ILaunchOptions): Promise<{ status: number }> {
  if (options.signal?.aborted) {
    throw cancelled();
  }
  const launcher = options.launcher ?? launcherPath();
  const scratch = await makeScratch();
  const directory = scratch.path;
  try {
    const confined = plan.confinement?.length ? [launcher, 'confine', plan.confinement.join(',')] : [];
    const proot = [...confined, plan.program] as const;
    // For PRoot alone: what runs below it gets the environment of the plan.
    const libraries = companionLibraries(plan.program);
    const base = { PROOT_TMP_DIR: directory, ...(libraries !== undefined && { LD_LIBRARY_PATH: libraries }) };
    const abilities = testProot(proot, launcher, base);
    const paths = await generate(plan, directory);
    if (options.signal?.aborted) {
      throw cancelled(); // meanwhile, when nobody listened
    }
    const fill = (text: string): string =>
      text.replace(/@([\w-]+)@/g, (whole, name: string) => paths.get(name) ?? whole);
    const words = [
      // Killed in whatever way, we take everything with us.
      ...[launcher, 'attend', String(process.pid)],
      ...proot,
      '-v',
      '-1',
      ...(abilities.killOnExit ? ['--kill-on-exit'] : []),
      ...plan.arguments.map(fill),
      '-b',
      `${launcher}:${INSIDE}`,
      ...[INSIDE, 'run', '3', '4']
    ];
    const environment = { ...base, ...(abilities.noSeccomp && { PROOT_NO_SECCOMP: '1' }) };
    const onSpawn = (child: ChildProcess): void => {
      recordTracer(directory, child.pid ?? 0);
      options.onSpawn?.(child);
    };
    return { status: await run(plan, words, environment, { ...options, onSpawn }) };
  } finally {
    await scratch.dispose();
  }
}

async function generate(plan: IPtraceLaunch, directory: string): Promise<Map<string, string>> {
  const paths = new Map<string, string>();
  for (const [name, content] of Object.entries(plan.files)) {
    const path = join(directory, `file-${paths.size}`);
    await writeFile(path, content, { mode: 0o644 });
    paths.set(name, path);
  }
  for (const name of plan.directories) {
    const path = join(directory, `directory-${paths.size}`);
    await mkdir(path, { mode: 0o700 });
    paths.set(name, path);
  }
  return paths;
}

export interface IProotAbilities {
  /** It fails with its seccomp acceleration and works without (an old PRoot on a kernel since 4.8, a sandbox). */
  readonly noSeccomp: boolean;
  /** It knows --kill-on-exit (since 5.2); without, our launcher ends what is left. */
  readonly killOnExit: boolean;
}

/**
 * Tries PRoot: it has to bring the launcher to the point where that prints its usage.
 *
 * @param proot its path, behind the words that confine it.
 * @param environment PROOT_TMP_DIR, and what it needs to start.
 * @throws ContainerError `launch` when it works neither with nor without seccomp.
 */
export function testProot(proot: readonly string[], launcher: string, environment: NodeJS.ProcessEnv): IProotAbilities {
  const [first = '', ...before] = proot;
  const attempt = (words: readonly string[], extra: NodeJS.ProcessEnv): ReturnType<typeof spawnSync> =>
    spawnSync(first, [...before, ...words], {
      env: { ...environment, ...extra },
      timeout: SELF_TEST,
      killSignal: 'SIGKILL',
      cwd: '/',
      encoding: 'utf8'
    });
  let problem = '';
  for (const noSeccomp of [false, true]) {
    const result = attempt(['-r', '/', '-w', '/', launcher], noSeccomp ? { PROOT_NO_SECCOMP: '1' } : {});
    if (String(result.stderr).includes('nbcontainer-launcher run')) {
      const help = attempt(['--help'], {});
      return { noSeccomp, killOnExit: String(help.stdout).includes('--kill-on-exit') };
    }
    const said = String(result.stderr ?? '')
      .split('\n')
      .find(line => line.includes('proot') || line.startsWith('nbcontainer-launcher: '));
    problem = result.error?.message ?? said ?? `it ended with status ${result.status ?? result.signal}`;
  }
  throw new ContainerError({
    code: 'launch',
    step: 'launch: ptrace',
    message: `PRoot (${proot.at(-1)}) does not work on this machine`,
    reason: problem,
    fix: 'See nbcontainer doctor for what this machine denies'
  });
}

function run(
  plan: IPtraceLaunch,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
  options: ILaunchOptions
): Promise<number> {
  return new Promise((resolve, reject) => {
    const streams = typeof options.stdio === 'string' ? Array(3).fill(options.stdio) : options.stdio;
    const foreground = options.foreground ?? streams.includes('inherit');
    // The launcher that confines becomes PRoot itself: there is one process, and it is PRoot's.
    const [first = plan.program, ...rest] = words;
    const child = spawn(first, rest, { env, stdio: [...streams, 'pipe', 'pipe'], cwd: '/' });
    const failures: StatusRecord[] = [];
    let timer: NodeJS.Timeout | undefined;
    const decoder = new StatusDecoder(record => {
      if (record.kind === 'note') {
        const note: ILaunchNote = { step: plan.steps[record.index], errno: record.errno, text: record.text };
        options.onNote?.(note);
      } else {
        failures.push(record);
      }
    });
    // PRoot ignores SIGTERM and the like: they go to our launcher below it, which hands them on.
    const pass = (signal: NodeJS.Signals): void => {
      void childrenOf(child.pid ?? 0).then(pids => {
        pids.forEach(pid => {
          tryKill(pid, signal);
        });
      });
    };
    const abort = (): void => {
      pass('SIGTERM');
      // On SIGQUIT PRoot kills everything below it; killing PRoot itself would set its tracees free.
      timer = setTimeout(() => {
        child.kill('SIGQUIT');
        timer = setTimeout(() => child.kill('SIGKILL'), 1000);
      }, options.graceMs ?? 3000);
    };
    const interrupt = (signal: NodeJS.Signals): void => {
      if (passesInterrupts()) {
        pass(signal);
      }
    };
    const settle = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
      PASSED_ON.forEach(signal => process.removeListener(signal, pass));
      LEFT_TO_PAYLOAD.forEach(signal => process.removeListener(signal, interrupt));
    };
    options.signal?.addEventListener('abort', abort, { once: true });
    if (foreground) {
      PASSED_ON.forEach(signal => process.on(signal, pass));
      LEFT_TO_PAYLOAD.forEach(signal => process.on(signal, interrupt));
    }
    child.on('error', error => {
      settle();
      reject(asContainerError(error, 'launch: ptrace', `cannot start ${plan.program}`));
    });
    whenEnded(child, decoder, status => {
      settle();
      const failure = failures[0];
      if (options.signal?.aborted) {
        reject(cancelled());
      } else if (failure !== undefined) {
        reject(
          failure.kind === 'exec' ? execError(failure, plan.execution) : stepError(failure, plan.steps[failure.index])
        );
      } else {
        resolve(status);
      }
    });
    options.onSpawn?.(child);
    const input = child.stdio[3] as Writable | undefined;
    input?.on('error', () => undefined); // a PRoot that ended early: its status says so
    input?.end(encodePlan(plan.steps, plan.execution));
  });
}

/** Calls back once PRoot has ended and everything the launcher reported has been read. */
function whenEnded(child: ChildProcess, decoder: StatusDecoder, done: (status: number) => void): void {
  let status: number | undefined;
  let drained = false;
  const finish = (): void => {
    if (status !== undefined && drained) {
      done(status);
    }
  };
  child.on('exit', (code, signal) => {
    status = code ?? 128 + (signal ? constants.signals[signal] : 0);
    finish();
  });
  const reports = child.stdio[4] as Readable | undefined;
  reports?.on('data', (chunk: Buffer) => {
    decoder.write(chunk);
  });
  reports?.on('error', () => undefined);
  reports?.on('close', () => {
    decoder.end();
    drained = true;
    finish();
  });
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // ended meanwhile
  }
}

function cancelled(): ContainerError {
  return new ContainerError({ code: 'cancelled', step: 'launch', message: 'the container was stopped' });
}
