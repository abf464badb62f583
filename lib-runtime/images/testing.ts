// SPDX-License-Identifier: BSD-3-Clause
/** What the tests of this room share: a sink in memory, a listing of a directory in the same form. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { makeTar, type ILayerEntry as ITarEntry } from '../../tests/support/oci-layout.ts';
import { readTar } from '../formats/tar/reader.ts';
import type { ITreeEntry, ITreeSink } from '../formats/tree.ts';
import { parentOf, type ILayer } from './layer.ts';

/** Keeps what it is given as one line a path: type, mode, owner, link, digest; hard links as the set of their paths. */
export class ListingSink implements ITreeSink {
  readonly entries = new Map<string, ITreeEntry>();
  readonly contents = new Map<string, Buffer>();

  async add(entry: ITreeEntry, content?: AsyncIterable<Uint8Array>): Promise<void> {
    const known = this.entries.get(entry.path);
    if (known && (known.type !== 'directory' || entry.type !== 'directory')) {
      throw new Error(`${entry.path} was added twice`);
    }
    if (entry.type === 'hardlink' && this.entries.get(entry.linkTarget ?? '')?.type !== 'file') {
      throw new Error(`${entry.path} is a link to ${entry.linkTarget}, which was not added as a file`);
    }
    this.entries.set(entry.path, entry);
    if (entry.type === 'file') {
      const chunks: Uint8Array[] = [];
      for await (const chunk of content ?? []) {
        chunks.push(Buffer.from(chunk));
      }
      const bytes = Buffer.concat(chunks);
      if (bytes.length !== entry.size) {
        throw new Error(`${entry.path} has ${bytes.length} bytes, not ${entry.size}`);
      }
      this.contents.set(entry.path, bytes);
    }
  }

  listing(): string[] {
    const lines = new Map<string, string>();
    const groups = new Map<string, string[]>();
    if (!this.entries.has('')) {
      lines.set('', line('', { type: 'directory', mode: 0o755, uid: 0, gid: 0 }));
    }
    for (const [path, entry] of this.entries) {
      const inode = entry.type === 'hardlink' ? (this.entries.get(entry.linkTarget ?? '') ?? entry) : entry;
      const bytes = this.contents.get(inode.path);
      lines.set(path, line(path, inode, bytes));
      if (bytes) {
        groups.set(inode.path, [...(groups.get(inode.path) ?? []), path]);
      }
      for (let at = parentOf(path); !this.entries.has(at); at = parentOf(at)) {
        lines.set(at, line(at, { type: 'directory', mode: 0o755, uid: 0, gid: 0 }));
        if (at === '') {
          break;
        }
      }
    }
    return finish(lines, groups.values());
  }
}

interface ILineFacts {
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly linkTarget?: string;
}

function line(path: string, facts: ILineFacts, bytes?: Uint8Array): string {
  const mode = facts.type === 'symlink' ? '-' : facts.mode.toString(8);
  const link = facts.type === 'symlink' ? facts.linkTarget : '';
  const digest = bytes ? createHash('sha256').update(bytes).digest('hex').slice(0, 12) : '';
  return `${path} ${facts.type} ${mode} ${facts.uid}:${facts.gid} ${link} ${bytes?.length ?? 0} ${digest}`;
}

function finish(lines: ReadonlyMap<string, string>, groups: Iterable<readonly string[]>): string[] {
  const links = [...groups].filter(group => group.length > 1).map(group => `links: ${[...group].sort().join(' = ')}`);
  return [...lines.values(), ...links].sort();
}

/** The same form for a directory on disk. */
export function listDirectory(root: string): string[] {
  const lines = new Map<string, string>();
  const groups = new Map<number, string[]>();
  const visit = (path: string): void => {
    const full = join(root, path);
    const stat = lstatSync(full);
    const type = stat.isDirectory()
      ? 'directory'
      : stat.isSymbolicLink()
        ? 'symlink'
        : stat.isFile()
          ? 'file'
          : stat.isFIFO()
            ? 'fifo'
            : stat.isCharacterDevice()
              ? 'char'
              : stat.isBlockDevice()
                ? 'block'
                : 'socket';
    const facts = {
      type,
      mode: stat.mode & 0o7777,
      uid: stat.uid,
      gid: stat.gid,
      ...(type === 'symlink' && { linkTarget: readlinkSync(full) })
    };
    lines.set(path, line(path, facts, type === 'file' ? readFileSync(full) : undefined));
    if (type === 'file') {
      groups.set(stat.ino, [...(groups.get(stat.ino) ?? []), path]);
    }
    if (type === 'directory') {
      for (const name of readdirSync(full)) {
        visit(path === '' ? name : `${path}/${name}`);
      }
    }
  };
  visit('');
  return finish(lines, groups.values());
}

/** A layer read from a real tar archive of the entries. */
export async function tarLayer(label: string, entries: readonly ITarEntry[]): Promise<ILayer> {
  const tar = await makeTar(entries);
  return {
    label,
    open: () => readTar(chunks(tar))
  };
}

async function* chunks(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 5000) {
    yield bytes.subarray(at, at + 5000);
  }
}
