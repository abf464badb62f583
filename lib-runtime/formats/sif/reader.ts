// SPDX-License-Identifier: BSD-3-Clause
/** Reads a SIF's table of contents and its objects. Every offset and count of the file is checked first. */
import { open, type FileHandle } from 'node:fs/promises';
import { asContainerError, ContainerError, type ErrorCode } from '../../support/errors.ts';
import {
  decodeSifDescriptor,
  decodeSifHeader,
  SIF_DESCRIPTOR_SIZE,
  SIF_HEADER_SIZE,
  SIF_MAGIC,
  SIF_MAGIC_OFFSET,
  SIF_VERSION,
  SifType,
  type ISif,
  type ISifDescriptor,
  type ISifHeader,
  type ISifPartitionInfo
} from './layout.ts';

const STEP = 'read SIF';
/** One read of this size covers header and descriptor table of every SIF that common tools write. */
const HEAD_SIZE = 32768;
/** More slots than any tool makes (48 by default); bounds the memory that a hostile header can ask for. */
const MAX_DESCRIPTORS = 4096;

export interface IPrimaryPartition extends ISifDescriptor {
  readonly partition: ISifPartitionInfo;
}

function fail(code: ErrorCode, path: string, message: string, fix?: string): ContainerError {
  return new ContainerError({ code, step: STEP, message: `${path} ${message}`, ...(fix !== undefined && { fix }) });
}

const FETCH_AGAIN = 'Delete the file and pull or copy it again';

/** True when the file begins with a SIF header. Throws ContainerError when the file cannot be read at all. */
export async function isSif(path: string): Promise<boolean> {
  return withFile(path, async file => hasMagic(await readUpTo(file, 0, SIF_HEADER_SIZE)));
}

/**
 * Reads header and descriptors.
 * @throws ContainerError `not-an-image` (no SIF), `truncated` (file ends before its table or an object does),
 *   `unsupported` (another version of the format), `corrupt`, `not-found`, `permission`.
 */
export async function readSif(path: string): Promise<ISif> {
  return withFile(path, async file => {
    const stat = await file.stat();
    if (!stat.isFile()) {
      throw fail('not-an-image', path, 'is not a regular file', 'Give the path of a SIF file');
    }
    const head = await readUpTo(file, 0, HEAD_SIZE);
    checkMagic(path, head);
    const header = decodeSifHeader(head);
    checkHeader(path, header, stat.size);
    const end = header.descriptorsOffset + header.descriptorsTotal * SIF_DESCRIPTOR_SIZE;
    const table =
      end <= head.length
        ? head.subarray(header.descriptorsOffset, end)
        : await readUpTo(file, header.descriptorsOffset, end - header.descriptorsOffset);
    const descriptors: ISifDescriptor[] = [];
    for (let slot = 0; slot < header.descriptorsTotal; slot++) {
      const descriptor = decodeSifDescriptor(
        table.subarray(slot * SIF_DESCRIPTOR_SIZE, (slot + 1) * SIF_DESCRIPTOR_SIZE)
      );
      if (descriptor) {
        checkDescriptor(path, descriptor, stat.size);
        descriptors.push(descriptor);
      }
    }
    return { path, size: stat.size, header, descriptors };
  });
}

/** Objects of one type (and name, when given) in slot order. */
export function findObjects(sif: ISif, type: number, name?: string): ISifDescriptor[] {
  return sif.descriptors.filter(object => object.type === type && (name === undefined || object.name === name));
}

/**
 * The partition with the root file system.
 * @throws ContainerError `unsupported` for an OCI-SIF (SingularityCE), `not-an-image` for a SIF without one.
 */
export function primaryPartition(sif: ISif): IPrimaryPartition {
  for (const object of sif.descriptors) {
    if (object.partition?.parttype === 'primary') {
      return { ...object, partition: object.partition };
    }
  }
  if (findObjects(sif, SifType.ociRootIndex).length > 0) {
    throw fail(
      'unsupported',
      sif.path,
      'is an OCI-SIF of SingularityCE, which holds no native root file system',
      'Build it again without --oci, or pull the docker:// image itself'
    );
  }
  throw fail('not-an-image', sif.path, 'is a SIF without a primary partition: there is no container in it');
}

