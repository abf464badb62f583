// SPDX-License-Identifier: BSD-3-Clause
/** Owners, fragments and extended attributes: tables that are looked up by index, read when first needed. */
import { METADATA_SIZE, NONE32, XATTR_OUT_OF_LINE, XATTR_PREFIXES } from './layout.ts';
import { MetadataCursor, type MetadataReader } from './metadata-reader.ts';
import { corruptImage, safeNumber, type ImageSource } from './source.ts';

export interface IFragment {
  readonly start: number;
  readonly sizeField: number;
}

export interface ITablePlaces {
  readonly ids: number;
  readonly idTable: number;
  readonly fragments: number;
  readonly fragmentTable: number;
  /** undefined = no attributes in this image. */
  readonly xattrTable: number | undefined;
}

type Xattrs = ReadonlyMap<string, Uint8Array>;

interface IXattrTable {
  /** Where the names and values begin. */
  readonly start: number;
  readonly count: number;
  /** Where the list of places begins. */
  readonly list: number;
}

/** All attributes of one inode; Linux itself gives 64 KiB for their names. */
const MAX_XATTR_BYTES = 4 << 20;
const MAX_XATTR_VALUE = 65536;
const CACHED_SETS = 1024;

export class LookupTables {
  readonly #source: ImageSource;
  readonly #metadata: MetadataReader;
  readonly #places: ITablePlaces;
  #ids: Buffer | undefined;
  #xattrTable: IXattrTable | undefined;
  readonly #sets = new Map<number, Xattrs>();

  constructor(source: ImageSource, metadata: MetadataReader, places: ITablePlaces) {
    this.#source = source;
    this.#metadata = metadata;
    this.#places = places;
  }

  /** uid or gid by its index. */
  id(index: number): number {
    if (index >= this.#places.ids) {
      throw corruptImage('a file has an owner that is not in the table of owners');
    }
    this.#ids ??= this.#allIds();
    return this.#ids.readUInt32LE(4 * index);
  }

  fragment(index: number): IFragment {
    if (index >= this.#places.fragments) {
      throw corruptImage('a file ends in a fragment that does not exist');
    }
    const row = this.#row(this.#places.fragmentTable, index, 16);
    return { start: safeNumber(row.readBigUInt64LE(0), 'the place of a fragment'), sizeField: row.readUInt32LE(8) };
  }

  /** Attributes by the index in an inode; undefined when it has none. */
  xattrs(index: number): Xattrs | undefined {
    const place = this.#places.xattrTable;
    if (index === NONE32 || place === undefined) {
      return undefined;
    }
    const known = this.#sets.get(index);
    if (known) {
      return known;
    }
    this.#xattrTable ??= this.#openXattrs(place);
    const table = this.#xattrTable;
    if (index >= table.count) {
      throw corruptImage('a file has attributes that do not exist');
    }
    const set = this.#readSet(table, place, this.#row(table.list, index, 16));
    if (this.#sets.size >= CACHED_SETS) {
      this.#sets.clear();
    }
    this.#sets.set(index, set);
    return set;
  }

  #allIds(): Buffer {
    const { ids, idTable } = this.#places;
    const parts: Buffer[] = [];
    for (let at = 0; at < 4 * ids; at += METADATA_SIZE) {
      const wanted = Math.min(METADATA_SIZE, 4 * ids - at);
      parts.push(this.#rows(idTable, at / METADATA_SIZE, 0, wanted));
    }
    return Buffer.concat(parts);
  }

  #row(list: number, index: number, size: number): Buffer {
    const perBlock = METADATA_SIZE / size;
    return this.#rows(list, Math.floor(index / perBlock), (index % perBlock) * size, size);
  }

  /** Bytes of one metadata block of an indexed table. */
  #rows(list: number, block: number, offset: number, length: number): Buffer {
    const place = safeNumber(this.#source.readSync(list + 8 * block, 8).readBigUInt64LE(0), 'a table');
    return new MetadataCursor(this.#metadata, place, offset, list).read(length);
  }

  #openXattrs(place: number): IXattrTable {
    const head = this.#source.readSync(place, 16);
    const start = safeNumber(head.readBigUInt64LE(0), 'the table of attributes');
    return { start, count: head.readUInt32LE(8), list: place + 16 };
  }

  #readSet(table: IXattrTable, end: number, row: Buffer): Xattrs {
    const cursor = this.#valueCursor(table, end, row.readBigUInt64LE(0));
    const count = row.readUInt32LE(8);
    const set = new Map<string, Uint8Array>();
    let total = 0;
    for (let index = 0; index < count; index++) {
      const head = cursor.read(4);
      const type = head.readUInt16LE(0);
      const rest = Buffer.from(cursor.read(head.readUInt16LE(2))).toString('utf8');
      const size = cursor.read(4).readUInt32LE(0);
      total += rest.length + size + 8;
      if (size > MAX_XATTR_VALUE || total > MAX_XATTR_BYTES) {
        throw corruptImage('a file has attributes of impossible size');
      }
      let value = cursor.read(size);
      if ((type & XATTR_OUT_OF_LINE) !== 0) {
        value = this.#outOfLine(table, end, value);
        total += value.length;
      }
      const prefix = XATTR_PREFIXES[type & 0xff];
      if (prefix !== undefined) {
        set.set(prefix + rest, Buffer.from(value));
      }
    }
    return set;
  }

  #outOfLine(table: IXattrTable, end: number, reference: Buffer): Buffer {
    if (reference.length !== 8) {
      throw corruptImage('an attribute has a damaged reference');
    }
    const cursor = this.#valueCursor(table, end, reference.readBigUInt64LE(0));
    const size = cursor.read(4).readUInt32LE(0);
    if (size > MAX_XATTR_VALUE) {
      throw corruptImage('a file has attributes of impossible size');
    }
    return cursor.read(size);
  }

  #valueCursor(table: IXattrTable, end: number, reference: bigint): MetadataCursor {
    const block = safeNumber(reference >> 16n, 'the place of an attribute');
    return new MetadataCursor(this.#metadata, table.start + block, Number(reference & 0xffffn), end);
  }
}
