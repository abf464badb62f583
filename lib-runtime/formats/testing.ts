// SPDX-License-Identifier: BSD-3-Clause
/** For tests and benches: a directory of this machine as entries of a tree. */
import { createHash } from 'node:crypto';
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

/**
 * A tree as comparable text by path: type, mode, owner, time, content hash, link; hard links as the group of their
 * names, so that it does not matter which of them is called the file.
 * @param without fields that the other side cannot keep (`uid`, `gid`, `mtime`, `mode`, `xattrs`).
 */
export async function snapshot(
  items: AsyncIterable<ISourceItem> | Iterable<ISourceItem>,
  without: readonly (keyof ITreeEntry)[] = []
): Promise<Map<string, string>> {
  const facts = new Map<string, Record<string, unknown>>();
  const groups = new Map<string, string[]>();
  for await (const { entry, content } of items) {
    if (entry.type === 'hardlink') {
      const target = entry.linkTarget ?? '';
      groups.set(target, [...(groups.get(target) ?? [target]), entry.path]);
      continue;
    }
    const { path, xattrs, ...rest } = entry;
    const hasher = createHash('sha256');
    for await (const chunk of content?.() ?? []) {
      hasher.update(chunk);
    }
    const attributes = [...(xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value).toString('hex')]).sort();
    facts.set(path, { ...rest, content: entry.type === 'file' ? hasher.digest('hex') : '', xattrs: attributes });
  }
  for (const [target, names] of groups) {
    const fact = { ...facts.get(target), names: names.sort() };
    names.forEach(name => facts.set(name, fact));
  }
  const sorted = [...facts].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    sorted.map(([path, fact]) => {
      const kept = Object.entries(fact).filter(([key]) => !(without as readonly string[]).includes(key));
      return [path, JSON.stringify(kept.sort(([a], [b]) => (a < b ? -1 : 1)))];
    })
  );
}
