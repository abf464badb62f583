// SPDX-License-Identifier: BSD-3-Clause
/** The files of an image that is not unpacked or mounted, or of a directory: one way to look at both. */
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { decodeName, fsPath } from '../formats/names.ts';
import { SquashfsReader } from '../formats/squashfs/reader.ts';
import type { EntryType, ITreeEntry } from '../formats/tree.ts';
import { asContainerError, errnoOf } from '../support/errors.ts';
import type { RootfsSource } from './image.ts';

/** Paths are relative to the image's root (`''`) and lead through real directories only, see resolvePath. */
export interface IImageFiles {
  lstat(path: string): Promise<ITreeEntry | undefined>;
  /** Sorted by name; undefined when there is no such directory. */
  list(directory: string): Promise<ITreeEntry[] | undefined>;
  /** Undefined when there is no such regular file; refuses files over `maxBytes`. */
  readFile(path: string, maxBytes: number): Promise<Buffer | undefined>;
  close(): Promise<void>;
}

/**
 * `onLook` is told every path of the host that is looked at; of a squashfs there is but one.
 * @throws ContainerError `not-an-image`, `corrupt`, `truncated`, `permission`. The caller closes it.
 */
export async function openImageFiles(source: RootfsSource, onLook?: (path: string) => void): Promise<IImageFiles> {
  if (source.kind === 'directory') {
    return new DirectoryFiles(source.directory, onLook);
  }
  return SquashfsReader.open(source.file, source.offset, source.size);
}

/** As the kernel's limit on symlinks in one path. */
const SYMLINK_LIMIT = 40;

export interface IResolved {
  /** Path without symlinks, `''` for the root. */
  readonly path: string;
  /** Undefined when there is nothing, or a loop, or something that is no directory on the way. */
  readonly entry: ITreeEntry | undefined;
  /** The directories that were looked into, without symlinks. */
  readonly directories: readonly string[];
}

/** Follows a path from the root of the image as in a chroot. */
export async function resolvePath(files: IImageFiles, path: string): Promise<IResolved> {
  const root = await files.lstat('');
  const directories = new Set<string>();
  let todo = path.split('/');
  let names: string[] = [];
  let entry = root;
  for (let links = 0; todo.length > 0;) {
    const name = todo.shift() ?? '';
    if (name === '' || name === '.') {
      continue;
    }
    if (name === '..') {
      names.pop();
      entry = await files.lstat(names.join('/'));
      continue;
    }
    const here = names.join('/');
    if (entry?.type !== 'directory') {
      return { path: here, entry: undefined, directories: [...directories] };
    }
    directories.add(here);
    const below = here === '' ? name : `${here}/${name}`;
    const found = await files.lstat(below);
    if (found?.type === 'symlink') {
      links++;
      if (links > SYMLINK_LIMIT) {
        return { path: below, entry: undefined, directories: [...directories] };
      }
      const target = found.linkTarget ?? '';
      names = target.startsWith('/') ? [] : names;
      entry = names.length === 0 ? root : await files.lstat(names.join('/'));
      todo = [...target.split('/'), ...todo];
      continue;
    }
    names.push(name);
    entry = found;
    if (!found) {
      return { path: below, entry: undefined, directories: [...directories] };
    }
  }
  return { path: names.join('/'), entry, directories: [...directories] };
}

/** Text of a file, symlinks followed; undefined when there is none. */
export async function readText(files: IImageFiles, path: string, maxBytes: number): Promise<string | undefined> {
  const { path: real, entry } = await resolvePath(files, path);
  return entry?.type === 'file' ? (await files.readFile(real, maxBytes))?.toString('utf8') : undefined;
}

class DirectoryFiles implements IImageFiles {
  readonly #root: string;
  readonly #onLook: ((path: string) => void) | undefined;

  constructor(root: string, onLook?: (path: string) => void) {
    this.#root = root;
    this.#onLook = onLook;
  }

  lstat(path: string): Promise<ITreeEntry | undefined> {
    this.#onLook?.(`${this.#root}/${path}`);
    return this.#look(path);
  }

  async #look(path: string): Promise<ITreeEntry | undefined> {
    const full = this.#full(path);
    try {
      const stat = await lstat(full);
      const type: EntryType = stat.isDirectory()
        ? 'directory'
        : stat.isFile()
          ? 'file'
          : stat.isSymbolicLink()
            ? 'symlink'
            : stat.isCharacterDevice()
              ? 'char'
              : stat.isBlockDevice()
                ? 'block'
                : stat.isFIFO()
                  ? 'fifo'
                  : 'socket';
      return {
        path,
        type,
        mode: stat.mode & 0o7777,
        uid: stat.uid,
        gid: stat.gid,
        mtime: Math.floor(stat.mtimeMs / 1000),
        size: type === 'file' ? stat.size : 0,
        ...(type === 'symlink' && { linkTarget: decodeName(await readlink(full, { encoding: 'buffer' })) })
      };
    } catch (error) {
      return this.#absent(error, path);
    }
  }

  /** Entries come and go with a change of their directory; of their modes nothing is made. */
  async list(directory: string): Promise<ITreeEntry[] | undefined> {
    this.#onLook?.(`${this.#root}/${directory}`);
    try {
      const names = await readdir(this.#full(directory), { encoding: 'buffer' });
      const entries = await Promise.all(
        names.sort(Buffer.compare).map(name => {
          const text = decodeName(name);
          return this.#look(directory === '' ? text : `${directory}/${text}`);
        })
      );
      return entries.filter(entry => entry !== undefined);
    } catch (error) {
      return this.#absent(error, directory);
    }
  }

  async readFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
    try {
      const file = await open(this.#full(path), 'r');
      try {
        const { size } = await file.stat();
        if (size > maxBytes) {
          throw new Error(`it has ${size} bytes where at most ${maxBytes} are expected`);
        }
        return await file.readFile();
      } finally {
        await file.close();
      }
    } catch (error) {
      return this.#absent(error, path);
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** A file that is there and cannot be read is no reason not to start (`/root`, 0700, in a sandbox of root's). */
  #absent(error: unknown, path: string): undefined {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR'].includes(errnoOf(error) ?? '')) {
      return undefined;
    }
    throw asContainerError(error, 'read image', `cannot read ${path} in ${this.#root}`);
  }

  #full(path: string): string | Buffer {
    return fsPath(path === '' ? this.#root : `${this.#root}/${path}`);
  }
}
