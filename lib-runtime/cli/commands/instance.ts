// SPDX-License-Identifier: BSD-3-Clause
/** instance start, run, list, stop, stats: containers that stay, in the words of Apptainer. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, matchesGlob } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { startOf } from '../../engines/processes.ts';
import { ensureRuntimeDirectory } from '../../host/runtime-directory.ts';
import { alreadyRuns, checkInstanceName, type IInstance, listInstances, readInstance } from '../../run/instances.ts';
import { planOrThrow } from '../../run/start.ts';
import { storeHome } from '../../store/layout.ts';
import { asContainerError, ContainerError } from '../../support/errors.ts';
import { requireHome } from '../../support/home.ts';
import { info, print } from '../output.ts';
import type { IKeepOrder, KeepReply } from './instance-keep.ts';
import { instanceWishes, type IStartValues, openView, prepare, startRequest } from './prepare.ts';

/** Where the files of run/instances.ts lie. */
export async function instancesDirectory(): Promise<string> {
  return join(ensureRuntimeDirectory(process.env), 'instances');
}

/** Starts an instance in the background and returns when its command runs. */
export async function instanceStartCommand(
  action: 'start' | 'run',
  image: string,
  name: string,
  words: readonly string[],
  values: IStartValues & { readonly pidFile?: string }
): Promise<number> {
  checkInstanceName(name);
  const directory = await instancesDirectory();
  const path = await withoutInstance(directory, name, () => firstLook(action, image, name, words, values));
  const logs = join(
    storeHome(process.env, () => requireHome(process.env)),
    'instances'
  );
  const [logOut, logErr] = [join(logs, `${name}.out`), join(logs, `${name}.err`)];
  const order: IKeepOrder = { action, image, path, name, words, values, directory, logOut, logErr };
  const instance = await keepInBackground(order, logs);
  info('instance started successfully');
  if (values.pidFile !== undefined) {
    await writeFile(values.pidFile, `${instance.pid}\n`).catch((error: unknown) => {
      throw asContainerError(error, 'instance', `cannot write ${values.pidFile}`);
    });
  }
  return 0;
}

async function withoutInstance<T>(directory: string, name: string, then: () => Promise<T>): Promise<T> {
  if ((await readInstance(directory, name)) !== undefined) {
    throw alreadyRuns(name);
  }
  return then();
}

/** In the foreground: what is refused, what takes long (with its bar), and what is said of the way it starts. */
async function firstLook(
  action: 'start' | 'run',
  image: string,
  name: string,
  words: readonly string[],
  values: IStartValues
): Promise<string> {
  const asked = await instanceWishes(action, name, words, values);
  const view = openView(values);
  try {
    const prepared = await prepare(asked, image, values, view);
    const plan = planOrThrow(asked.spec, prepared.host, prepared.facts, process.env);
    const request = startRequest(prepared, view);
    plan.notes.forEach(request.say);
    if (plan.rootfs.kind === 'tree' && !existsSync(plan.rootfs.directory)) {
      await request.ensureTree(plan.rootfs.view);
    }
    return prepared.facts.path;
  } finally {
    view.stop();
  }
}

/** The process that keeps the instance: this command line anew, apart from the terminal. */
async function keepInBackground(order: IKeepOrder, logs: string): Promise<IInstance> {
  const files: number[] = [];
  try {
    mkdirSync(logs, { recursive: true, mode: 0o700 });
    files.push(openSync(order.logOut, 'w', 0o600), openSync(order.logErr, 'w', 0o600));
    const [out = 1, err = 2] = files;
    const entry = [...process.execArgv, '--', process.argv[1] ?? ''];
    const child = spawn(process.execPath, [...entry, 'instance', 'keep'], {
      detached: true,
      stdio: ['ignore', out, err, 'ipc']
    });
    return await replyOf(child, order);
  } catch (error) {
    throw asContainerError(error, 'instance', `cannot start the instance ${order.name}`);
  } finally {
    files.forEach(closeSync);
  }
}

function replyOf(child: ChildProcess, order: IKeepOrder): Promise<IInstance> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', async status => {
      const said = (await readFile(order.logErr, 'utf8').catch(() => '')).trim().split('\n').at(-1) ?? '';
      const reason = said === '' ? `it ended with status ${status}` : said;
      reject(new ContainerError({ code: 'launch', step: 'instance', message: `${order.name} did not start`, reason }));
    });
    child.once('message', (reply: KeepReply) => {
      if (reply.kind === 'started') {
        child.disconnect();
        child.unref();
        resolve(reply.instance);
      } else {
        reject(new ContainerError(reply.error));
      }
    });
    child.send(order);
  });
}

/** The instances whose names fit; all without a pattern. */
async function chosen(pattern: string | undefined): Promise<IInstance[]> {
  const instances = await listInstances(await instancesDirectory());
  return instances.filter(({ name }) => pattern === undefined || matchesGlob(name, pattern));
}

