// SPDX-License-Identifier: BSD-3-Clause
/** The records under `refs/`: one JSON file per reference, written atomically, unreadable ones passed over. */
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { formatReference, parseReference } from '../registry/reference.ts';
import { writeFileAtomic } from '../support/atomic.ts';
import { errnoOf } from '../support/errors.ts';
import { parseWebAddress } from '../registry/web-address.ts';
import { recordName } from './layout.ts';

/** What identifies the file that was recorded; a file that no longer matches is another file. */
export interface IFileMark {
  readonly size: number;
  readonly mtimeMs: number;
  readonly inode: number;
}

export interface IReferenceRecord {
  /** Canonical text, see `canonicalName`. */
  readonly reference: string;
  readonly key: string;
  readonly manifestDigest?: string;
  /** See IImageRecord. */
  readonly version?: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** ISO 8601. */
  readonly createdAt: string;
  /** What the user pulled or opened, as written. */
  readonly source: string;
  /** The file is the user's own, outside the store. */
  readonly external: boolean;
  readonly mark: IFileMark;
}

/**
 * One spelling per image: `docker://alpine` and `docker://docker.io/library/alpine:latest` are the same.
 * A web address loses user, password and fragment; other text (a path) stays as it is.
 */
export function canonicalName(text: string): string {
  const scheme = /^(docker|oras):\/\//.exec(text)?.[0];
  if (scheme === undefined) {
    return parseWebAddress(text)?.url ?? text;
  }
  try {
    return scheme + formatReference(parseReference(text));
  } catch {
    return text;
  }
}

export async function markOf(path: string): Promise<IFileMark | undefined> {
  try {
    const { size, mtimeMs, ino } = await stat(path);
    return { size, mtimeMs, inode: ino };
  } catch {
    return undefined;
  }
}

export async function stillMatches(record: IReferenceRecord): Promise<boolean> {
  const now = await markOf(record.path);
  const { size, mtimeMs, inode } = record.mark;
  return now !== undefined && now.size === size && now.mtimeMs === mtimeMs && now.inode === inode;
}

export async function writeRecord(directory: string, record: IReferenceRecord): Promise<void> {
  await writeFileAtomic(join(directory, recordName(record.reference)), `${JSON.stringify(record, undefined, 2)}\n`);
}

export async function removeRecord(directory: string, reference: string): Promise<void> {
  await rm(join(directory, recordName(reference)), { force: true });
}

export async function readRecord(directory: string, reference: string): Promise<IReferenceRecord | undefined> {
  const record = await readRecordFile(join(directory, recordName(reference)));
  return record?.reference === reference ? record : undefined;
}

export async function readRecords(directory: string): Promise<IReferenceRecord[]> {
  const names = (await readdir(directory)).filter(name => /^[0-9a-f]{40}\.json$/.test(name)).sort();
  const records = await Promise.all(names.map(name => readRecordFile(join(directory, name))));
  return records.filter((record): record is IReferenceRecord => record !== undefined);
}

async function readRecordFile(path: string): Promise<IReferenceRecord | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    // Damaged from outside: forgetting a name is harmless, the image itself is still listed by its key.
    return undefined;
  }
}

function isRecord(value: unknown): value is IReferenceRecord {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const record = value as Record<string, unknown>;
  const mark = record['mark'] as Record<string, unknown> | null | undefined;
  return (
    ['reference', 'key', 'path', 'createdAt', 'source'].every(name => typeof record[name] === 'string') &&
    typeof record['sizeBytes'] === 'number' &&
    typeof record['external'] === 'boolean' &&
    ['manifestDigest', 'version'].every(name => ['undefined', 'string'].includes(typeof record[name])) &&
    typeof mark === 'object' &&
    mark !== null &&
    ['size', 'mtimeMs', 'inode'].every(name => typeof mark[name] === 'number')
  );
}
