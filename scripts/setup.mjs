// SPDX-License-Identifier: BSD-3-Clause
/**
 * Set-up of a clone: Debian packages, Python environment (which brings the pinned Node), npm packages.
 * Runs on Node 20 with nothing installed; a second run does nothing and takes about a second.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ensurePackages } from './apt.mjs';
import { ROOT, SetupError, VENV, capture, fail, isMain, run, say, status, venvBin } from './house.mjs';
import { hashOf, once } from './stamp.mjs';

const REQUIREMENTS = 'scripts/requirements-dev.txt';
const CONSTRAINTS = 'scripts/constraints.txt';
const VERSION = 'import sys; print("%d.%d.%d" % sys.version_info[:3])';

/** True for "3.10.2" and later. */
function isAtLeast(version, major, minor) {
  const [a = 0, b = 0] = (version ?? '').split('.').map(Number);
  return a > major || (a === major && b >= minor);
}

/** A Python >= 3.10 outside of the clone's environment. */
function findPython() {
  for (const name of ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', '/usr/bin/python3']) {
    if (isAtLeast(capture(name, ['-c', VERSION], { env: { PATH: process.env.PATH } }), 3, 10)) {
      return name;
    }
  }
  throw new SetupError('Python 3.10 or newer is needed and none was found on PATH (Debian: apt-get install python3).');
}

async function makeVenv() {
  if (capture(venvBin('python'), ['-m', 'pip', '--version']) !== undefined) {
    return;
  }
  rmSync(VENV, { recursive: true, force: true });
  const python = findPython();
  say(`Making the Python environment .venv (${python}).`);
  if (capture(python, ['-c', 'import ensurepip']) === undefined) {
    await ensurePackages('python');
  }
  await run(python, ['-m', 'venv', VENV]);
  // Without it Node takes this clone's "type": "module" for the CommonJS files that Python packages bring.
  writeFileSync(path.join(VENV, 'package.json'), '{}');
}

async function installPython() {
  const version = capture(venvBin('python'), ['-c', VERSION]) ?? '';
  const hash = hashOf([REQUIREMENTS, CONSTRAINTS], [version]);
  await once(path.join(VENV, '.nbcontainer-requirements'), hash, [venvBin('node'), venvBin('jupyter')], async () => {
    say('Installing JupyterLab, Node.js and the build tools into .venv.');
    const args = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '-r', REQUIREMENTS];
    if (isAtLeast(version, 3, 11)) {
      if ((await status(venvBin('python'), [...args, '-c', CONSTRAINTS])) === 0) {
        return;
      }
      // A registry may no longer serve, or not yet, one of a hundred exact versions: the direct ones still hold.
      say(`Not every version of ${CONSTRAINTS} can be had: taking others where ${REQUIREMENTS} does not name one.`);
    }
    await run(venvBin('python'), args);
  });
}

/**
 * Whether node_modules is what package-lock.json says, by npm's own record of what it installed.
 * A package for another system, which the lock marks as optional, may be absent.
 */
function npmIsFresh() {
  const record = path.join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) {
    return false;
  }
  const have = JSON.parse(readFileSync(record, 'utf8')).packages;
  const want = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(want).every(([name, entry]) => {
    const got = have[name];
    return (
      name === '' ||
      entry.link ||
      (got ? got.version === entry.version : entry.optional || entry.devOptional || entry.peer)
    );
  });
}

/** `npm ci` under the pinned Node, when node_modules is not already what the lock says. */
export async function installNpm(node = venvBin('node'), npm = [venvBin('npm')]) {
  if (npmIsFresh()) {
    return;
  }
  say(`Installing npm packages (npm ci, Node ${capture(node, ['--version'])}).`);
  if ((await status(npm[0], [...npm.slice(1), 'ci', '--no-fund', '--no-audit', '--loglevel=error'])) !== 0) {
    throw new SetupError('npm ci failed: is the npm registry reachable? Its message is above.');
  }
}

/** Everything a clone needs for `npm start` or, with level test, for `npm test`. */
export async function setUp(level = 'start') {
  await ensurePackages(level);
  await makeVenv();
  await installPython();
  await installNpm();
}

if (isMain(import.meta.url)) {
  await setUp(process.argv.includes('--test') ? 'test' : 'start').catch(fail);
}
