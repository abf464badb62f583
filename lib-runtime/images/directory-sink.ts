// SPDX-License-Identifier: BSD-3-Clause
/**
 * Layers of an OCI image -> an unpacked tree. The tree is made in an empty private directory, and every parent is one
 * that this sink has made itself: no symlink of a hostile layer is ever followed, nothing is written outside.
 */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeSync
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { fsPath } from '../formats/names.ts';
import type { ITreeEntry, ITreeSink } from '../formats/tree.ts';
import { asContainerError, printable } from '../support/errors.ts';
import { convertLayers, type IConversion, type IRestartableSink, type ISurvey } from './convert.ts';
import { contradiction, impliedDirectory, parentOf } from './layer.ts';

const STEP = 'unpack';
const run = promisify(execFile);

export interface IDirectorySinkOptions {
  /** True: ownership and device nodes are restored. False: everything is ours, and we can read and remove it. */
  readonly asRoot: boolean;
}

export class DirectorySink implements ITreeSink {
  readonly #root: string;
  readonly #asRoot: boolean;
  readonly #directories = new Map<string, ITreeEntry>();
  readonly #leaves = new Set<string>();
  readonly #skipped = new Map<string, number>();

  /** @param root an empty directory of ours. */
  constructor(root: string, options: IDirectorySinkOptions) {
    this.#root = root;
    this.#asRoot = options.asRoot;
    this.#directories.set('', impliedDirectory('', { mtime: now() }));
  }

