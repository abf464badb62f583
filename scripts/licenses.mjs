// SPDX-License-Identifier: BSD-3-Clause
/** nbcontainer/runtime/THIRD_PARTY_LICENSES.txt: the licences of the packages whose code is in the bundle. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT, SetupError } from './house.mjs';

/** The package folder of a file below node_modules (the innermost one). */
function packageOf(file) {
  return /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
}

/** Copied as it is, so esbuild does not know of it. */
const COPIED = ['node_modules/node-pty'];

/** xterm's packages carry one licence between them. */
const XTERM = path.join('node_modules', '@xterm', 'xterm', 'LICENSE');

/** Writes the file from esbuild's metafile; a package with no licence text fails the build. */
export function writeLicenses(metafile) {
  const folders = new Set(COPIED);
  for (const output of Object.values(metafile.outputs)) {
    for (const input of Object.keys(output.inputs)) {
      const folder = packageOf(input);
      if (folder !== undefined) {
        folders.add(folder);
      }
    }
  }
  const parts = ['The runtime of nbcontainer contains code of these packages.', ''];
  for (const folder of [...folders].sort()) {
    const at = path.join(ROOT, folder);
    const { name, version, license } = JSON.parse(readFileSync(path.join(at, 'package.json'), 'utf8'));
    const own = readdirSync(at).find(entry => /^(licen[cs]e|copying)(\.|$)/i.test(entry));
    const file = own ? path.join(folder, own) : name.startsWith('@xterm/') ? XTERM : undefined;
    if (license === undefined || (file === undefined && !existsSync(path.join(at, 'README.md')))) {
      throw new SetupError(`${folder} states no licence; it cannot be part of the bundle.`);
    }
    parts.push(`${'-'.repeat(78)}\n${name} ${version} (${license})\n`);
    parts.push(
      file === undefined
        ? `Licence as stated in its package.json: ${license}`
        : readFileSync(path.join(ROOT, file), 'utf8').trim(),
      ''
    );
  }
  writeFileSync(path.join(ROOT, 'nbcontainer', 'runtime', 'THIRD_PARTY_LICENSES.txt'), parts.join('\n'));
}
