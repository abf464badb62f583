// SPDX-License-Identifier: BSD-3-Clause
/**
 * The journal of a download, `PATH.part.json` beside the data in `PATH.part`: one JSON value a line, first what is
 * being fetched, then each range whose bytes have been written. Only ever appended to, after the data, so that a
 * kill at any point loses at most the last line.
 */
import { open, readFile, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { writeFileAtomic } from '../support/atomic.ts';
import { errnoOf } from '../support/errors.ts';
import { RangeSet } from './ranges.ts';
import type { IRange } from './ranges.ts';

export interface IPart {
  readonly data: FileHandle;
  readonly done: RangeSet;
  /** Bytes that an earlier process had fetched. */
  readonly resumed: number;
  /** Notes a range; its bytes have been written. */
  record(range: IRange): Promise<void>;
  close(): Promise<void>;
  remove(): Promise<void>;
}

const VERSION = 1;

/** The ranges of a journal, undefined when it belongs to something else or cannot be read. */
export function parseJournal(text: string, digest: string, size: number): RangeSet | undefined {
  // Without its newline the last line may be cut short.
  const [head, ...lines] = text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1);
  const header = parseLine(head);
  if (
    typeof header !== 'object' ||
    header === null ||
    !('version' in header && header.version === VERSION) ||
    !('digest' in header && header.digest === digest) ||
    !('size' in header && header.size === size)
  ) {
    return undefined;
  }
  const done = new RangeSet();
  for (const line of lines) {
    const range = parseLine(line);
    const [start, end]: unknown[] = Array.isArray(range) ? range : [];
    if (
      !(typeof start === 'number' && typeof end === 'number' && Number.isInteger(start) && Number.isInteger(end)) ||
      start < 0 ||
      end > size
    ) {
      return undefined;
    }
    done.add({ start, end });
  }
  return done;
}

function parseLine(line: string | undefined): unknown {
  try {
    return JSON.parse(line ?? '');
  } catch {
    return undefined;
  }
}

/** Opens the unfinished download of a blob, or begins a new one. The caller holds the blob's lock. */
export async function openPart(path: string, digest: string, size: number): Promise<IPart> {
  const [dataPath, journalPath] = [`${path}.part`, `${path}.part.json`];
  let done = new RangeSet();
  try {
    const known = parseJournal(await readFile(journalPath, 'utf8'), digest, size);
    if (known !== undefined && (await stat(dataPath)).size === size) {
      done = known;
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') {
      throw error;
    }
  }
  const resumed = done.total;
  // The journal of an older part must not vouch for a new file: it goes first.
  if (resumed === 0) {
    await rm(journalPath, { force: true });
  }
  const data = await open(dataPath, resumed === 0 ? 'w+' : 'r+', 0o600);
  let journal: FileHandle | undefined;
  try {
    await data.truncate(size);
    // Rewritten whole, so that a torn last line does not spoil the next one.
    const lines = [{ version: VERSION, digest, size }, ...done.list().map(({ start, end }) => [start, end])];
    await writeFileAtomic(journalPath, lines.map(value => `${JSON.stringify(value)}\n`).join(''), { mode: 0o600 });
    journal = await open(journalPath, 'a', 0o600);
  } catch (error) {
    await data.close();
    await journal?.close();
    throw error;
  }
  const log = journal;
  let isOpen = true;
  const close = async () => {
    if (isOpen) {
      isOpen = false;
      await Promise.all([data.close(), log.close()]);
    }
  };
  return {
    data,
    done,
    resumed,
    async record(range) {
      done.add(range);
      await log.write(`${JSON.stringify([range.start, range.end])}\n`);
    },
    close,
    async remove() {
      await close();
      await rm(journalPath, { force: true });
      await rm(dataPath, { force: true });
    }
  };
}
