// SPDX-License-Identifier: BSD-3-Clause
/**
 * The Singularity Image Format (version 01) as constants and plain structs: 128 byte header, 585 byte descriptors,
 * everything little-endian and packed (reference/runtimes.md section 1; github.com/apptainer/sif pkg/sif).
 */

export const SIF_HEADER_SIZE = 128;
export const SIF_DESCRIPTOR_SIZE = 585;
export const SIF_MAGIC = 'SIF_MAGIC';
export const SIF_MAGIC_OFFSET = 32;
export const SIF_VERSION = '01';
export const SIF_LAUNCH_SCRIPT = '#!/usr/bin/env run-singularity\n';
/** Where the descriptor table of an image that we write begins, and how many slots it has. */
export const SIF_DESCRIPTORS_OFFSET = 4096;
export const SIF_DESCRIPTORS_TOTAL = 48;
/** Partitions are page aligned so that they can be loop-mounted; other objects are not aligned. */
export const SIF_PARTITION_ALIGNMENT = 4096;
/** Set in group fields, and in a link field when the link goes to a group. */
export const SIF_GROUP_MASK = 0xf0000000;
/** The group that Apptainer puts every object of an image in. */
export const SIF_DEFAULT_GROUP = 1;
/** The time of a reproducible SIF: Go's zero time, in seconds since the epoch. */
export const SIF_DETERMINISTIC_TIME = -62135596800;
export const SIF_NIL_UUID = '00000000-0000-0000-0000-000000000000';

/** Data types of objects. */
export const SifType = {
  deffile: 0x4001,
  envVar: 0x4002,
  labels: 0x4003,
  partition: 0x4004,
  signature: 0x4005,
  genericJson: 0x4006,
  generic: 0x4007,
  cryptoMessage: 0x4008,
  sbom: 0x4009,
  ociRootIndex: 0x400a,
  ociBlob: 0x400b
} as const;

export type SifFsType =
  'squashfs' | 'ext3' | 'archive' | 'raw' | 'encrypted-squashfs' | 'gocryptfs-squashfs' | 'unknown';
export type SifPartType = 'system' | 'primary' | 'data' | 'overlay' | 'unknown';

const FS_TYPES: readonly SifFsType[] = [
  'unknown',
  'squashfs',
  'ext3',
  'archive',
  'raw',
  'encrypted-squashfs',
  'gocryptfs-squashfs'
];
const PART_TYPES: readonly SifPartType[] = ['unknown', 'system', 'primary', 'data', 'overlay'];

export const fsTypeName = (code: number): SifFsType => FS_TYPES[code] ?? 'unknown';
export const fsTypeCode = (name: SifFsType): number => Math.max(0, FS_TYPES.indexOf(name));
export const partTypeName = (code: number): SifPartType => PART_TYPES[code] ?? 'unknown';
export const partTypeCode = (name: SifPartType): number => Math.max(0, PART_TYPES.indexOf(name));

/** SIF's architecture codes by `uname -m` name; several machines run one code. The first of a code is its name. */
const ARCH_CODES: ReadonlyArray<readonly [machine: string, code: string]> = [
  ['i686', '01'],
  ['i386', '01'],
  ['i486', '01'],
  ['i586', '01'],
  ['x86_64', '02'],
  ['armv7l', '03'],
  ['armv6l', '03'],
  ['armv8l', '03'],
  ['arm', '03'],
  ['aarch64', '04'],
  ['ppc64', '05'],
  ['ppc64le', '06'],
  ['mips', '07'],
  ['mipsel', '08'],
  ['mips64', '09'],
  ['mips64el', '10'],
  ['s390x', '11'],
  ['riscv64', '12'],
  ['loongarch64', '13']
];

/** SIF architecture code (two ASCII digits) of a `uname -m` machine name; `00` when SIF has none. */
export function sifArchOf(machine: string): string {
  return ARCH_CODES.find(([name]) => name === machine)?.[1] ?? '00';
}

/** `uname -m` name of a SIF architecture code; `unknown` for `00` and codes that we do not know. */
export function machineOf(code: string): string {
  return ARCH_CODES.find(([, known]) => known === code)?.[0] ?? 'unknown';
}

export interface ISifHeader {
  /** The first line, for example `#!/usr/bin/env run-singularity\n`; may be empty. */
  readonly launchScript: string;
  readonly version: string;
  /** `uname -m` name of the primary partition's architecture, or `unknown`. */
  readonly arch: string;
  readonly uuid: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly modified: number;
  readonly descriptorsFree: number;
  readonly descriptorsTotal: number;
  readonly descriptorsOffset: number;
  readonly descriptorsSize: number;
  readonly dataOffset: number;
  readonly dataSize: number;
}

export interface ISifPartitionInfo {
  readonly fstype: SifFsType;
  readonly parttype: SifPartType;
  /** `uname -m` name, or `unknown`. */
  readonly arch: string;
}

