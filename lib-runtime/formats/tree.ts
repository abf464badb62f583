// SPDX-License-Identifier: BSD-3-Clause
/** A file tree as a stream of entries: what tar readers yield and what squashfs and directory sinks take. */

export type EntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo' | 'socket';

export interface ITreeEntry {
  /** Normalised path relative to the root: no leading slash, no `.`, no `..`; the root itself is `''`. */
  readonly path: string;
  readonly type: EntryType;
  /** Permission bits incl. setuid/setgid/sticky (0..0o7777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** Bytes of content; 0 for anything but `file`. */
  readonly size: number;
  /** Text of a symlink as recorded; for a hardlink the normalised path of its target. */
  readonly linkTarget?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/**
 * Where a flattened image goes: a squashfs partition, a directory.
 * Entries come in any order; a parent may come after its children (missing parents are 0755 root:root).
 * A second `directory` entry for a path replaces the metadata of the first.
 * A `hardlink` names a path that was added before as `file` (sinks may throw otherwise).
 */
export interface ITreeSink {
  /**
   * Adds one entry; `content` yields exactly `entry.size` bytes for a `file` and must be consumed before the next add.
   * A chunk of it is valid until the next one is asked for.
   */
  add(entry: ITreeEntry, content?: AsyncIterable<Uint8Array>): Promise<void>;
}
