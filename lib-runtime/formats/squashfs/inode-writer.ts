// SPDX-License-Identifier: BSD-3-Clause
/** Inode and directory tables of an image from its tree. */
import { ContainerError } from '../../support/errors.ts';
import { encodeName } from '../names.ts';
import type { ICompressor } from './compress.ts';
import { encodeDevice, EXTENDED, InodeType, LISTING_EXTRA, MAX_RUN, NONE32 } from './layout.ts';
import { MetadataWriter } from './metadata-writer.ts';
import type { INode } from './nodes.ts';

export interface IInodeTables {
  readonly inodes: Buffer;
  readonly directories: Buffer;
  /** Owners, in the order of their index. */
  readonly ids: readonly number[];
  /** Reference of each inode by its number - 1. */
  readonly references: readonly bigint[];
  readonly root: bigint;
}

interface INamed {
  readonly name: Buffer;
  readonly node: INode;
}

interface IDirectoryIndex {
  readonly position: number;
  readonly block: number;
  readonly name: Buffer;
}

interface IListing {
  readonly block: number;
  readonly offset: number;
  readonly size: number;
  readonly index: readonly IDirectoryIndex[];
}

/** Listings above this need the extended directory inode. */
const MAX_BASIC_LISTING = 0xffff - LISTING_EXTRA;
const MAX_IDS = 65536;

export function writeInodes(root: INode, inodeCount: number, compressor: ICompressor): IInodeTables {
  return new InodeWriter(compressor).run(root, inodeCount);
}

class InodeWriter {
  readonly #inodes: MetadataWriter;
  readonly #directories: MetadataWriter;
  readonly #ids = new Map<number, number>();
  readonly #references: bigint[] = [];
  /** Of directories whose inode is not written yet. */
  readonly #listings = new Map<INode, IListing & { readonly links: number }>();

  constructor(compressor: ICompressor) {
    this.#inodes = new MetadataWriter(compressor);
    this.#directories = new MetadataWriter(compressor);
  }

  run(root: INode, inodeCount: number): IInodeTables {
    numberNodes(root);
    for (const { node } of postOrder(root)) {
      this.#writeDirectory(node);
    }
    this.#record(root, this.#encodeDirectory(root, inodeCount + 1));
    return {
      inodes: this.#inodes.finish(),
      directories: this.#directories.finish(),
      ids: [...this.#ids.keys()],
      references: this.#references,
      root: root.reference
    };
  }

  /**
   * The inodes of everything in a directory, then its listing. Its own inode comes with its siblings', so that listing
   * a directory with all attributes (what every container start does with `/`) reads one or two metadata blocks.
   */
  #writeDirectory(node: INode): void {
    const named = sorted(node);
    let subdirectories = 0;
    for (const { node: child } of named) {
      if (child.children) {
        subdirectories += 1;
        this.#record(child, this.#encodeDirectory(child, node.number));
      } else if (child.reference === NOT_WRITTEN) {
        this.#record(child, this.#encode(child));
      }
    }
    this.#listings.set(node, { ...this.#writeListing(named), links: subdirectories + 2 });
  }

