// SPDX-License-Identifier: BSD-3-Clause
/** Where things are in a clone, and how the scripts start programs. Needs nothing but Node 20. */
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The clone's root. */
export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
/** The clone's own Python environment; it brings the pinned Node as well. */
export const VENV = path.join(ROOT, '.venv');
/** Things that may be deleted at any time. */
export const CACHE = path.join(ROOT, '.cache');
/** A file in the environment's or the packages' bin directory. */
export const venvBin = name => path.join(VENV, 'bin', name);
export const nodeBin = name => path.join(ROOT, 'node_modules', '.bin', name);

/** The environment of every child: the pinned Node and Python come first on PATH. */
export function childEnv(extra = {}) {
  const env = { ...process.env, ...extra };
  env.PATH = [path.join(VENV, 'bin'), path.join(ROOT, 'node_modules', '.bin'), process.env.PATH ?? ''].join(':');
  env.VIRTUAL_ENV = VENV;
  env.PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD = '1';
  delete env.PYTHONHOME;
  return env;
}

/** One line to the person at the terminal. */
export const say = text => console.log(`[nbcontainer] ${text}`);

/** A failure that is said in one sentence, with no stack. */
export class SetupError extends Error {}

/** Ends the script with a sentence for a SetupError, with the stack for anything else. */
export function fail(error) {
  console.error(error instanceof SetupError ? `[nbcontainer] ${error.message}` : error);
  process.exit(1);
}

/**
 * Runs a program with its output on this terminal.
 * Resolves to its exit status (128 + signal number is not told apart: a signal gives 1).
 */
export function status(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit'],
      ...options,
      env: childEnv(options.env)
    });
    child.once('error', reject);
    child.once('exit', code => resolve(code ?? 1));
  });
}

/** As `status`, and a SetupError when it is not 0. */
export async function run(command, args, options = {}) {
  const code = await status(command, args, options);
  if (code !== 0) {
    throw new SetupError(`${path.basename(command)} ${args.join(' ')} failed (status ${code}).`);
  }
}

/** Standard output of a program, trimmed; undefined when it cannot be run or fails. */
export function capture(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', ...options, env: childEnv(options.env) });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/** True when the file was started as the program itself (not imported). */
export const isMain = url => process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(url);
