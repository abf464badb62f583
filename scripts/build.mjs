// SPDX-License-Identifier: BSD-3-Clause
/**
 * Builds everything that git does not hold: runtime bundle, launcher, labextension; then installs the Python package
 * into .venv so that it follows the sources. Steps whose inputs did not change are skipped.
 *
 * `--wheel` is the build backend's call (hatch_build.py): no .venv, only what goes into the wheel.
 */
import { copyFileSync, cpSync, existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { CACHE, ROOT, SetupError, fail, isMain, nodeBin, run, say, venvBin } from './house.mjs';
import { installNpm } from './setup.mjs';
import { hashOf, once } from './stamp.mjs';

const LAUNCHER_OUTPUTS = ['x86_64', 'aarch64'].map(m => `nbcontainer/runtime/launcher/${m}/nbcontainer-launcher`);
const stamp = name => path.join(CACHE, 'stamps', name);
const isSource = name => !/\.test\.tsx?$/.test(name);

async function buildRuntime() {
  const hash = hashOf(
    ['lib-runtime', 'package.json', 'package-lock.json', 'scripts/bundle-runtime.mjs', 'scripts/licenses.mjs'],
    [],
    isSource
  );
  return once(
    stamp('runtime'),
    hash,
    ['nbcontainer.cjs', 'start.cjs', 'main.mjs', 'prebuilds/linux-x64/pty.node', 'prebuilds/linux-arm64/pty.node'].map(
      name => `nbcontainer/runtime/${name}`
    ),
    async () => {
      say('Bundling the runtime.');
      const { bundleRuntime } = await import('./bundle-runtime.mjs');
      const { writeLicenses } = await import('./licenses.mjs');
      writeLicenses(await bundleRuntime());
    }
  );
}

/** `python` brings ziglang, the C compiler. */
async function buildLauncher(python) {
  if (!existsSync(path.join(ROOT, 'scripts/build-launcher.mjs'))) {
    throw new SetupError('scripts/build-launcher.mjs is missing.');
  }
  const hash = hashOf(
    ['lib-runtime/launcher', 'scripts/build-launcher.mjs', 'scripts/requirements-dev.txt'],
    [],
    isSource
  );
  return once(stamp('launcher'), hash, LAUNCHER_OUTPUTS, async () => {
    say('Compiling the launcher (x86-64 and arm64).');
    await run(process.execPath, ['scripts/build-launcher.mjs', '--python', python]);
  });
}

async function buildLabextension(builder) {
  const inputs = [
    'src',
    'style',
    'schema',
    'lib-runtime/api',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'install.json'
  ];
  return once(
    stamp('labextension'),
    hashOf(inputs, [], isSource),
    ['nbcontainer/labextension/package.json', 'nbcontainer/labextension/install.json'],
    async () => {
      say('Building the labextension.');
      // tsc takes nothing away: a file that is gone from src/ would live on.
      rmSync(path.join(ROOT, 'lib'), { recursive: true, force: true });
      await run(nodeBin('tsc'), ['-p', '.']);
      // The compiled code asks for its icons by the path they have beside src/.
      cpSync(path.join(ROOT, 'style/icons'), path.join(ROOT, 'lib/style/icons'), { recursive: true });
      // Loaded with the first shell, and not with the page.
      copyFileSync(path.join(ROOT, 'style/shell.raw.css'), path.join(ROOT, 'lib/style/shell.raw.css'));
      // As text, to be put below a class of ours: JupyterLab has an xterm of another version on the same page.
      copyFileSync(
        path.join(ROOT, 'node_modules/@xterm/xterm/css/xterm.css'),
        path.join(ROOT, 'lib/style/xterm.raw.css')
      );
      await run(builder, ['build', '.']);
      // JupyterLab reads it beside the extension: who to ask for an uninstall.
      copyFileSync(path.join(ROOT, 'install.json'), path.join(ROOT, 'nbcontainer/labextension/install.json'));
    }
  );
}

/** The editable install, and links in place of copies for the labextension. */
async function installPackage() {
  const inputs = ['pyproject.toml', 'hatch_build.py', 'package.json', 'install.json', 'jupyter-config', 'README.md'];
  await once(path.join(ROOT, '.venv', '.nbcontainer-editable'), hashOf(inputs), [venvBin('nbcontainer')], async () => {
    say('Installing the Python package (editable).');
    await run(venvBin('python'), ['-m', 'pip', 'install', '-q', '--no-build-isolation', '--no-deps', '-e', '.'], {
      env: { NBCONTAINER_SKIP_BUILD: '1' }
    });
    await run(venvBin('jupyter-builder'), ['develop', '.', '--overwrite'], { stdio: ['ignore', 'ignore', 'inherit'] });
  });
}

async function writeIndex() {
  const { writeManifest } = await import('./manifest.mjs');
  writeManifest();
}

/** Builds a clone that is set up: as much as will build, then throws when a step failed. */
export async function build() {
  const failed = [];
  const steps = {
    'the runtime': buildRuntime,
    'the launcher': () => buildLauncher(venvBin('python')),
    'the manifest': writeIndex,
    'the labextension': () => buildLabextension(venvBin('jupyter-builder')),
    'the Python package': installPackage
  };
  for (const [what, step] of Object.entries(steps)) {
    try {
      await step();
    } catch (error) {
      failed.push(what);
      console.error(error.message);
    }
  }
  if (failed.length > 0) {
    throw new SetupError(`Could not be built: ${failed.join(', ')}.`);
  }
}

/** Builds what the wheel holds, with the tools that hatch_build.py names. */
async function buildForWheel() {
  const { NBCONTAINER_PYTHON: python, NBCONTAINER_NPM_CLI: npm, NBCONTAINER_BUILDER: builder } = process.env;
  if (!python || !npm || !builder) {
    throw new SetupError('--wheel is for hatch_build.py, which names its tools.');
  }
  await installNpm(process.execPath, [process.execPath, npm]);
  await buildRuntime();
  await buildLauncher(python);
  await writeIndex();
  await buildLabextension(builder);
}

if (isMain(import.meta.url)) {
  await (process.argv.includes('--wheel') ? buildForWheel() : build()).catch(fail);
}
