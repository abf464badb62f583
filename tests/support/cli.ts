// SPDX-License-Identifier: BSD-3-Clause
/** Runs the project's command line as a user would, from its sources, with a store of its own. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The entry point of the command line. */
export const MAIN = fileURLToPath(new URL('../../lib-runtime/cli/main.ts', import.meta.url));

/** Half of a start is Node's reading of TypeScript, which need not be done a thousand times. */
const COMPILED = fileURLToPath(new URL('../../.cache/compiled', import.meta.url));

export interface IOutcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface IRunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

/** A directory with a working directory and a store; `nbcontainer(args)` runs there. */
export interface IWorkplace {
  readonly directory: string;
  readonly cwd: string;
  readonly home: string;
  nbcontainer(args: readonly string[], options?: IRunOptions): Promise<IOutcome>;
  /** Files below the working directory and the store's images, blobs and temporary files, sorted. */
  leftovers(): Promise<string[]>;
  dispose(): Promise<void>;
}

export async function makeWorkplace(parent: string = tmpdir()): Promise<IWorkplace> {
  const directory = await mkdtemp(join(parent, 'nbc-work-'));
  const cwd = join(directory, 'cwd');
  const home = join(directory, 'store');
  await mkdir(cwd);
  return {
    directory,
    cwd,
    home,
    nbcontainer: (args, options = {}) =>
      runProgram(process.execPath, ['--', MAIN, ...args], {
        ...options,
        cwd: options.cwd ?? cwd,
        env: { NBCONTAINER_HOME: home, NODE_COMPILE_CACHE: COMPILED, ...options.env }
      }),
    leftovers: async () => {
      const found: string[] = [];
      for (const folder of [cwd, ...['blobs', 'images', 'trees', 'tmp'].map(name => join(home, name))]) {
        const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
        found.push(...entries.filter(entry => !entry.isDirectory()).map(entry => join(entry.parentPath, entry.name)));
      }
      return found.sort();
    },
    dispose: () => rm(directory, { recursive: true, force: true })
  };
}

/** Runs a program to its end, collecting what it prints. */
export function runProgram(program: string, args: readonly string[], options: IRunOptions = {}): Promise<IOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd !== undefined && { cwd: options.cwd })
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

/** Mount points that this process sees and that could be ours: compared before and after a run. */
export async function mountPoints(): Promise<string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  const points = text.split('\n').map(line => line.split(' ')[4] ?? '');
  return points.filter(point => /nbcontainer|nbc-work/.test(point));
}
