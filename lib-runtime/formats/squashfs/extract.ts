// SPDX-License-Identifier: BSD-3-Clause
/**
 * Unpacks a squashfs image into an empty directory. The next files are decompressed on the thread pool while one is
 * written; the many small system calls are made synchronously, which costs a tenth of a round through the pool.
 *
 * Nothing is written outside: the directory is empty at the start, the reader refuses names that leave their directory
 * and names that occur twice, so no path ever passes a symlink; files are created exclusively.
 */
import {
  closeSync,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync
} from 'node:fs';
import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { asContainerError, ContainerError, printable } from '../../support/errors.ts';
import type { ProgressListener } from '../../support/progress.ts';
import { fsPath } from '../names.ts';
import type { ITreeEntry } from '../tree.ts';
import type { IDataBlock } from './content.ts';
import { finishDirectories, makeSpecialFiles } from './extract-late.ts';
import type { ISquashfsItem, SquashfsReader } from './reader.ts';

export interface IExtractOptions {
  /** True: we are real root, so ownership and device nodes are restored and modes are kept as they are. */
  readonly asRoot: boolean;
  /** Entries done, of the inodes that the image names. */
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

export interface IExtractResult {
  readonly entries: number;
  /** Bytes of file content, holes counted. */
  readonly bytes: number;
  /** What could not be kept, each said once (`12 device nodes were left out`). */
  readonly notes: readonly string[];
}

/** Entries that are read ahead, and the bytes that may wait in memory for it. */
const AHEAD_ENTRIES = 128;
const AHEAD_BYTES = 8 << 20;
/** What one file may hold of that: its first blocks. */
const AHEAD_FILE = 640 << 10;
const PROGRESS_EVERY = 256;

/**
 * Unpacks everything into `directory`, which must be empty or absent. On failure what was written is removed again.
 *
 * Not as root: everything belongs to the caller, who can read and write all of it (u+rwX), and the setuid and setgid
 * bits of files are dropped, since they would lend the caller's rights to other users.
 * @throws ContainerError `exists` (directory not empty), `cancelled`, `no-space`, `corrupt` and other errors of reading.
 */
export async function extractSquashfs(
  reader: SquashfsReader,
  directory: string,
  options: IExtractOptions
): Promise<IExtractResult> {
  const isNew = await prepare(directory);
  try {
    return await new Extraction(reader, directory, options).run();
  } catch (error) {
    await removeContents(directory);
    if (isNew) {
      await rmdir(directory).catch(() => undefined);
    }
    throw asContainerError(error, 'unpack', `cannot unpack the image into ${directory}`);
  }
}

class Extraction {
  readonly #reader: SquashfsReader;
  readonly #directory: string;
  readonly #options: IExtractOptions;
  readonly #directories: ITreeEntry[] = [];
  readonly #special: ITreeEntry[] = [];
  readonly #specialPaths = new Set<string>();
  readonly #specialLinks: ITreeEntry[] = [];
  readonly #notes = new Map<string, number>();
  readonly #umask = process.umask();
  #entries = 0;
  #bytes = 0;

  constructor(reader: SquashfsReader, directory: string, options: IExtractOptions) {
    this.#reader = reader;
    this.#directory = directory;
    this.#options = options;
  }