/**
 * Bytes of one object.
 * @param maxBytes refuse larger objects (default 64 MiB; partitions are read in place, never through this).
 */
export async function readSifObject(sif: ISif, object: ISifDescriptor, maxBytes = 64 << 20): Promise<Buffer> {
  if (object.size > maxBytes) {
    throw fail('corrupt', sif.path, `has an object of ${object.size} bytes where at most ${maxBytes} are expected`);
  }
  return withFile(sif.path, async file => {
    const data = await readUpTo(file, object.offset, object.size);
    if (data.length < object.size) {
      throw fail('truncated', sif.path, 'ends in the middle of an object', FETCH_AGAIN);
    }
    return data;
  });
}

function hasMagic(head: Buffer): boolean {
  return head.toString('latin1', SIF_MAGIC_OFFSET, SIF_MAGIC_OFFSET + SIF_MAGIC.length) === SIF_MAGIC;
}

function checkMagic(path: string, head: Buffer): void {
  if (head.length === 0) {
    throw fail('truncated', path, 'is empty', FETCH_AGAIN);
  }
  if (!hasMagic(head)) {
    throw fail('not-an-image', path, `is no SIF image: ${guess(head)}`, 'Give a SIF file, or pull the image again');
  }
  if (head.length < SIF_HEADER_SIZE) {
    throw fail('truncated', path, 'ends in the middle of its header', FETCH_AGAIN);
  }
}

/** What a file that is no SIF looks like, for the error message. */
function guess(head: Buffer): string {
  const start = head.toString('latin1', 0, Math.min(head.length, 512));
  if (start.startsWith('hsqs')) {
    return 'it is a bare squashfs file system';
  }
  if (start.startsWith('\x1f\x8b')) {
    return 'it is gzip compressed data';
  }
  if (/^version https:\/\/git-lfs/.test(start)) {
    return 'it is a Git LFS pointer, the real file was not fetched';
  }
  if (/^\s*<(!doctype|html|\?xml)/i.test(start)) {
    return 'it is a web page, perhaps an error page saved under this name';
  }
  if (start.startsWith('\x7fELF')) {
    return 'it is a program';
  }
  const printableOnly = !/[^\t\n\f\r\x20-\x7e\x80-\xff]/.test(start);
  return printableOnly ? 'it is a text file' : 'its header is not that of a SIF';
}

function checkHeader(path: string, header: ISifHeader, size: number): void {
  if (header.version !== SIF_VERSION) {
    throw fail('unsupported', path, `is a SIF of version ${header.version}; only version ${SIF_VERSION} is known`);
  }
  const { descriptorsTotal: total, descriptorsOffset: offset } = header;
  if (total < 0 || total > MAX_DESCRIPTORS || offset < SIF_HEADER_SIZE || !Number.isSafeInteger(offset)) {
    throw fail('corrupt', path, 'has a damaged SIF header: its descriptor table cannot be there', FETCH_AGAIN);
  }
  if (offset + total * SIF_DESCRIPTOR_SIZE > size) {
    throw fail('truncated', path, 'ends before its descriptor table does', FETCH_AGAIN);
  }
}

function checkDescriptor(path: string, object: ISifDescriptor, size: number): void {
  const { offset, size: length } = object;
  if (offset < 0 || length < 0 || !Number.isSafeInteger(offset) || !Number.isSafeInteger(offset + length)) {
    throw fail('corrupt', path, `has a damaged descriptor (object ${object.id})`, FETCH_AGAIN);
  }
  if (offset + length > size) {
    const missing = offset + length - size;
    throw fail('truncated', path, `is incomplete: at least ${missing} bytes are missing at its end`, FETCH_AGAIN);
  }
}

async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    return await use(file);
  } catch (error) {
    throw asContainerError(error, STEP, `cannot read ${path}`);
  } finally {
    await file?.close();
  }
}

/** Up to `length` bytes at `position`; fewer at the end of the file. */
async function readUpTo(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) {
      break;
    }
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