  /** @throws ContainerError `no-space`, `corrupt` (a path below a file), and other failures of the disk. */
  async add(entry: ITreeEntry, content?: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      await this.#add(entry, content);
    } catch (error) {
      throw asContainerError(error, STEP, `cannot write ${printable(entry.path)} below ${this.#root}`);
    }
  }

  /** Sets owners, modes and times of directories; to be called once, after the last entry. */
  finish(): { readonly notes: readonly string[] } {
    for (const [path, entry] of [...this.#directories].reverse()) {
      const full = this.#full(path);
      if (this.#asRoot) {
        lchownSync(full, entry.uid, entry.gid);
      }
      chmodSync(full, this.#mode(entry));
      utimesSync(full, entry.mtime, entry.mtime);
    }
    return { notes: [...this.#skipped].map(([what, count]) => `${count} ${what} could not be kept`) };
  }

  async #add(entry: ITreeEntry, content: AsyncIterable<Uint8Array> | undefined): Promise<void> {
    const { path } = entry;
    if (entry.type === 'directory') {
      this.#makeDirectory(path, entry);
      this.#directories.set(path, entry);
      return;
    }
    if (this.#leaves.has(path) || this.#directories.has(path)) {
      throw contradiction(`the image holds ${JSON.stringify(path)} twice`);
    }
    this.#makeDirectory(parentOf(path), entry);
    this.#leaves.add(path);
    const full = this.#full(path);
    if (entry.xattrs?.size) {
      this.#skip('files with extended attributes');
    }
    switch (entry.type) {
      case 'file':
        return this.#writeFile(full, entry, content);
      case 'hardlink':
        if (!this.#leaves.has(entry.linkTarget ?? '')) {
          throw contradiction(`${JSON.stringify(path)} is a hard link to a file that is not in the image`);
        }
        return linkSync(this.#full(entry.linkTarget ?? ''), full);
      case 'symlink':
        symlinkSync(fsPath(entry.linkTarget ?? ''), full);
        if (this.#asRoot) {
          lchownSync(full, entry.uid, entry.gid);
        }
        return lutimesSync(full, entry.mtime, entry.mtime);
      default:
        return this.#makeNode(full, entry);
    }
  }

  /** Makes a directory and its parents, for the time being with all rights for us. */
  #makeDirectory(path: string, below: ITreeEntry): void {
    if (this.#directories.has(path)) {
      return;
    }
    if (this.#leaves.has(path)) {
      throw contradiction(`the image has ${JSON.stringify(below.path)} below something that is no directory`);
    }
    this.#makeDirectory(parentOf(path), below);
    mkdirSync(this.#full(path), 0o700);
    this.#directories.set(path, impliedDirectory(path, below));
  }

  async #writeFile(
    full: string | Buffer,
    entry: ITreeEntry,
    content: AsyncIterable<Uint8Array> | undefined
  ): Promise<void> {
    const file = openSync(full, 'wx', 0o600);
    try {
      let size = 0;
      for await (const chunk of content ?? []) {
        for (let at = 0; at < chunk.length;) {
          at += writeSync(file, chunk, at);
        }
        size += chunk.length;
      }
      if (size !== entry.size) {
        throw contradiction(`${JSON.stringify(entry.path)} has ${size} bytes instead of ${entry.size}`);
      }
      if (this.#asRoot) {
        fchownSync(file, entry.uid, entry.gid);
      }
      // After chown, which clears setuid.
      fchmodSync(file, this.#mode(entry));
      futimesSync(file, entry.mtime, entry.mtime);
    } finally {
      closeSync(file);
    }
  }

  /** Node has no mknod(2); images hold next to no such nodes, so the command does. */
  async #makeNode(full: string | Buffer, entry: ITreeEntry): Promise<void> {
    const isDevice = entry.type === 'char' || entry.type === 'block';
    if (typeof full !== 'string' || entry.type === 'socket' || (isDevice && !this.#asRoot)) {
      this.#leaves.delete(entry.path);
      this.#skip(isDevice ? 'device nodes' : 'sockets');
      return;
    }
    const kind = entry.type === 'char' ? 'c' : entry.type === 'block' ? 'b' : 'p';
    const numbers = isDevice ? [String(entry.major ?? 0), String(entry.minor ?? 0)] : [];
    try {
      await run('mknod', ['-m', '600', '--', full, kind, ...numbers]);
    } catch {
      this.#leaves.delete(entry.path);
      this.#skip(isDevice ? 'device nodes' : 'named pipes');
      return;
    }
    if (this.#asRoot) {
      lchownSync(full, entry.uid, entry.gid);
    }
    chmodSync(full, this.#mode(entry));
  }

  #mode({ type, mode }: ITreeEntry): number {
    if (this.#asRoot) {
      return mode;
    }
    const execute = type === 'directory' || (mode & 0o111) !== 0 ? 0o100 : 0;
    return mode | 0o600 | execute;
  }

  #skip(what: string): void {
    this.#skipped.set(what, (this.#skipped.get(what) ?? 0) + 1);
  }

  #full(path: string): string | Buffer {
    return fsPath(path === '' ? this.#root : `${this.#root}/${path}`);
  }
}

const now = (): number => Math.floor(Date.now() / 1000);

export interface IWrittenTree extends ISurvey {
  readonly notes: readonly string[];
}

/**
 * Unpacks an image into `directory`, which this call makes and which must not exist. On failure it is removed.
 * @throws ContainerError as convertLayers and DirectorySink.
 */
export async function writeTree(
  directory: string,
  conversion: IConversion,
  options: IDirectorySinkOptions
): Promise<IWrittenTree> {
  try {
    const { target, survey } = await convertLayers(conversion, () => TreeTarget.begin(directory, options));
    try {
      return { ...survey, notes: target.sink.finish().notes };
    } catch (error) {
      await target.drop();
      throw error;
    }
  } catch (error) {
    throw asContainerError(error, STEP, `cannot unpack into ${directory}`);
  }
}

class TreeTarget implements IRestartableSink {
  readonly sink: DirectorySink;
  readonly #directory: string;

  private constructor(directory: string, options: IDirectorySinkOptions) {
    this.#directory = directory;
    this.sink = new DirectorySink(directory, options);
  }

  static async begin(directory: string, options: IDirectorySinkOptions): Promise<TreeTarget> {
    mkdirSync(directory, 0o700);
    return Promise.resolve(new TreeTarget(directory, options));
  }

  async drop(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}
