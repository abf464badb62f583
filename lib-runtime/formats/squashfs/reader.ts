// SPDX-License-Identifier: BSD-3-Clause
/** Reads squashfs 4.0 images. (Signatures first; the bodies follow in the next commits.) */
import { ContainerError } from '../../support/errors.ts';
import type { ITreeEntry } from '../tree.ts';

export interface ISquashfsSuperblock {
  readonly compression: string;
  /** Bytes. */
  readonly blockSize: number;
  readonly bytesUsed: number;
  readonly inodes: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
}

export interface ISquashfsItem {
  readonly entry: ITreeEntry;
  /** For `file` entries: the content, in blocks. */
  readonly content?: () => AsyncIterable<Uint8Array>;
}

export abstract class SquashfsReader {
  abstract readonly superblock: ISquashfsSuperblock;

  /** Opens an image; `offset` and `size` (bytes) select a partition of a SIF. */
  static open(path: string, offset?: number, size?: number): Promise<SquashfsReader> {
    void offset;
    void size;
    return Promise.reject(
      new ContainerError({ code: 'internal', step: 'read squashfs', message: `not written yet: ${path}` })
    );
  }

  /** Metadata of a path (`''` = root), symlinks not followed; undefined when there is none. */
  abstract lstat(path: string): Promise<ITreeEntry | undefined>;
  /** Entries of a directory sorted by name; undefined when there is no such directory. */
  abstract list(directory: string): Promise<ITreeEntry[] | undefined>;
  /** Content of a regular file; undefined when there is no such file. Refuses files over `maxBytes`. */
  abstract readFile(path: string, maxBytes: number): Promise<Buffer | undefined>;
  /** Every entry, depth first, parents before children; the second sight of an inode is a `hardlink`. */
  abstract entries(): AsyncGenerator<ISquashfsItem>;
  abstract close(): Promise<void>;
}
