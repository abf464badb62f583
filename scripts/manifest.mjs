// SPDX-License-Identifier: BSD-3-Clause
/** nbcontainer/runtime/manifest.json: the hash of every file of the runtime, checked by tests/python/test_wheel.py. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './house.mjs';

const RUNTIME = path.join(ROOT, 'nbcontainer', 'runtime');
const NAME = 'manifest.json';

/** Marks of builds lie beside what they built; they are no part of the runtime (pyproject.toml, artifacts). */
const isRuntime = name => name !== NAME && !name.endsWith('.stamp') && !name.endsWith('.tmp');

/** Writes the manifest; names are relative to the runtime's folder and sorted. */
export function writeManifest() {
  mkdirSync(RUNTIME, { recursive: true });
  const files = {};
  const names = readdirSync(RUNTIME, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && isRuntime(entry.name))
    .map(entry => path.relative(RUNTIME, path.join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
  for (const name of names) {
    files[name] = createHash('sha256')
      .update(readFileSync(path.join(RUNTIME, name)))
      .digest('hex');
  }
  writeFileSync(path.join(RUNTIME, NAME), `${JSON.stringify({ algorithm: 'sha256', files }, null, 2)}\n`);
}