export async function instanceListCommand(
  pattern: string | undefined,
  values: { readonly json?: boolean; readonly logs?: boolean }
): Promise<number> {
  const instances = await chosen(pattern);
  if (values.json) {
    const shown = instances.map(({ name, pid, image, logErr, logOut }) => ({
      instance: name,
      pid,
      img: image,
      ip: '',
      logErrPath: logErr,
      logOutPath: logOut
    }));
    print(JSON.stringify({ instances: shown }, null, '\t'));
    return 0;
  }
  const rows = values.logs
    ? instances.flatMap(({ name, pid, logErr, logOut }) => [
        [name, String(pid), logErr],
        ['', '', logOut]
      ])
    : instances.map(({ name, pid, image }) => [name, String(pid), '', image]);
  const head = values.logs ? ['INSTANCE NAME', 'PID', 'LOGS'] : ['INSTANCE NAME', 'PID', 'IP', 'IMAGE'];
  print(columns([head, ...rows]));
  return 0;
}

/** Four spaces between columns, as Apptainer's tabwriter has it. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map(row => row[at]?.length ?? 0)) + 4) ?? [];
  return rows
    .map(row => row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join(''))
    .join('\n');
}

export async function instanceStopCommand(
  pattern: string | undefined,
  values: { readonly all?: boolean; readonly force?: boolean; readonly signal?: string; readonly timeout: string }
): Promise<number> {
  if (pattern === undefined && !values.all) {
    throw notUnderstood('invalid command', 'Name the instance, or add --all');
  }
  const signal = values.force ? 'SIGKILL' : signalNamed(values.signal ?? 'SIGINT');
  const timeoutS = Number(values.timeout);
  if (!(timeoutS >= 0)) {
    throw notUnderstood(`--timeout "${values.timeout}" is no number of seconds`, 'Write --timeout 10');
  }
  const instances = await chosen(values.all ? undefined : pattern);
  if (instances.length === 0) {
    throw notUnderstood('no instance found', 'nbcontainer instance list shows those that run');
  }
  await Promise.all(
    instances.map(async instance => {
      info(`Stopping ${instance.name} instance of ${instance.image} (PID=${instance.pid})`);
      await stop(instance, signal, timeoutS);
    })
  );
  return 0;
}

async function stop({ pid, keeper, keeperStart, name }: IInstance, signal: string, timeoutS: number): Promise<void> {
  const runs = async (): Promise<boolean> => (await startOf(keeper)) === keeperStart;
  const wait = async (seconds: number): Promise<boolean> => {
    const end = performance.now() + seconds * 1000;
    while ((await runs()) && performance.now() < end) {
      await setTimeout(20);
    }
    return !(await runs());
  };
  // What ends the container in any case is the end of the process that keeps it.
  const tries = [
    { target: signal === 'SIGKILL' ? keeper : pid, signal, seconds: signal === 'SIGKILL' ? 5 : timeoutS },
    { target: keeper, signal: 'SIGKILL', seconds: 5 }
  ];
  for (const { target, signal: next, seconds } of tries) {
    try {
      process.kill(target, next);
    } catch {
      // it has ended meanwhile
    }
    if (await wait(seconds)) {
      // The launcher takes a moment to end what is left.
      for (let round = 0; round < 250 && (await startOf(pid)) !== undefined; round += 1) {
        await setTimeout(20);
      }
      return;
    }
  }
  throw new ContainerError({ code: 'launch', step: 'instance', message: `${name} does not end` });
}

function signalNamed(text: string): NodeJS.Signals {
  const name = /^\d+$/.test(text) ? SIGNALS[Number(text)] : `SIG${text.toUpperCase().replace(/^SIG/, '')}`;
  const found = SIGNALS.find(known => known === name);
  if (found === undefined) {
    throw notUnderstood(`--signal "${text}" is no signal`, 'Write --signal TERM');
  }
  return found;
}

/** By their numbers on Linux (signal(7), x86 and ARM). */
const SIGNALS = [
  undefined,
  ...(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL'] as const),
  ...(['SIGUSR1', 'SIGSEGV', 'SIGUSR2', 'SIGPIPE', 'SIGALRM', 'SIGTERM', 'SIGSTKFLT', 'SIGCHLD', 'SIGCONT'] as const),
  ...(['SIGSTOP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG', 'SIGXCPU', 'SIGXFSZ', 'SIGVTALRM', 'SIGPROF'] as const)
] satisfies readonly (NodeJS.Signals | undefined)[];

/** The instances that a word names, for stats. @throws ContainerError with status 1 when there is none */
export async function requireOne(name: string): Promise<IInstance> {
  const [instance] = await chosen(name);
  if (instance === undefined) {
    throw notUnderstood('no instance found', 'nbcontainer instance list shows those that run');
  }
  return instance;
}

/** Ends with status 1, as Apptainer's. */
function notUnderstood(message: string, fix: string): ContainerError {
  return new ContainerError({ code: 'usage', step: 'flag', message, fix });
}
