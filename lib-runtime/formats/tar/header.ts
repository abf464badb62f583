// SPDX-License-Identifier: BSD-3-Clause
/**
 * Tar headers: POSIX ustar, pax records and the GNU forms (POSIX.1-2024 `pax`, GNU tar manual "Basic Tar Format").
 * Names and extended attributes stay bytes until they are known to be text: file capabilities are binary.
 */
import { ContainerError } from '../../support/errors.ts';

export const TAR_BLOCK = 512;

export interface ITarHeader {
  readonly name: Buffer;
  readonly linkName: Buffer;
  /** Type flag character, `0` for the old NUL. */
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
}

export type PaxRecords = ReadonlyMap<string, Buffer>;

export function tarCorrupt(message: string): ContainerError {
  return new ContainerError({
    code: 'corrupt',
    step: 'read layer',
    message,
    fix: 'Pull the image again; if it stays so, the image itself is damaged'
  });
}

/** True for the zero block that ends an archive. */
export function isZeroBlock(block: Buffer): boolean {
  return block.readUInt8(0) === 0 && block.equals(ZERO_BLOCK);
}
const ZERO_BLOCK = Buffer.alloc(TAR_BLOCK);

/** Decodes one 512 byte header. @throws ContainerError `corrupt` when its checksum or a number is wrong. */
export function decodeTarHeader(block: Buffer): ITarHeader {
  checkSum(block);
  const flag = block.toString('latin1', 156, 157);
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? field(block, 345, 155) : EMPTY;
  const base = field(block, 0, 100);
  const isDevice = flag === '3' || flag === '4';
  return {
    name: prefix.length > 0 ? Buffer.concat([prefix, SLASH, base]) : base,
    linkName: field(block, 157, 100),
    type: flag === '\0' ? '0' : flag,
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtime: number(block, 136, 12),
    major: isDevice ? number(block, 329, 8) : 0,
    minor: isDevice ? number(block, 337, 8) : 0
  };
}
const EMPTY = Buffer.alloc(0);
const SLASH = Buffer.from('/');

/** Decodes the records `<length> <key>=<value>\n` of a pax header. @throws ContainerError `corrupt`. */
export function decodePax(data: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < data.length;) {
    if (data.readUInt8(at) === 0) {
      break; // padding that some writers count into the size
    }
    const space = data.indexOf(0x20, at);
    const digits = space < 0 ? '' : data.toString('latin1', at, space);
    const end = at + Number(digits);
    if (!/^\d{1,10}$/.test(digits) || end > data.length || end <= space || data.readUInt8(end - 1) !== 0x0a) {
      throw tarCorrupt('the archive has a damaged pax header');
    }
    const equals = data.indexOf(0x3d, space);
    if (equals < 0 || equals >= end) {
      throw tarCorrupt('the archive has a pax record without a value');
    }
    records.set(data.toString('utf8', space + 1, equals), data.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** Whole number of a pax record; seconds may have a fraction, which is cut off. */
export function paxNumber(records: PaxRecords, key: string, fallback: number): number {
  const record = records.get(key);
  if (record === undefined || record.length === 0) {
    return fallback;
  }
  const value = Number(record.toString('latin1'));
  if (!Number.isFinite(value) || !Number.isSafeInteger(Math.floor(value))) {
    throw tarCorrupt(`the archive has a damaged pax record (${key})`);
  }
  return Math.floor(value);
}

function field(block: Buffer, offset: number, length: number): Buffer {
  const bytes = block.subarray(offset, offset + length);
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end));
}

/** The sum of all bytes with the checksum field as spaces; old writers summed signed bytes. */
function checkSum(block: Buffer): void {
  let unsigned = 256;
  let signed = 256;
  for (let at = 0; at < TAR_BLOCK; at++) {
    if (at < 148 || at >= 156) {
      const byte = block[at] ?? 0;
      unsigned += byte;
      signed += byte > 127 ? byte - 256 : byte;
    }
  }
  const wanted = number(block, 148, 8);
  if (wanted !== unsigned && wanted !== signed) {
    throw tarCorrupt('the data is no tar archive, or it is damaged (header checksum)');
  }
}

/** Octal text, or big-endian base 256 when the top bit is set (GNU; two's complement). */
function number(block: Buffer, offset: number, length: number): number {
  const first = block.readUInt8(offset);
  if ((first & 0x80) !== 0) {
    let value = first === 0xff ? -1n : BigInt(first & 0x7f);
    for (let at = offset + 1; at < offset + length; at++) {
      value = value * 256n + BigInt(block.readUInt8(at));
    }
    const result = Number(value);
    if (!Number.isSafeInteger(result)) {
      throw tarCorrupt('the archive holds an impossible number in a header');
    }
    return result;
  }
  const text = block
    .toString('latin1', offset, offset + length)
    .replace(/\0.*$/s, '')
    .trim();
  if (text === '') {
    return 0;
  }
  if (!/^[0-7]+$/.test(text)) {
    throw tarCorrupt('the data is no tar archive, or it is damaged (header field)');
  }
  return parseInt(text, 8);
}
