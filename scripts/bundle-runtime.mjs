// SPDX-License-Identifier: BSD-3-Clause
/**
 * Bundles lib-runtime for Node: a small entry that switches the compile cache on, then loads the command line, which
 * loads the rest as a command needs it.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './house.mjs';

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
  return result.metafile;
}
