// SPDX-License-Identifier: BSD-3-Clause
/** A layer of an OCI image as a stream of entries that can be opened any number of times. */
import { ContainerError } from '../support/errors.ts';
import type { ITreeEntry } from '../formats/tree.ts';

export interface ILayerEntry {
  readonly entry: ITreeEntry;
  /** Exactly `entry.size` bytes of a `file`; what is not consumed is skipped by the reader. */
  readonly content?: AsyncIterable<Uint8Array>;
}

export interface ILayer {
  /** Short name for messages and progress, for example a short digest. */
  readonly label: string;
  /** Entries in archive order, whiteouts included, from the first one each time it is called. */
  open(): AsyncIterable<ILayerEntry>;
}

/** Prefix of a whiteout's name; the rest is the name that is hidden (OCI image-spec, layer.md). */
export const WHITEOUT_PREFIX = '.wh.';
/** Name of the whiteout that hides everything that lower layers have in its directory. */
export const OPAQUE_WHITEOUT = '.wh..wh..opq';

export type Whiteout =
  { readonly kind: 'opaque'; readonly directory: string } | { readonly kind: 'path'; readonly path: string };

/**
 * Reads a path as a whiteout, or undefined when it is an ordinary entry.
 * @throws ContainerError `corrupt` for a whiteout of `.` or `..`, which only a hostile layer has.
 */
export function parseWhiteout(path: string): Whiteout | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (!name.startsWith(WHITEOUT_PREFIX)) {
    return undefined;
  }
  const directory = parentOf(path);
  if (name === OPAQUE_WHITEOUT) {
    return { kind: 'opaque', directory };
  }
  const hidden = name.slice(WHITEOUT_PREFIX.length);
  if (hidden === '' || hidden === '.' || hidden === '..') {
    throw new ContainerError({
      code: 'corrupt',
      step: 'convert',
      message: `a layer holds the whiteout ${JSON.stringify(path)}, which names no file`,
      fix: 'The image was built wrongly: build or fetch it again'
    });
  }
  return { kind: 'path', path: directory === '' ? hidden : `${directory}/${hidden}` };
}

/** Directory part of a normalised path; `''` is the root. The root has no parent and yields `''` too. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

/** A layer of entries that are in memory (the files that a conversion lays over an image, tests). */
export function memoryLayer(label: string, entries: readonly IMemoryEntry[]): ILayer {
  return {
    label,
    async *open() {
      for (const { entry, bytes } of entries) {
        yield bytes === undefined ? { entry } : { entry, content: once(bytes) };
      }
    }
  };
}

export interface IMemoryEntry {
  readonly entry: ITreeEntry;
  readonly bytes?: Uint8Array;
}

/** One chunk as content of a file. */
export async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  if (bytes.length > 0) {
    yield bytes;
  }
}

/** The entry that gives the file `target` the second name `path`. */
export function hardlink(inode: ITreeEntry, path: string, target: string): ITreeEntry {
  return { ...inode, path, type: 'hardlink', size: 0, linkTarget: target };
}

/** The directory that the entry `below` needs when no layer has one: as `mkdir -p` of root makes it. */
export function impliedDirectory(path: string, below: Pick<ITreeEntry, 'mtime'>): ITreeEntry {
  return { path, type: 'directory', mode: 0o755, uid: 0, gid: 0, mtime: below.mtime, size: 0 };
}

/** The error for layers that no runtime can unpack. */
export function contradiction(message: string): ContainerError {
  return new ContainerError({
    code: 'corrupt',
    step: 'convert',
    message,
    fix: 'The image was built wrongly: build or fetch it again'
  });
}
