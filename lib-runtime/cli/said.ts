// SPDX-License-Identifier: BSD-3-Clause
/** What was said already: a notebook of fifty cells is told once how its containers are started, not fifty times. */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { INote } from '../run/plan-types.ts';

const FILE = 'said.json';
/** Texts that are remembered, the newest. */
const REMEMBERED = 200;

/**
 * Whether a note is news: everything is, but what lasts (INote.lasting) only once in the life of the runtime directory,
 * which is gone with the next boot. Synchronous (support/atomic.ts is not): notes are said between two steps of a start
 * that wait for nothing. Never throws: where nothing can be remembered, everything is news.
 */
export function isNews(note: INote, runtimeDirectory: string): boolean {
  if (note.lasting !== true) {
    return true;
  }
  const mark = createHash('sha256').update(note.text).digest('hex').slice(0, 16);
  const path = join(runtimeDirectory, FILE);
  const said = readMarks(path);
  if (said.includes(mark)) {
    return false;
  }
  try {
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, JSON.stringify([...said, mark].slice(-REMEMBERED)), { mode: 0o600 });
    renameSync(temporary, path);
  } catch {
    // A full or read-only file system is no reason not to start.
  }
  return true;
}

function readMarks(path: string): string[] {
  try {
    const marks: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return Array.isArray(marks) ? marks.filter(mark => typeof mark === 'string') : [];
  } catch {
    return [];
  }
}
