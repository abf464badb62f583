// SPDX-License-Identifier: BSD-3-Clause
/** What makes a second start quick: a step is skipped when the hash of its inputs is the one it last ran with. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './house.mjs';

const SKIPPED = new Set(['node_modules', '__pycache__', '.git', 'test-results']);

function* filesUnder(file) {
  const at = path.resolve(ROOT, file);
  if (!existsSync(at)) {
    return;
  }
  if (!statSync(at).isDirectory()) {
    yield at;
    return;
  }
  for (const name of readdirSync(at).sort()) {
    if (!SKIPPED.has(name)) {
      yield* filesUnder(path.join(at, name));
    }
  }
}

/**
 * SHA-256 over the names and bytes of files and folders (relative to the clone), plus any words that matter too.
 * `keep` says which files count; names are absolute.
 */
export function hashOf(files, words = [], keep = () => true) {
  const hash = createHash('sha256');
  for (const word of words) {
    hash.update(`word ${word}\0`);
  }
  for (const file of files) {
    for (const name of filesUnder(file)) {
      if (keep(name)) {
        const bytes = readFileSync(name);
        hash.update(`file ${path.relative(ROOT, name)} ${bytes.length}\0`).update(bytes);
      }
    }
  }
  return hash.digest('hex');
}

/**
 * Runs `step` unless `stampFile` already holds `hash` and every one of `outputs` exists.
 * The stamp is removed first and written last, so a step that was cut off runs again. Returns whether it ran.
 */
export async function once(stampFile, hash, outputs, step) {
  const present = outputs.every(output => existsSync(path.resolve(ROOT, output)));
  if (present && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === hash) {
    return false;
  }
  rmSync(stampFile, { force: true });
  await step();
  mkdirSync(path.dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, hash);
  return true;
}
