// SPDX-License-Identifier: BSD-3-Clause
/** A table as a run of compressed 8 KiB metadata blocks, each behind a u16 with its size. */
import type { ICompressor } from './compress.ts';
import { METADATA_RAW, METADATA_SIZE } from './layout.ts';

export class MetadataWriter {
  readonly #compressor: ICompressor;
  readonly #block = Buffer.alloc(METADATA_SIZE);
  readonly #stored: Buffer[] = [];
  #fill = 0;
  /** Bytes of the finished blocks: where the current block will begin, relative to the table. */
  #size = 0;

  constructor(compressor: ICompressor) {
    this.#compressor = compressor;
  }

  /** Start of the block that the next byte goes to, relative to the table. */
  get block(): number {
    this.#flushFull();
    return this.#size;
  }

  /** Place of the next byte in that block. */
  get offset(): number {
    this.#flushFull();
    return this.#fill;
  }

  /** Reference of the next byte as inodes and directories spell it: block << 16 | offset. */
  get reference(): bigint {
    return (BigInt(this.block) << 16n) | BigInt(this.offset);
  }

  write(data: Buffer): void {
    for (let at = 0; at < data.length;) {
      this.#flushFull();
      const copied = data.copy(this.#block, this.#fill, at);
      this.#fill += copied;
      at += copied;
    }
  }

  /** The whole table. */
  finish(): Buffer {
    this.#flush();
    return Buffer.concat(this.#stored);
  }

  #flushFull(): void {
    if (this.#fill === METADATA_SIZE) {
      this.#flush();
    }
  }

  #flush(): void {
    if (this.#fill === 0) {
      return;
    }
    const raw = this.#block.subarray(0, this.#fill);
    const packed = this.#compressor.compressSync(raw);
    const isSmaller = packed.length < raw.length;
    const body = isSmaller ? packed : Buffer.from(raw);
    const head = Buffer.alloc(2);
    head.writeUInt16LE(isSmaller ? body.length : body.length | METADATA_RAW);
    this.#stored.push(head, Buffer.from(body));
    this.#size += 2 + body.length;
    this.#fill = 0;
  }
}

/**
 * A table that is looked up by index: its metadata blocks, then the u64 place of each.
 * @param start where the blocks will lie, bytes from the start of the image.
 * @returns the bytes, and the place of the list (what the superblock names).
 */
export function indexedTable(rows: Buffer, start: number, compressor: ICompressor): { bytes: Buffer; place: number } {
  const writer = new MetadataWriter(compressor);
  const places: number[] = [];
  for (let at = 0; at < rows.length; at += METADATA_SIZE) {
    places.push(start + writer.block);
    writer.write(rows.subarray(at, at + METADATA_SIZE));
  }
  const blocks = writer.finish();
  const list = Buffer.alloc(8 * places.length);
  places.forEach((place, index) => list.writeBigUInt64LE(BigInt(place), 8 * index));
  return { bytes: Buffer.concat([blocks, list]), place: start + blocks.length };
}
