// SPDX-License-Identifier: BSD-3-Clause
/**
 * Bundles lib-runtime for Node: a small entry that switches the compile cache on, then loads the command line, which
 * loads the rest as a command needs it.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
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
import { enableCompileCache } from 'node:module';
const cache = process.env.XDG_CACHE_HOME || (process.env.HOME && process.env.HOME + '/.cache');
if (enableCompileCache && cache && cache.startsWith('/')) {
  enableCompileCache(cache + '/nbcontainer/compile');
}
await import('./main.mjs');
`;

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

/** Writes nbcontainer/runtime/{nbcontainer,main,*}.mjs; throws esbuild's message when the sources do not hold together. */
export async function bundleRuntime() {
  const { build } = await import('esbuild');
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: { main: 'lib-runtime/cli/main.ts' },
    outdir: OUT,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunk-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.15',
    minify: true,
    keepNames: true,
    legalComments: 'none',
    banner: { js: REQUIRE },
    logLevel: 'silent',
    metafile: true,
    write: false
  });
  // Written only now, so a source that does not compile leaves the last good bundle in place.
  mkdirSync(OUT, { recursive: true });
  for (const name of readdirSync(OUT)) {
    if (name.endsWith('.mjs')) {
      rmSync(path.join(OUT, name));
    }
  }
  for (const file of result.outputFiles) {
    writeFileSync(file.path, file.contents);
  }
  writeFileSync(path.join(OUT, 'nbcontainer.mjs'), ENTRY);
  copyTerminals();
  return result.metafile;
}