export interface ISifDescriptor {
  /** Slot index + 1. */
  readonly id: number;
  /** One of SifType, or a number that we do not know. */
  readonly type: number;
  /** Group number without the mask; 0 = in no group. */
  readonly group: number;
  /** Object or group that this one is about (a signature's group); undefined = none. */
  readonly link?: { readonly kind: 'object' | 'group'; readonly id: number };
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly size: number;
  readonly sizeWithPadding: number;
  readonly created: number;
  readonly modified: number;
  readonly name: string;
  /** 384 bytes whose layout depends on the type. */
  readonly extra: Buffer;
  /** Decoded `extra` of a partition. */
  readonly partition?: ISifPartitionInfo;
}

/** A SIF's table of contents. */
export interface ISif {
  readonly path: string;
  /** Size of the file in bytes. */
  readonly size: number;
  readonly header: ISifHeader;
  /** Used descriptors in slot order. */
  readonly descriptors: readonly ISifDescriptor[];
}

const text = (bytes: Buffer): string => {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
};

export function formatUuid(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export function parseUuid(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

/** Decodes the header; does not judge its values. */
export function decodeSifHeader(bytes: Buffer): ISifHeader {
  const i64 = (offset: number): number => Number(bytes.readBigInt64LE(offset));
  return {
    launchScript: text(bytes.subarray(0, 32)),
    version: text(bytes.subarray(42, 45)),
    arch: machineOf(text(bytes.subarray(45, 48))),
    uuid: formatUuid(bytes.subarray(48, 64)),
    created: i64(64),
    modified: i64(72),
    descriptorsFree: i64(80),
    descriptorsTotal: i64(88),
    descriptorsOffset: i64(96),
    descriptorsSize: i64(104),
    dataOffset: i64(112),
    dataSize: i64(120)
  };
}

export function encodeSifHeader(header: ISifHeader): Buffer {
  const bytes = Buffer.alloc(SIF_HEADER_SIZE);
  bytes.write(header.launchScript, 0, 32);
  bytes.write(SIF_MAGIC, SIF_MAGIC_OFFSET);
  bytes.write(header.version, 42, 3);
  bytes.write(sifArchOf(header.arch), 45, 3);
  parseUuid(header.uuid).copy(bytes, 48);
  const fields = [
    header.created,
    header.modified,
    header.descriptorsFree,
    header.descriptorsTotal,
    header.descriptorsOffset,
    header.descriptorsSize,
    header.dataOffset,
    header.dataSize
  ];
  fields.forEach((value, index) => bytes.writeBigInt64LE(BigInt(value), 64 + 8 * index));
  return bytes;
}

/** Decodes one used descriptor; undefined for a free slot. */
export function decodeSifDescriptor(bytes: Buffer): ISifDescriptor | undefined {
  if (bytes.readUInt8(4) === 0) {
    return undefined;
  }
  const i64 = (offset: number): number => Number(bytes.readBigInt64LE(offset));
  const type = bytes.readInt32LE(0);
  const link = bytes.readUInt32LE(13);
  const extra = Buffer.from(bytes.subarray(201, SIF_DESCRIPTOR_SIZE));
  return {
    id: bytes.readUInt32LE(5),
    type,
    group: bytes.readUInt32LE(9) & ~SIF_GROUP_MASK,
    ...(link !== 0 && {
      link: { kind: link >>> 28 === 0xf ? 'group' : 'object', id: link & ~SIF_GROUP_MASK } as const
    }),
    offset: i64(17),
    size: i64(25),
    sizeWithPadding: i64(33),
    created: i64(41),
    modified: i64(49),
    name: text(bytes.subarray(73, 201)),
    extra,
    ...(type === SifType.partition && {
      partition: {
        fstype: fsTypeName(extra.readInt32LE(0)),
        parttype: partTypeName(extra.readInt32LE(4)),
        arch: machineOf(text(extra.subarray(8, 11)))
      }
    })
  };
}

export function encodeSifDescriptor(descriptor: ISifDescriptor): Buffer {
  const bytes = Buffer.alloc(SIF_DESCRIPTOR_SIZE);
  bytes.writeInt32LE(descriptor.type, 0);
  bytes.writeUInt8(1, 4);
  bytes.writeUInt32LE(descriptor.id, 5);
  bytes.writeUInt32LE((descriptor.group | SIF_GROUP_MASK) >>> 0, 9);
  const { link } = descriptor;
  bytes.writeUInt32LE(!link ? 0 : link.kind === 'group' ? (link.id | SIF_GROUP_MASK) >>> 0 : link.id, 13);
  const fields = [
    descriptor.offset,
    descriptor.size,
    descriptor.sizeWithPadding,
    descriptor.created,
    descriptor.modified
  ];
  fields.forEach((value, index) => bytes.writeBigInt64LE(BigInt(value), 17 + 8 * index));
  bytes.write(descriptor.name, 73, 127);
  descriptor.extra.copy(bytes, 201, 0, 384);
  return bytes;
}

/** The `extra` field of a partition. */
export function encodePartitionExtra(info: ISifPartitionInfo): Buffer {
  const extra = Buffer.alloc(384);
  extra.writeInt32LE(fsTypeCode(info.fstype), 0);
  extra.writeInt32LE(partTypeCode(info.parttype), 4);
  extra.write(sifArchOf(info.arch), 8, 3);
  return extra;
}
