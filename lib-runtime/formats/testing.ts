// SPDX-License-Identifier: BSD-3-Clause
/** For tests and benches: a directory of this machine as entries of a tree. */
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeName, fsPath } from './names.ts';
import type { EntryType, ITreeEntry, ITreeSink } from './tree.ts';

export interface ISourceItem {
  readonly entry: ITreeEntry;
  readonly content?: () => AsyncIterable<Uint8Array>;
}

/** Entries of a directory, parents first, sorted by name; the second name of an inode is a hard link. */
export async function* walkDirectory(root: string): AsyncGenerator<ISourceItem, void, undefined> {
  const seen = new Map<string, string>();
  const stack = [''];
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    const file = fsPath(path === '' ? root : `${root}/${path}`);
    const stat = await lstat(file);
    const inode = `${stat.dev}:${stat.ino}`;
    const first = stat.isDirectory() ? undefined : seen.get(inode);
    const type: EntryType = first === undefined ? typeOf(stat) : 'hardlink';
    if (stat.nlink > 1 && first === undefined && type !== 'directory') {
      seen.set(inode, path);
    }
    const link = type === 'symlink' ? decodeName(await readlink(file, { encoding: 'buffer' })) : (first ?? undefined);
    yield {
      entry: {
        path,
        type,
        mode: stat.mode & 0o7777,
        uid: stat.uid,
        gid: stat.gid,
        mtime: Math.floor(stat.mtimeMs / 1000),
        size: type === 'file' ? stat.size : 0,
        ...(link !== undefined && { linkTarget: link }),
        ...((type === 'char' || type === 'block') && { major: (stat.rdev >>> 8) & 0xfff, minor: minorOf(stat.rdev) })
      },
      ...(type === 'file' && { content: () => readInPieces(file, stat.size) })
    };
    if (type === 'directory') {
      const names = await readdir(file, { encoding: 'buffer' });
      names.sort((a, b) => Buffer.compare(b, a));
      stack.push(...names.map(name => (path === '' ? decodeName(name) : join(path, decodeName(name)))));
    }
  }
}

/** Puts a whole directory into a sink. */
export async function copyDirectory(root: string, sink: ITreeSink): Promise<{ entries: number; bytes: number }> {
  let entries = 0;
  let bytes = 0;
  for await (const { entry, content } of walkDirectory(root)) {
    await sink.add(entry, content?.());
    entries += 1;
    bytes += entry.size;
  }
  return { entries, bytes };
}

/** A stream object for each file would cost more than the work that benches want to measure. */
async function* readInPieces(path: string | Buffer, size: number): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(size, 1 << 20)));
    for (let left = size; left > 0;) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(left, buffer.length));
      if (bytesRead === 0) {
        return;
      }
      left -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

const minorOf = (device: number): number => (device & 0xff) | ((device >>> 12) & 0xfff00);

interface IStatKind {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isCharacterDevice(): boolean;
  isBlockDevice(): boolean;
  isFIFO(): boolean;
}

function typeOf(stat: IStatKind): EntryType {
  if (stat.isDirectory()) {
    return 'directory';
  }
  if (stat.isFile()) {
    return 'file';
  }
  if (stat.isSymbolicLink()) {
    return 'symlink';
  }
  if (stat.isCharacterDevice()) {
    return 'char';
  }
  if (stat.isBlockDevice()) {
    return 'block';
  }
  return stat.isFIFO() ? 'fifo' : 'socket';
}
