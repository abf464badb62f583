// SPDX-License-Identifier: BSD-3-Clause
/** Streams a tree into a squashfs 4.0 image. (Signatures first; the bodies follow in the next commit.) */
import type { FileHandle } from 'node:fs/promises';
import { ContainerError } from '../../support/errors.ts';
import type { ITreeEntry, ITreeSink } from '../tree.ts';

export interface ISquashfsTarget {
  readonly file: FileHandle;
  /** Where the image begins in the file, bytes. */
  readonly offset: number;
}

export interface ISquashfsWriterOptions {
  readonly compression: 'zstd' | 'gzip';
  /** Compression level; the default is chosen for speed. */
  readonly level?: number;
  /** Bytes, a power of two from 4 KiB to 1 MiB; default 131072. */
  readonly blockSize?: number;
  /** Time of the file system and of directories that were never added, seconds since the epoch; default now. */
  readonly mtime?: number;
}

export interface ISquashfsResult {
  /** Bytes of the file system as its superblock says. */
  readonly bytesUsed: number;
  /** The same padded to 4 KiB: what was written. */
  readonly paddedSize: number;
  /** Directory entries incl. the root. */
  readonly entries: number;
}

export class SquashfsWriter implements ITreeSink {
  constructor(target: ISquashfsTarget, options: ISquashfsWriterOptions) {
    void target;
    void options;
  }

  add(entry: ITreeEntry, content?: AsyncIterable<Uint8Array>): Promise<void> {
    void content;
    return Promise.reject(pending(entry.path));
  }

  finish(): Promise<ISquashfsResult> {
    return Promise.reject(pending('finish'));
  }
}

function pending(what: string): ContainerError {
  return new ContainerError({ code: 'internal', step: 'write squashfs', message: `not written yet: ${what}` });
}
