// SPDX-License-Identifier: BSD-3-Clause
/**
 * Bundles lib-runtime for Node, twice. main.mjs is the whole command line, which loads its parts as a command needs
 * them. start.cjs holds the words that start a container, in one CommonJS file that asks for Node's own modules when it
 * first uses them: a container starts in milliseconds, and the modules of a program of twenty files and as many modules
 * of Node took longer. A small entry, nbcontainer.cjs, chooses.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ACTIONS } from '../lib-runtime/cli/action-words.ts';
import { LEAN } from '../lib-runtime/cli/lean-memory.ts';
import { CALLED_AS } from '../lib-runtime/cli/shim-scripts.ts';
import { ROOT, SetupError } from './house.mjs';

const OUT = path.join(ROOT, 'nbcontainer', 'runtime');

/** CommonJS dependencies (commander, tar-stream) ask for `require`, which an ES module does not have. */
const REQUIRE =
  "import { createRequire as nbcontainerRequire } from 'node:module';\nconst require = nbcontainerRequire(import.meta.url);";

/**
 * The compile cache lies in the user's own cache directory: the default, under /tmp, could be written by somebody else.
 * It is switched on here and not by NODE_COMPILE_CACHE, which would be passed on into containers.
 */
const ENTRY = `#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
const { enableCompileCache } = require('node:module');
const cache = process.env.XDG_CACHE_HOME || (process.env.HOME && process.env.HOME + '/.cache');
if (enableCompileCache && cache && cache.startsWith('/')) {
  enableCompileCache(cache + '/nbcontainer/compile');
}
const words = process.argv.slice(process.argv[2] === ${JSON.stringify(CALLED_AS)} ? 4 : 2);
const word = words.find(other => !other.startsWith('-'));
if (${JSON.stringify(LEAN.words)}.includes(word) && process.env.${LEAN.mark} === undefined && process.execve) {
  // As lean-memory.ts does, but before anything is loaded.
  const [, script, ...rest] = process.argv;
  process.execve(
    process.execPath,
    [process.execPath, ...${JSON.stringify(LEAN.flags)}, ...process.execArgv, script, ...rest],
    { ...process.env, ...${JSON.stringify(LEAN.settings)} }
  );
}
if (${JSON.stringify(ACTIONS)}.includes(word)) {
  require('./start.cjs');
} else {
  import('./main.mjs');
}
`;

/** Stands for a module of Node that is loaded with the first property that is asked of it. */
const LATER = `"use strict";
const nbcontainerUrl = 'file://' + __filename;
const nbcontainerLater = name => {
  let loaded;
  return new Proxy({}, { get: (_, key) => (key === '__esModule' ? undefined : (loaded ??= require(name))[key]) });
};`;

/** Modules whose parts alone are used. (node:events, for one, is a class itself, and a stand-in has no descendants.) */
const MAY_WAIT = new Set(
  (
    'child_process crypto dgram dns fs/promises http https module net os readline readline/promises stream ' +
    'stream/promises timers/promises tls tty url util worker_threads zlib'
  ).split(' ')
);

/**
 * The native part of node-pty (1.2.0-beta.15: the only one with binaries for Linux; glibc 2.28 and newer), which the
 * daemon loads from beside the bundle. A binary cannot be reviewed, so it must be the one that was looked at.
 */
const TERMINALS = {
  'prebuilds/linux-x64/pty.node': '123792d8f22f36d519b21dfb6f4b716f9b18b9e579085ea2840d0773d88d35fd',
  'prebuilds/linux-arm64/pty.node': '5a3b8930d62535edabec2eac79fe8eca70a178d93fbb76b1ae875dd60ee8f825'
};

function copyTerminals() {
  for (const [name, sha256] of Object.entries(TERMINALS)) {
    const content = readFileSync(path.join(ROOT, 'node_modules', 'node-pty', name));
    if (createHash('sha256').update(content).digest('hex') !== sha256) {
      throw new SetupError(`node-pty's ${name} is not the one whose hash is in scripts/bundle-runtime.mjs.`);
    }
    mkdirSync(path.dirname(path.join(OUT, name)), { recursive: true });
    writeFileSync(path.join(OUT, name), content);
  }
}

/** Packages that a start rarely needs: in files of their own, for Node reads and looks through all of a file. */
const APART = ['cli-progress', 'smol-toml', 'yaml', 'zod'];
const apartName = name => `package-${name}`;
const apart = {
  name: 'apart',
  setup: build =>
    build.onResolve({ filter: new RegExp(`^(${APART.join('|')})$`) }, ({ path: name }) => ({
      path: `./${apartName(name)}.cjs`,
      external: true
    }))
};

const COMMON = {
  absWorkingDir: ROOT,
  outdir: OUT,
  bundle: true,
  platform: 'node',
  target: 'node22.15',
  minify: true,
  keepNames: true,
  legalComments: 'none',
  logLevel: 'silent',
  metafile: true,
  write: false
};

/** The bundle with Node's modules loaded later; esbuild has no option for it, but one way to write a `require`. */
function loadLater(code) {
  const [first, ...rest] = code.split(/\brequire\("(?:node:)?([a-z/_]+)"\)/);
  let text = `${LATER}\n${first}`;
  for (let at = 0; at < rest.length; at += 2) {
    const call = MAY_WAIT.has(rest[at]) ? 'nbcontainerLater' : 'require';
    text += `${call}("${rest[at]}")${rest[at + 1]}`;
  }
  return text;
}

/** Writes nbcontainer.cjs, start.cjs, main.mjs and its parts to nbcontainer/runtime; throws esbuild's message when the sources do not hold together. */
export async function bundleRuntime() {
  const { build } = await import('esbuild');
  const result = await build({
    ...COMMON,
    entryPoints: { main: 'lib-runtime/cli/main.ts' },
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunk-[hash]',
    splitting: true,
    format: 'esm',
    banner: { js: REQUIRE }
  });
  const commonJs = { ...COMMON, outExtension: { '.js': '.cjs' }, format: 'cjs', keepNames: false };
  const packages = await build({
    ...commonJs,
    entryPoints: Object.fromEntries(APART.map(name => [apartName(name), name]))
  });
  const start = await build({
    ...commonJs,
    entryPoints: { start: 'lib-runtime/cli/start.ts' },
    define: { 'import.meta.url': 'nbcontainerUrl' },
    plugins: [apart]
  });
  // Written only now, so a source that does not compile leaves the last good bundle in place.
  mkdirSync(OUT, { recursive: true });
  for (const name of readdirSync(OUT)) {
    if (/\.[cm]js$/.test(name)) {
      rmSync(path.join(OUT, name));
    }
  }
  for (const file of [...result.outputFiles, ...packages.outputFiles]) {
    writeFileSync(file.path, file.contents);
  }
  for (const file of start.outputFiles) {
    writeFileSync(file.path, loadLater(file.text));
  }
  writeFileSync(path.join(OUT, 'nbcontainer.cjs'), ENTRY);
  copyTerminals();
  return result.metafile;
}