  #record(node: INode, bytes: Buffer): void {
    node.reference = this.#inodes.reference;
    this.#references[node.number - 1] = node.reference;
    this.#inodes.write(bytes);
  }

  /** Entries grouped in runs that share an inode block; a run's header carries what is common. */
  #writeListing(named: readonly INamed[]): IListing {
    const { block, offset } = this.#directories;
    const index: IDirectoryIndex[] = [];
    let size = 0;
    for (let at = 0; at < named.length;) {
      const run = takeRun(named, at);
      const last = index.at(-1)?.block ?? block;
      if (this.#directories.block !== last && run.first) {
        index.push({ position: size, block: this.#directories.block, name: run.first });
      }
      this.#directories.write(run.bytes);
      size += run.bytes.length;
      at += run.count;
    }
    return { block, offset, size, index };
  }

  #head(node: INode, type: number): Buffer {
    const head = Buffer.alloc(16);
    head.writeUInt16LE(type, 0);
    head.writeUInt16LE(node.mode, 2);
    head.writeUInt16LE(this.#id(node.uid), 4);
    head.writeUInt16LE(this.#id(node.gid), 6);
    head.writeUInt32LE(node.mtime, 8);
    head.writeUInt32LE(node.number, 12);
    return head;
  }

  #id(id: number): number {
    let index = this.#ids.get(id);
    if (index === undefined) {
      index = this.#ids.size;
      if (index >= MAX_IDS) {
        throw new ContainerError({
          code: 'unsupported',
          step: 'convert',
          message: 'the image has more than 65536 different owners, which squashfs cannot hold'
        });
      }
      this.#ids.set(id, index);
    }
    return index;
  }

  #encodeDirectory(node: INode, parent: number): Buffer {
    const listing = this.#listings.get(node) ?? { block: 0, offset: 0, size: 0, index: [], links: 2 };
    this.#listings.delete(node);
    const { links } = listing;
    if (listing.size <= MAX_BASIC_LISTING && node.xattr === NONE32) {
      const body = Buffer.alloc(16);
      body.writeUInt32LE(listing.block, 0);
      body.writeUInt32LE(links, 4);
      body.writeUInt16LE(listing.size + LISTING_EXTRA, 8);
      body.writeUInt16LE(listing.offset, 10);
      body.writeUInt32LE(parent, 12);
      return Buffer.concat([this.#head(node, InodeType.directory), body]);
    }
    const body = Buffer.alloc(24);
    body.writeUInt32LE(links, 0);
    body.writeUInt32LE(listing.size + LISTING_EXTRA, 4);
    body.writeUInt32LE(listing.block, 8);
    body.writeUInt32LE(parent, 12);
    const index = listing.index.slice(0, 0xffff);
    body.writeUInt16LE(index.length, 16);
    body.writeUInt16LE(listing.offset, 18);
    body.writeUInt32LE(node.xattr, 20);
    const rows = index.map(({ position, block, name }) =>
      Buffer.concat([Buffer.from(Uint32Array.of(position, block, name.length - 1).buffer), name])
    );
    return Buffer.concat([this.#head(node, InodeType.directory + EXTENDED), body, ...rows]);
  }

  #encode(node: INode): Buffer {
    const hasXattr = node.xattr !== NONE32;
    if (node.data) {
      return this.#encodeFile(node, node.data);
    }
    const extended = hasXattr ? EXTENDED : 0;
    const tail = hasXattr ? u32(node.xattr) : EMPTY;
    if (node.target) {
      const head = this.#head(node, InodeType.symlink + extended);
      return Buffer.concat([head, u32(node.links), u32(node.target.length), node.target, tail]);
    }
    const head = this.#head(node, InodeType[node.type] + extended);
    const device = node.device ? u32(encodeDevice(node.device.major, node.device.minor)) : EMPTY;
    return Buffer.concat([head, u32(node.links), device, tail]);
  }

  #encodeFile(node: INode, data: NonNullable<INode['data']>): Buffer {
    const isBasic =
      node.links === 1 &&
      node.xattr === NONE32 &&
      data.sparse === 0 &&
      data.start <= 0xffffffff &&
      data.size <= 0xffffffff;
    const blocks = Buffer.alloc(4 * data.blocks.length);
    data.blocks.forEach((block, index) => blocks.writeUInt32LE(block, 4 * index));
    if (isBasic) {
      const body = Buffer.concat([u32(data.start), u32(data.fragment), u32(data.fragmentOffset), u32(data.size)]);
      return Buffer.concat([this.#head(node, InodeType.file), body, blocks]);
    }
    const body = Buffer.alloc(40);
    body.writeBigUInt64LE(BigInt(data.start), 0);
    body.writeBigUInt64LE(BigInt(data.size), 8);
    body.writeBigUInt64LE(BigInt(data.sparse), 16);
    body.writeUInt32LE(node.links, 24);
    body.writeUInt32LE(data.fragment, 28);
    body.writeUInt32LE(data.fragmentOffset, 32);
    body.writeUInt32LE(node.xattr, 36);
    return Buffer.concat([this.#head(node, InodeType.file + EXTENDED), body, blocks]);
  }
}

const EMPTY = Buffer.alloc(0);
const NOT_WRITTEN = -1n;

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** The next run of a listing: up to 256 entries of one inode block with numbers that are near each other. */
function takeRun(named: readonly INamed[], at: number): { bytes: Buffer; count: number; first: Buffer | undefined } {
  const first = named[at];
  const base = first?.node.number ?? 0;
  const block = blockOf(first?.node.reference ?? 0n);
  const parts: Buffer[] = [EMPTY];
  for (let next = first; next !== undefined && parts.length <= MAX_RUN; next = named[at + parts.length - 1]) {
    const { name, node } = next;
    const delta = node.number - base;
    if (blockOf(node.reference) !== block || delta > 0x7fff || delta < -0x8000) {
      break;
    }
    const row = Buffer.alloc(8 + name.length);
    row.writeUInt16LE(Number(node.reference & 0xffffn), 0);
    row.writeInt16LE(delta, 2);
    row.writeUInt16LE(InodeType[node.type], 4);
    row.writeUInt16LE(name.length - 1, 6);
    name.copy(row, 8);
    parts.push(row);
  }
  const count = parts.length - 1;
  parts[0] = Buffer.from(Uint32Array.of(count - 1, block, base).buffer);
  return { bytes: Buffer.concat(parts), count, first: first?.name };
}

const blockOf = (reference: bigint): number => Number(reference >> 16n);

/** Children in the order of their names' bytes, which lookups rely on. */
function sorted(node: INode): INamed[] {
  const named = [...(node.children ?? [])].map(([name, child]) => ({ name: encodeName(name), node: child }));
  return named.sort((a, b) => Buffer.compare(a.name, b.name));
}

/** Numbers every inode from 1, so that a directory can name its parent before that is written. */
function numberNodes(root: INode): void {
  let next = 1;
  for (const { node } of postOrder(root)) {
    for (const { node: child } of sorted(node)) {
      if (child.number === 0) {
        child.number = next++;
        child.reference = NOT_WRITTEN;
      }
    }
  }
  root.number = next;
}

/** Directories, children before parents, without recursion: trees may be thousands of levels deep. */
function* postOrder(root: INode): Generator<{ readonly node: INode }> {
  const stack: { readonly node: INode; readonly rest: Iterator<INode> }[] = [
    { node: root, rest: subdirectories(root) }
  ];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.rest.next();
    if (next.done === true) {
      stack.pop();
      yield top;
    } else {
      stack.push({ node: next.value, rest: subdirectories(next.value) });
    }
  }
}

function* subdirectories(node: INode): Generator<INode> {
  for (const child of node.children?.values() ?? []) {
    if (child.children) {
      yield child;
    }
  }
}
