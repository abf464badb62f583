// SPDX-License-Identifier: BSD-3-Clause
/**
 * `npm start`: set up, build, sample image, then JupyterLab on examples/ with the quickstart open.
 * Words after `--` go to JupyterLab (`npm start -- --port 9000`).
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { ROOT, VENV, childEnv, fail, run, say, venvBin } from './house.mjs';
import { setUp } from './setup.mjs';

const NOTEBOOK = 'quickstart.ipynb';

/** The first free port from `first` on; JupyterLab would find one too, but then the address is not known beforehand. */
function freePort(first) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', error => {
      if (error.code === 'EADDRINUSE' && first < 65535) {
        freePort(first + 1).then(resolve, reject);
      } else {
        reject(error);
      }
    });
    server.listen(first, '127.0.0.1', () => server.close(() => resolve(first)));
  });
}

/** A clone's JupyterLab asks nobody for news and updates: it has to work without the internet. */
function writeOverrides() {
  const folder = path.join(VENV, 'share', 'jupyter', 'lab', 'settings');
  mkdirSync(folder, { recursive: true });
  const overrides = { '@jupyterlab/apputils-extension:notification': { fetchNews: 'false', checkForUpdates: false } };
  writeFileSync(path.join(folder, 'overrides.json'), JSON.stringify(overrides, null, 2));
}

/** Resolves when the server answers, or when it ended (its own messages say why). */
async function untilUp(url, child) {
  while (child.exitCode === null) {
    const up = await fetch(url).then(
      response => response.ok,
      () => false
    );
    if (up) {
      return true;
    }
    await new Promise(resolve => setTimeout(resolve, 150));
  }
  return false;
}

async function main(words) {
  const began = Date.now();
  await setUp('start');
  // From here on the pinned Node does the work.
  await run(venvBin('node'), ['scripts/build.mjs']);
  await run(venvBin('node'), ['scripts/sample-image.mjs']);
  writeOverrides();
  const has = flag => words.some(word => word === flag || word.startsWith(`${flag}=`));
  const valueOf = flag =>
    words.find(word => word.startsWith(`${flag}=`))?.slice(flag.length + 1) ?? words[words.indexOf(flag) + 1];
  const port = has('--port') ? Number(valueOf('--port')) : await freePort(8888);
  const display = process.env.DISPLAY || process.env.WAYLAND_DISPLAY || process.platform === 'darwin';
  const args = [
    'lab',
    '--ServerApp.root_dir',
    path.join(ROOT, 'examples'),
    `--LabApp.default_url=/lab/tree/${NOTEBOOK}`,
    ...words
  ];
  if (!has('--port')) {
    args.push('--port', String(port), '--ServerApp.port_retries=0');
  }
  if (process.getuid?.() === 0 && !has('--allow-root')) {
    args.push('--allow-root');
  }
  if (!display && !has('--no-browser')) {
    args.push('--no-browser');
  }
  // In the environment, where `ps` does not show it.
  const token = process.env.JUPYTER_TOKEN ?? randomBytes(24).toString('hex');
  const env = childEnv({ JUPYTER_TOKEN: token, JUPYTER_PREFER_ENV_PATH: '1' });
  const child = spawn(venvBin('jupyter'), args, { cwd: ROOT, stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM']) {
    // Ctrl-C reaches JupyterLab too; it asks whether to stop, and this script waits for its answer.
    process.on(signal, () => signal === 'SIGTERM' && child.kill(signal));
  }
  const ended = new Promise(resolve => child.once('exit', code => resolve(code ?? 1)));
  if (await untilUp(`http://127.0.0.1:${port}/api`, child)) {
    say(`Ready after ${((Date.now() - began) / 1000).toFixed(0)} s. Open this address, then Run > Run All Cells:`);
    say(`  http://127.0.0.1:${port}/lab/tree/${NOTEBOOK}?token=${token}`);
  }
  process.exit(await ended);
}

await main(process.argv.slice(2)).catch(fail);
