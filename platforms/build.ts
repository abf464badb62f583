// SPDX-License-Identifier: BSD-3-Clause
/** Compiles platforms/standin/*.c into .cache/platforms, once per content of the sources. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const REPOSITORY = join(import.meta.dirname, '..');
const SOURCES = join(import.meta.dirname, 'standin');
const OUTPUT = join(REPOSITORY, '.cache', 'platforms');
const FLAGS = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Wshadow', '-Werror', '-static'];

/** The compiler's cache lies in the clone, as that of scripts/build-launcher.mjs. */
const CACHE = join(REPOSITORY, '.cache', 'zig');
const ENVIRONMENT = { ...process.env, ZIG_GLOBAL_CACHE_DIR: CACHE, ZIG_LOCAL_CACHE_DIR: CACHE };

/** ziglang of the clone's environment (what compiles the launcher), else the machine's compiler. */
function compilers(): [string, ...string[]][] {
  const python = join(REPOSITORY, '.venv', 'bin', 'python');
  const zig: [string, ...string[]] = [python, '-m', 'ziglang', 'cc', '-target', `${machine()}-linux-musl`];
  return [...(existsSync(python) ? [zig] : []), ['cc'], ['gcc']];
}

function machine(): string {
  return process.arch === 'arm64' ? 'aarch64' : 'x86_64';
}

/**
 * Compiles C files into one static program for this machine.
 * @throws Error with the compilers' messages.
 */
export async function compileStatic(sources: readonly string[], output: string): Promise<void> {
  const failures: string[] = [];
  for (const [program, ...first] of compilers()) {
    try {
      await run(program, [...first, ...FLAGS, '-o', output, ...sources], { env: ENVIRONMENT });
      return;
    } catch (error) {
      failures.push(`${[program, ...first].join(' ')}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(`No compiler could build ${output}:\n${failures.join('\n')}`);
}

/**
 * Path of the `standin` program; compiled first when the sources changed.
 * @throws Error with the compilers' messages.
 */
export async function buildStandIn(): Promise<string> {
  const names = (await readdir(SOURCES)).filter(name => /\.[ch]$/.test(name)).sort();
  const hash = createHash('sha256').update(JSON.stringify([FLAGS, process.arch]));
  for (const name of names) {
    hash.update(name).update(await readFile(join(SOURCES, name)));
  }
  const program = join(OUTPUT, `standin-${hash.digest('hex').slice(0, 16)}`);
  if (!existsSync(program)) {
    await mkdir(OUTPUT, { recursive: true });
    const temporary = `${program}.${process.pid}`;
    try {
      await compileStatic(
        names.filter(name => name.endsWith('.c')).map(name => join(SOURCES, name)),
        temporary
      );
      await rename(temporary, program);
    } finally {
      await rm(temporary, { force: true });
    }
  }
  return program;
}
