// SPDX-License-Identifier: BSD-3-Clause
/** Shared objects and caches of the loader for tests of the finders. */

/** The smallest shared object with a SONAME: ELF header, PT_LOAD over the file, PT_DYNAMIC, strings. */
export function elf(soname: string, machine = 62, bits = 2): Buffer {
  const strings = Buffer.from(`\0${soname}\0`);
  const [dynamicAt, stringsAt] = [64 + 2 * 56, 64 + 2 * 56 + 3 * 16];
  const file = Buffer.alloc(stringsAt + strings.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, bits, 1, 1]);
  file.writeUInt16LE(3, 16);
  file.writeUInt16LE(machine, 18);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(2, 56);
  // Loaded 0x1000 higher than it lies in the file, as real libraries are.
  [
    [1, 0, 0x1000, file.length],
    [2, dynamicAt, 0x1000 + dynamicAt, 48]
  ].forEach(([type = 0, offset = 0, address = 0, size = 0], index) => {
    const at = 64 + index * 56;
    file.writeUInt32LE(type, at);
    file.writeBigUInt64LE(BigInt(offset), at + 8);
    file.writeBigUInt64LE(BigInt(address), at + 16);
    file.writeBigUInt64LE(BigInt(size), at + 32);
  });
  [
    [5, 0x1000 + stringsAt],
    [14, 1],
    [0, 0]
  ].forEach(([tag = 0, value = 0], index) => {
    file.writeBigInt64LE(BigInt(tag), dynamicAt + index * 16);
    file.writeBigUInt64LE(BigInt(value), dynamicAt + index * 16 + 8);
  });
  strings.copy(file, stringsAt);
  return file;
}

/** A cache as ldconfig writes it, optionally behind an old-format table. */
export function ldCache(libraries: readonly [name: string, path: string][], old = false): Buffer {
  const header = Buffer.alloc(48 + libraries.length * 24);
  header.write('glibc-ld.so.cache1.1', 0, 'latin1');
  header.writeUInt32LE(libraries.length, 20);
  let strings = Buffer.alloc(0);
  const add = (text: string): number => {
    const at = header.length + strings.length;
    strings = Buffer.concat([strings, Buffer.from(`${text}\0`)]);
    return at;
  };
  libraries.forEach(([name, path], index) => {
    header.writeUInt32LE(add(name), 48 + index * 24 + 4);
    header.writeUInt32LE(add(path), 48 + index * 24 + 8);
  });
  const before = Buffer.alloc(old ? 32 : 0);
  if (old) {
    before.write('ld.so-1.7.0', 0, 'latin1');
    before.writeUInt32LE(1, 12);
  }
  return Buffer.concat([before, header, strings]);
}
