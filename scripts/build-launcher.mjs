// SPDX-License-Identifier: BSD-3-Clause
/**
 * Builds the launcher (lib-runtime/launcher/*.c) as static musl binaries with the `ziglang` package of PyPI:
 *   nbcontainer/runtime/launcher/{x86_64,aarch64}/nbcontainer-launcher
 * Nothing is done when the sources, the options and the compiler are those of the last build.
 *
 *   node scripts/build-launcher.mjs [--python PATH] [--force]
 *   node scripts/build-launcher.mjs --sanitize   the same sources with gcc, ASan and UBSan, for this machine only:
 *                                                .cache/launcher-sanitize/nbcontainer-launcher
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const SOURCES = join(ROOT, 'lib-runtime', 'launcher');
const BINARIES = join(ROOT, 'nbcontainer', 'runtime', 'launcher');
const NAME = 'nbcontainer-launcher';
export const ZIG = 'ziglang==0.13.0';
const COMMON = ['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror'];
const STATIC = [
  ...COMMON,
  '-Os',
  '-static',
  '-s',
  '-fno-sanitize=undefined',
  '-Wl,--gc-sections',
  '-ffunction-sections'
];
const CHECKED = [...COMMON, '-DCHECKED', '-g', '-O1'];
const SANITIZE = [...COMMON, '-DSANITIZED', '-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

const read = file => readFileSync(join(SOURCES, file));
const sources = () =>
  readdirSync(SOURCES)
    .filter(name => name.endsWith('.c'))
    .sort();

/** Names what a build depends on. */
function stamp(options) {
  const hash = createHash('sha256').update(JSON.stringify(options));
  for (const file of readdirSync(SOURCES)
    .filter(name => /\.[ch]$/.test(name))
    .sort()) {
    hash.update(`\0${file}\0`).update(read(file));
  }
  return hash.digest('hex');
}

/**
 * The compiler's cache lies in the clone. A build that was interrupted can leave it damaged ("libc.a: No such file"),
 * so a failure is tried once more without it.
 */
const CACHE = join(ROOT, '.cache', 'zig');

function run(command, args, again = true) {
  const env = { ...process.env, ZIG_GLOBAL_CACHE_DIR: CACHE, ZIG_LOCAL_CACHE_DIR: CACHE };
  const result = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], env });
  if (result.error === undefined && result.status !== 0 && again && existsSync(CACHE)) {
    rmSync(CACHE, { recursive: true, force: true });
    run(command, args, false);
    return;
  }
  if (result.error || result.status !== 0) {
    throw new Error(`${command} failed: ${result.error?.message ?? `status ${result.status}`}`);
  }
}

/** Compiles to a temporary beside the target and renames: a reader never sees half a binary. */
function build(output, compiler, options, force) {
  const wanted = stamp([compiler.slice(1), options]);
  const mark = `${output}.stamp`;
  if (!force && existsSync(output) && existsSync(mark) && readFileSync(mark, 'utf8') === wanted) {
    return false;
  }
  mkdirSync(dirname(output), { recursive: true });
  const temporary = `${output}.${process.pid}.tmp`;
  try {
    run(compiler[0], [
      ...compiler.slice(1),
      ...options,
      '-o',
      temporary,
      ...sources().map(name => join(SOURCES, name))
    ]);
    renameSync(temporary, output);
    writeFileSync(mark, wanted);
  } finally {
    rmSync(temporary, { force: true });
  }
  return true;
}

/** The project's Python when there is one; its `ziglang` is installed by scripts/setup or by hand: pip install ZIG. */
function findPython(given) {
  const own = join(ROOT, '.venv', 'bin', 'python');
  return given ?? (existsSync(own) ? own : 'python3');
}

/** Builds what is stale; returns the paths that were written. */
export function buildLauncher({ python, force = false, architectures = ['x86_64', 'aarch64'] } = {}) {
  const interpreter = findPython(python);
  const written = [];
  for (const architecture of architectures) {
    const output = join(BINARIES, architecture, NAME);
    const compiler = [interpreter, '-m', 'ziglang', 'cc', '-target', `${architecture}-linux-musl`];
    if (build(output, compiler, STATIC, force)) {
      written.push(output);
    }
  }
  return written;
}

/** Builds with the host's gcc and sanitizers; returns the path. */
export function buildSanitized(force = false) {
  const output = join(ROOT, '.cache', 'launcher-sanitize', NAME);
  build(output, ['gcc'], SANITIZE, force);
  return output;
}

/** Builds with the host's gcc, dynamic and with debug information, for valgrind; returns the path. */
export function buildChecked(force = false) {
  const output = join(ROOT, '.cache', 'launcher-valgrind', NAME);
  build(output, ['gcc'], CHECKED, force);
  return output;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  const at = args.indexOf('--python');
  const force = args.includes('--force');
  if (args.includes('--sanitize')) {
    console.log(buildSanitized(force));
  } else {
    for (const path of buildLauncher({ python: at < 0 ? undefined : args[at + 1], force })) {
      console.log(`built ${path}`);
    }
  }
}