  async run(): Promise<IExtractResult> {
    const { signal, onProgress } = this.#options;
    const total = this.#reader.superblock.inodes;
    for await (const { entry, blocks } of readAhead(this.#reader.entries())) {
      if (signal?.aborted === true) {
        throw new ContainerError({ code: 'cancelled', step: 'unpack', message: 'unpacking was cancelled' });
      }
      await this.#write(entry, blocks);
      this.#entries += 1;
      if (this.#entries % PROGRESS_EVERY === 0) {
        onProgress?.({ phase: 'unpack', done: this.#entries, total, unit: 'entries' });
      }
    }
    await this.#makeSpecial();
    finishDirectories(this.#directories, entry => this.#path(entry.path), this.#options.asRoot);
    onProgress?.({ phase: 'unpack', done: this.#entries, total: this.#entries, unit: 'entries' });
    const notes = [...this.#notes].map(([what, count]) => `${count} ${what}`);
    return { entries: this.#entries, bytes: this.#bytes, notes };
  }

  async #makeSpecial(): Promise<void> {
    const pathOf = (entry: ITreeEntry): string | Buffer => this.#path(entry.path);
    const { made, missing } = await makeSpecialFiles(this.#special, this.#directory, pathOf, this.#options.asRoot);
    missing.forEach(kind => this.#note(kind));
    for (const entry of this.#specialLinks) {
      if (made.has(entry.linkTarget ?? '')) {
        linkSync(this.#path(entry.linkTarget ?? ''), this.#path(entry.path));
      } else {
        this.#note('further names of those were left out');
      }
    }
  }

  async #write(entry: ITreeEntry, blocks: AsyncIterator<IDataBlock> | undefined): Promise<void> {
    const path = this.#path(entry.path);
    if (entry.xattrs) {
      this.#note('files have extended attributes, which are not kept in a directory');
    }
    switch (entry.type) {
      case 'directory':
        this.#directories.push(entry);
        if (entry.path !== '') {
          mkdirSync(path, 0o700);
        }
        return;
      case 'file':
        await this.#writeFile(path, entry, blocks);
        return;
      case 'symlink':
        symlinkSync(fsPath(entry.linkTarget ?? ''), path);
        if (this.#options.asRoot && (entry.uid !== 0 || entry.gid !== 0)) {
          lchownSync(path, entry.uid, entry.gid);
        }
        lutimesSync(path, entry.mtime, entry.mtime);
        return;
      case 'hardlink':
        if (this.#specialPaths.has(entry.linkTarget ?? '')) {
          this.#specialLinks.push(entry);
        } else {
          linkSync(this.#path(entry.linkTarget ?? ''), path);
        }
        return;
      default:
        this.#specialPaths.add(entry.path);
        this.#special.push(entry);
    }
  }

  async #writeFile(
    path: string | Buffer,
    entry: ITreeEntry,
    blocks: AsyncIterator<IDataBlock> | undefined
  ): Promise<void> {
    const { asRoot } = this.#options;
    const mode = asRoot ? entry.mode : (entry.mode & 0o777) | 0o600;
    if (!asRoot && (entry.mode & 0o6000) !== 0) {
      this.#note('files lost their setuid or setgid bit, since they belong to you now');
    }
    const descriptor = openSync(path, 'wx', mode & 0o777);
    try {
      let position = 0;
      let isHoleLast = false;
      for (let next = await blocks?.next(); next && next.done !== true; next = await blocks?.next()) {
        const { data, hole } = next.value;
        isHoleLast = hole;
        if (!hole) {
          writeAll(descriptor, data, position);
        }
        position += data.length;
      }
      if (isHoleLast) {
        ftruncateSync(descriptor, position);
      }
      this.#bytes += position;
      if (asRoot && (entry.uid !== 0 || entry.gid !== 0)) {
        fchownSync(descriptor, entry.uid, entry.gid);
      }
      if ((mode & ~0o777) !== 0 || (mode & this.#umask) !== 0) {
        fchmodSync(descriptor, mode);
      }
      futimesSync(descriptor, entry.mtime, entry.mtime);
    } catch (error) {
      throw asContainerError(error, 'unpack', `cannot write ${printable(entry.path)}`);
    } finally {
      closeSync(descriptor);
    }
  }

  #path(path: string): string | Buffer {
    return fsPath(`${this.#directory}/${path}`);
  }

  #note(what: string): void {
    this.#notes.set(what, (this.#notes.get(what) ?? 0) + 1);
  }
}

interface IStarted {
  readonly entry: ITreeEntry;
  readonly blocks: AsyncIterator<IDataBlock> | undefined;
}

/** Starts the reading of files before their turn comes, within bounds. */
async function* readAhead(items: AsyncIterable<ISquashfsItem>): AsyncGenerator<IStarted, void, undefined> {
  const waiting: (IStarted & { readonly cost: number })[] = [];
  let cost = 0;
  const take = (): IStarted | undefined => {
    const next = waiting.shift();
    cost -= next?.cost ?? 0;
    return next;
  };
  for await (const { entry, blocks } of items) {
    const own = Math.min(entry.size, AHEAD_FILE);
    waiting.push({ entry, blocks: blocks && started(blocks()[Symbol.asyncIterator]()), cost: own });
    cost += own;
    while (waiting.length > AHEAD_ENTRIES || cost > AHEAD_BYTES) {
      const next = take();
      if (next) {
        yield next;
      }
    }
  }
  for (let next = take(); next; next = take()) {
    yield next;
  }
}

/** Asks for the first block at once and hands it out when the consumer comes. */
function started(iterator: AsyncIterator<IDataBlock>): AsyncIterator<IDataBlock> {
  let first: Promise<IteratorResult<IDataBlock>> | undefined = iterator.next();
  // Reported when the consumer asks; until then the rejection is not unhandled.
  first.catch(() => undefined);
  return {
    next: () => {
      const result = first ?? iterator.next();
      first = undefined;
      return result;
    }
  };
}

function writeAll(descriptor: number, data: Buffer, position: number): void {
  for (let written = 0; written < data.length;) {
    written += writeSync(descriptor, data, written, data.length - written, position + written);
  }
}

/** Makes the directory, or checks that it is empty; true when it was made. */
async function prepare(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, { mode: 0o700 });
    return true;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) {
      throw asContainerError(error, 'unpack', `cannot create ${directory}`);
    }
  }
  const names = await readdir(directory).catch((error: unknown) => {
    throw asContainerError(error, 'unpack', `cannot read ${directory}`);
  });
  if (names.length > 0) {
    throw new ContainerError({
      code: 'exists',
      step: 'unpack',
      message: `${directory} is not empty`,
      fix: 'Choose a directory that does not exist yet'
    });
  }
  return false;
}

async function removeContents(directory: string): Promise<void> {
  const names = await readdir(directory, { encoding: 'buffer' }).catch(() => []);
  for (const name of names) {
    const path = Buffer.concat([Buffer.from(join(directory, '/')), name]);
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}
