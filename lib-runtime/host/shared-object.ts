// SPDX-License-Identifier: BSD-3-Clause
/** What an ELF shared object says of itself: machine and SONAME (System V gABI, chapters 4 and 5). */
import { type FileHandle, open } from 'node:fs/promises';

export interface ISharedObject {
  /** `x86_64`, `aarch64` ... as uname -m; `elf-N` for others. */
  readonly machine: string;
  readonly bits: 32 | 64;
  readonly soname?: string;
}

const MACHINES: Readonly<Record<number, string>> = {
  3: 'i686',
  40: 'armv7l',
  62: 'x86_64',
  183: 'aarch64',
  243: 'riscv64',
  21: 'ppc64le'
};
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_STRTAB = 5n;
const DT_SONAME = 14n;
/** More program headers or dynamic entries than any real library has: such a file is not read further. */
const MAX_HEADERS = 256;
const MAX_DYNAMIC = 4096;
const MAX_NAME = 256;

/** Reads a few hundred bytes of a file; undefined when it cannot be read or is no little-endian ELF file. */
export async function readSharedObject(path: string): Promise<ISharedObject | undefined> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) {
    return undefined;
  }
  try {
    return await parse(file);
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

async function parse(file: FileHandle): Promise<ISharedObject | undefined> {
  const head = await bytesAt(file, 0n, 64);
  if (head.toString('latin1', 0, 4) !== '\u007fELF' || head[5] !== 1) {
    return undefined;
  }
  const bits = head[4] === 2 ? 64 : 32;
  const number = head.readUInt16LE(18);
  const machine = MACHINES[number] ?? `elf-${number}`;
  const soname = bits === 64 ? await readSoname(file, head) : undefined;
  return { machine, bits, ...(soname !== undefined && { soname }) };
}

async function readSoname(file: FileHandle, head: Buffer): Promise<string | undefined> {
  const size = head.readUInt16LE(54);
  const count = Math.min(head.readUInt16LE(56), MAX_HEADERS);
  if (size < 56) {
    return undefined;
  }
  const table = await bytesAt(file, head.readBigUInt64LE(32), size * count);
  const segments = Array.from({ length: Math.floor(table.length / size) }, (_, index) => ({
    type: table.readUInt32LE(index * size),
    offset: table.readBigUInt64LE(index * size + 8),
    address: table.readBigUInt64LE(index * size + 16),
    length: table.readBigUInt64LE(index * size + 32)
  }));
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) {
    return undefined;
  }
  const length = Math.min(Number(dynamic.length), MAX_DYNAMIC * 16);
  const entries = await bytesAt(file, dynamic.offset, length);
  const value = (tag: bigint): bigint | undefined => {
    for (let at = 0; at + 16 <= entries.length; at += 16) {
      if (entries.readBigInt64LE(at) === tag) {
        return entries.readBigUInt64LE(at + 8);
      }
    }
    return undefined;
  };
  const strings = value(DT_STRTAB);
  const name = value(DT_SONAME);
  const load = segments.find(
    ({ type, address, length: bytes }) =>
      type === PT_LOAD && strings !== undefined && strings >= address && strings < address + bytes
  );
  if (strings === undefined || name === undefined || load === undefined) {
    return undefined;
  }
  const text = await bytesAt(file, load.offset + (strings - load.address) + name, MAX_NAME);
  const end = text.indexOf(0);
  const soname = end < 0 ? '' : text.toString('utf8', 0, end);
  return /^[^/]+$/.test(soname) ? soname : undefined;
}

async function bytesAt(file: FileHandle, position: bigint, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, Number(position));
  return buffer.subarray(0, bytesRead);
}
