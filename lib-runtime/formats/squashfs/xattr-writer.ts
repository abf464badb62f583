// SPDX-License-Identifier: BSD-3-Clause
/** The table of extended attributes: equal sets are stored once, inodes name their set by its index. */
import type { ICompressor } from './compress.ts';
import { MAX_NAME, NONE32, XATTR_PREFIXES } from './layout.ts';
import { indexedTable, MetadataWriter } from './metadata-writer.ts';

const MAX_VALUE = 65536;

interface ISet {
  readonly data: Buffer;
  readonly count: number;
}

export class XattrTable {
  readonly #indexes = new Map<string, number>();
  readonly #sets: ISet[] = [];
  /** Attributes that squashfs has no place for (POSIX ACLs of `system.`): counted, not kept. */
  dropped = 0;

  /** Index of a set of attributes, NONE32 when nothing of it can be kept. */
  add(xattrs: ReadonlyMap<string, Uint8Array> | undefined): number {
    if (xattrs === undefined || xattrs.size === 0) {
      return NONE32;
    }
    const pairs: Buffer[] = [];
    for (const [name, value] of [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const pair = encodePair(name, value);
      if (pair) {
        pairs.push(pair);
      } else {
        this.dropped += 1;
      }
    }
    if (pairs.length === 0) {
      return NONE32;
    }
    const data = Buffer.concat(pairs);
    const key = data.toString('latin1');
    let index = this.#indexes.get(key);
    if (index === undefined) {
      index = this.#sets.push({ data, count: pairs.length }) - 1;
      this.#indexes.set(key, index);
    }
    return index;
  }

  get isEmpty(): boolean {
    return this.#sets.length === 0;
  }

  /** @param start where the table will lie; `place` is what the superblock names. */
  finish(start: number, compressor: ICompressor): { bytes: Buffer; place: number } {
    const pairs = new MetadataWriter(compressor);
    const rows = Buffer.alloc(16 * this.#sets.length);
    this.#sets.forEach((set, index) => {
      rows.writeBigUInt64LE(pairs.reference, 16 * index);
      rows.writeUInt32LE(set.count, 16 * index + 8);
      rows.writeUInt32LE(set.data.length, 16 * index + 12);
      pairs.write(set.data);
    });
    const values = pairs.finish();
    const ids = indexedTable(rows, start + values.length, compressor);
    const blocks = ids.place - (start + values.length);
    const head = Buffer.alloc(16);
    head.writeBigUInt64LE(BigInt(start), 0);
    head.writeUInt32LE(this.#sets.length, 8);
    return {
      bytes: Buffer.concat([values, ids.bytes.subarray(0, blocks), head, ids.bytes.subarray(blocks)]),
      place: ids.place
    };
  }
}

function encodePair(name: string, value: Uint8Array): Buffer | undefined {
  const type = XATTR_PREFIXES.findIndex(prefix => name.startsWith(prefix));
  const rest = Buffer.from(name.slice(XATTR_PREFIXES[type]?.length ?? 0));
  if (type < 0 || rest.length === 0 || rest.length > MAX_NAME || value.length > MAX_VALUE) {
    return undefined;
  }
  const head = Buffer.alloc(4);
  head.writeUInt16LE(type, 0);
  head.writeUInt16LE(rest.length, 2);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(value.length);
  return Buffer.concat([head, rest, size, value]);
}
