// SPDX-License-Identifier: BSD-3-Clause
/** The tree of an image that is being written, in memory: metadata only, content is on disk already. */
import { ContainerError, printable } from '../../support/errors.ts';
import { encodeName } from '../names.ts';
import type { EntryType, ITreeEntry } from '../tree.ts';
import { MAX_NAME, MAX_PATH, MAX_SYMLINK, NONE32 } from './layout.ts';

export type NodeType = Exclude<EntryType, 'hardlink'>;

/** Where a file's content lies. */
export interface IFileData {
  size: number;
  /** Place of the first stored block. */
  start: number;
  /** u32 size fields; 0 = a block of zeros. */
  readonly blocks: number[];
  fragment: number;
  fragmentOffset: number;
  /** Bytes in blocks of zeros. */
  sparse: number;
}

/** An inode. */
export interface INode {
  readonly type: NodeType;
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  /** Index of its set of attributes, NONE32 = none. */
  xattr: number;
  links: number;
  /** Set when the tables are written. */
  number: number;
  reference: bigint;
  readonly target?: Buffer;
  readonly device?: { readonly major: number; readonly minor: number };
  /** Content of a file; equal files share one. */
  data?: IFileData;
  readonly children?: Map<string, INode>;
}

export function newFileData(size: number): IFileData {
  return { size, start: 0, blocks: [], fragment: NONE32, fragmentOffset: 0, sparse: 0 };
}

export class NodeTree {
  readonly root: INode;
  readonly #mtime: number;
  /** Names in the tree, the root counted. */
  entries = 1;
  /** Inodes in the tree. */
  inodes = 1;

  constructor(mtime: number) {
    this.#mtime = mtime;
    this.root = this.#implicit();
  }

  /** Puts a non-directory (or a link to one) at a path. */
  insert(path: string, node: INode): void {
    const { parent, name } = this.#place(path);
    const { children } = parent;
    if (children === undefined || children.has(name)) {
      throw duplicate(path);
    }
    children.set(name, node);
    this.entries += 1;
    if (node.links === 0) {
      this.inodes += 1;
    }
    node.links += 1;
  }

  /** The directory at a path, made when it is not there. */
  directory(path: string): INode {
    let node = this.root;
    checkPath(path);
    if (path !== '') {
      for (const part of path.split('/')) {
        node = this.#child(node, part, path);
      }
    }
    return node;
  }

  /** The node at a path. */
  find(path: string): INode | undefined {
    let node: INode | undefined = this.root;
    for (const part of path === '' ? [] : path.split('/')) {
      node = node?.children?.get(part);
    }
    return node;
  }

  #place(path: string): { parent: INode; name: string } {
    checkPath(path);
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    checkName(name, path);
    return { parent: slash < 0 ? this.root : this.directory(path.slice(0, slash)), name };
  }

  #child(parent: INode, name: string, path: string): INode {
    const found = parent.children?.get(name);
    if (found?.children !== undefined) {
      return found;
    }
    if (found !== undefined || parent.children === undefined) {
      throw duplicate(path);
    }
    checkName(name, path);
    const made = this.#implicit();
    parent.children.set(name, made);
    this.entries += 1;
    this.inodes += 1;
    return made;
  }

  /** A directory that no entry has described yet. */
  #implicit(): INode {
    return {
      type: 'directory',
      mode: 0o755,
      uid: 0,
      gid: 0,
      mtime: this.#mtime,
      xattr: NONE32,
      links: 1,
      number: 0,
      reference: 0n,
      children: new Map()
    };
  }
}

/** The inode of an entry that is neither directory nor hard link. */
export function nodeOf(entry: ITreeEntry, type: NodeType, xattr: number): INode {
  const common = { type, ...ownership(entry), xattr, links: 0, number: 0, reference: 0n };
  switch (type) {
    case 'file':
      return { ...common, data: newFileData(entry.size) };
    case 'symlink':
      return { ...common, target: symlinkText(entry) };
    case 'char':
    case 'block':
      return { ...common, device: { major: entry.major ?? 0, minor: entry.minor ?? 0 } };
    default:
      return common;
  }
}

/** Mode, owner and time of an entry in the ranges that squashfs can hold. */
export function ownership(entry: ITreeEntry): { mode: number; uid: number; gid: number; mtime: number } {
  for (const id of [entry.uid, entry.gid]) {
    if (!Number.isInteger(id) || id < 0 || id > 0xffffffff) {
      throw bad(entry.path, `has an owner that does not fit in 32 bits (${id})`);
    }
  }
  const mtime = Math.min(Math.max(Math.floor(entry.mtime) || 0, 0), 0xffffffff);
  return { mode: entry.mode & 0o7777, uid: entry.uid, gid: entry.gid, mtime };
}

function symlinkText(entry: ITreeEntry): Buffer {
  const text = encodeName(entry.linkTarget ?? '');
  if (text.length === 0 || text.length > MAX_SYMLINK || text.includes(0)) {
    throw bad(entry.path, 'is a symbolic link without a usable target');
  }
  return text;
}

function checkPath(path: string): void {
  if (path.length > MAX_PATH || Buffer.byteLength(path) > MAX_PATH) {
    throw bad(path, `is longer than ${MAX_PATH} bytes, which Linux cannot open`);
  }
}

function checkName(name: string, path: string): void {
  const isDots = name === '' || name === '.' || name === '..';
  if (isDots || name.includes('\0') || encodeName(name).length > MAX_NAME) {
    throw bad(path, 'holds a file name that Linux does not permit');
  }
}

function duplicate(path: string): ContainerError {
  return bad(path, 'occurs twice in the image, or below something that is no directory');
}

export function bad(path: string, why: string): ContainerError {
  return new ContainerError({
    code: 'corrupt',
    step: 'convert',
    message: `the path ${printable(path.length > 200 ? `${path.slice(0, 200)}...` : path)} ${why}`
  });
}
