// SPDX-License-Identifier: BSD-3-Clause
/** The machine that a program is made for, read from its ELF header (elf(5)). */

/** Bytes of a file that machineOfElf needs. */
export const ELF_HEAD = 20;

const ELFCLASS64 = 2;
const ELFDATA2MSB = 2;

/** `uname -m` names by e_machine (System V ABI), with what tells variants apart. */
function nameOf(machine: number, is64: boolean, isBigEndian: boolean): string | undefined {
  switch (machine) {
    case 3:
      return 'i686';
    case 8:
      return `mips${is64 ? '64' : ''}${isBigEndian ? '' : 'el'}`;
    case 21:
      return isBigEndian ? 'ppc64' : 'ppc64le';
    case 22:
      return 's390x';
    case 40:
      return 'armv7l';
    case 62:
      return 'x86_64';
    case 183:
      return 'aarch64';
    case 243:
      return is64 ? 'riscv64' : undefined;
    case 258:
      return is64 ? 'loongarch64' : undefined;
    default:
      return undefined;
  }
}

/** `uname -m` name for the first ELF_HEAD or more bytes of a file; undefined when it is no ELF file or unknown. */
export function machineOfElf(head: Uint8Array): string | undefined {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  if (bytes.length < ELF_HEAD || bytes.readUInt32BE(0) !== 0x7f454c46) {
    return undefined;
  }
  const isBigEndian = bytes.readUInt8(5) === ELFDATA2MSB;
  const machine = isBigEndian ? bytes.readUInt16BE(18) : bytes.readUInt16LE(18);
  return nameOf(machine, bytes.readUInt8(4) === ELFCLASS64, isBigEndian);
}
