// SPDX-License-Identifier: BSD-3-Clause
/** /etc/ld.so.cache, read without ldconfig (which Ubuntu wraps in a script). Format: glibc's sysdeps/generic/dl-cache.h. */

export interface ICachedLibrary {
  /** `libcuda.so.1` */
  readonly name: string;
  /** Absolute path. */
  readonly path: string;
}

const OLD_MAGIC = 'ld.so-1.7.0';
const NEW_MAGIC = 'glibc-ld.so.cache1.1';
/** Magic, count, length of strings, flags, extension offset, three unused words. */
const NEW_HEADER = 48;
/** flags, key, value, osversion (each 4 bytes), hwcap (8). */
const NEW_ENTRY = 24;
/** flags, key, value. */
const OLD_ENTRY = 12;
const OLD_HEADER = 16;

/** The libraries in the cache, in its order; none when it is not a cache (or of the other endianness). */
export function parseLdCache(bytes: Uint8Array): ICachedLibrary[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const has = (magic: string, at: number): boolean => buffer.toString('latin1', at, at + magic.length) === magic;
  let start = 0;
  if (has(OLD_MAGIC, 0) && buffer.length >= OLD_HEADER) {
    // The old table comes first, the new one behind it, aligned to its 8-byte members.
    const end = OLD_HEADER + buffer.readUInt32LE(12) * OLD_ENTRY;
    start = Math.ceil(end / 8) * 8;
  }
  if (!has(NEW_MAGIC, start) || buffer.length < start + NEW_HEADER) {
    return [];
  }
  const count = buffer.readUInt32LE(start + 20);
  const libraries: ICachedLibrary[] = [];
  for (let index = 0; index < count; index += 1) {
    const entry = start + NEW_HEADER + index * NEW_ENTRY;
    if (entry + NEW_ENTRY > buffer.length) {
      break;
    }
    const name = stringAt(buffer, start + buffer.readUInt32LE(entry + 4));
    const path = stringAt(buffer, start + buffer.readUInt32LE(entry + 8));
    if (name !== undefined && path?.startsWith('/')) {
      libraries.push({ name, path });
    }
  }
  return libraries;
}

function stringAt(buffer: Buffer, at: number): string | undefined {
  const end = at < buffer.length ? buffer.indexOf(0, at) : -1;
  return end < 0 ? undefined : buffer.toString('utf8', at, end);
}
