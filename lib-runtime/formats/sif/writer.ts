// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writes a SIF as Apptainer does: header, 48 descriptor slots, objects one after another, partitions page aligned.
 * The file grows under a temporary name beside its target and is renamed when it is whole.
 */
import { randomUUID } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { asContainerError, ContainerError } from '../../support/errors.ts';
import {
  encodePartitionExtra,
  encodeSifDescriptor,
  encodeSifHeader,
  SIF_DEFAULT_GROUP,
  SIF_DESCRIPTOR_SIZE,
  SIF_DESCRIPTORS_OFFSET,
  SIF_DESCRIPTORS_TOTAL,
  SIF_LAUNCH_SCRIPT,
  SIF_PARTITION_ALIGNMENT,
  SIF_VERSION,
  SifType,
  type ISifDescriptor,
  type ISifPartitionInfo
} from './layout.ts';

const STEP = 'write SIF';
const DATA_OFFSET = SIF_DESCRIPTORS_OFFSET + SIF_DESCRIPTORS_TOTAL * SIF_DESCRIPTOR_SIZE;

export interface ISifWriterOptions {
  /** First line of the file, at most 31 bytes. */
  readonly launchScript?: string;
  /** Default: a random version 4 UUID; SIF_NIL_UUID for a reproducible image. */
  readonly uuid?: string;
  /** Seconds since the epoch of every time in the file; default now, SIF_DETERMINISTIC_TIME when reproducible. */
  readonly time?: number;
}

export interface ISifObject {
  /** One of SifType. */
  readonly type: number;
  /** At most 127 bytes; Apptainer names JSON objects only. */
  readonly name?: string;
  readonly data: Uint8Array;
  /** What a signature is about. */
  readonly link?: ISifDescriptor['link'];
  /** Group number, 0 = none; default 1. */
  readonly group?: number;
  /** Up to 384 bytes, by type. */
  readonly extra?: Uint8Array;
}

export interface IEndPartition extends ISifPartitionInfo {
  /** Bytes of the partition, incl. its own padding. */
  readonly size: number;
}

export class SifWriter {
  readonly path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  readonly #launchScript: string;
  readonly #uuid: string;
  readonly #time: number;
  readonly #descriptors: ISifDescriptor[] = [];
  #end = DATA_OFFSET;
  #arch = 'unknown';
  #partitionOffset: number | undefined;
  #open = true;

  private constructor(path: string, temporary: string, file: FileHandle, options: ISifWriterOptions) {
    this.path = path;
    this.#temporary = temporary;
    this.#file = file;
    this.#launchScript = options.launchScript ?? SIF_LAUNCH_SCRIPT;
    this.#uuid = options.uuid ?? randomUUID();
    this.#time = options.time ?? Math.floor(Date.now() / 1000);
  }

  /** Starts a SIF that will appear at `path` on finish(). The caller must end with finish() or abort(). */
  static async create(path: string, options: ISifWriterOptions = {}): Promise<SifWriter> {
    if (Buffer.byteLength(options.launchScript ?? '') >= 32) {
      throw new ContainerError({ code: 'usage', step: STEP, message: 'a SIF launch script has at most 31 bytes' });
    }
    const temporary = `${path}.${process.pid}.${randomUUID().slice(0, 8)}.partial`;
    try {
      const file = await open(temporary, 'wx+', 0o755);
      return new SifWriter(path, temporary, file, options);
    } catch (error) {
      throw asContainerError(error, STEP, `cannot create ${path}`);
    }
  }

  /** Appends one object and returns its ID. */
  async addObject(object: ISifObject): Promise<number> {
    this.#demandNoPartition();
    const offset = this.#end;
    await this.#write(object.data, offset);
    return this.#record({
      type: object.type,
      offset,
      size: object.data.byteLength,
      name: object.name ?? '',
      extra: Buffer.from(object.extra ?? []),
      group: object.group ?? SIF_DEFAULT_GROUP,
      ...(object.link && { link: object.link })
    });
  }

  /** Where the caller writes the next partition: page aligned in the open file. */
  async beginPartition(): Promise<{ file: FileHandle; offset: number }> {
    this.#demandNoPartition();
    this.#demandSlot();
    this.#partitionOffset = Math.ceil(this.#end / SIF_PARTITION_ALIGNMENT) * SIF_PARTITION_ALIGNMENT;
    return Promise.resolve({ file: this.#file, offset: this.#partitionOffset });
  }

  /** Records the partition that was written since beginPartition() and returns its object ID. */
  async endPartition(partition: IEndPartition): Promise<number> {
    const offset = this.#partitionOffset;
    if (offset === undefined) {
      throw new ContainerError({ code: 'internal', step: STEP, message: 'no partition was begun' });
    }
    if (partition.parttype === 'primary') {
      if (this.#descriptors.some(other => other.partition?.parttype === 'primary')) {
        throw new ContainerError({ code: 'internal', step: STEP, message: 'a SIF has one primary partition only' });
      }
      this.#arch = partition.arch;
    }
    this.#partitionOffset = undefined;
    const { fstype, parttype, arch, size } = partition;
    return Promise.resolve(
      this.#record({
        type: SifType.partition,
        offset,
        size,
        name: '',
        extra: encodePartitionExtra(partition),
        group: SIF_DEFAULT_GROUP,
        partition: { fstype, parttype, arch }
      })
    );
  }

  /** Writes table and header, cuts the file to its length and moves it to its name. On failure nothing is left. */
  async finish(): Promise<{ size: number }> {
    this.#demandNoPartition();
    try {
      const table = Buffer.concat(this.#descriptors.map(encodeSifDescriptor));
      await this.#write(table, SIF_DESCRIPTORS_OFFSET);
      await this.#write(
        encodeSifHeader({
          launchScript: this.#launchScript,
          version: SIF_VERSION,
          arch: this.#arch,
          uuid: this.#uuid,
          created: this.#time,
          modified: this.#time,
          descriptorsFree: SIF_DESCRIPTORS_TOTAL - this.#descriptors.length,
          descriptorsTotal: SIF_DESCRIPTORS_TOTAL,
          descriptorsOffset: SIF_DESCRIPTORS_OFFSET,
          descriptorsSize: SIF_DESCRIPTORS_TOTAL * SIF_DESCRIPTOR_SIZE,
          dataOffset: DATA_OFFSET,
          dataSize: this.#end - DATA_OFFSET
        }),
        0
      );
      await this.#file.truncate(this.#end);
      // The mode of open() went through the umask; Apptainer's images are 0755 whatever the umask is.
      await this.#file.chmod(0o755);
      await this.#close();
      await rename(this.#temporary, this.path);
      return { size: this.#end };
    } catch (error) {
      await this.abort();
      throw asContainerError(error, STEP, `cannot write ${this.path}`);
    }
  }

  /** Drops the unfinished file. Harmless after finish() and when called twice. */
  async abort(): Promise<void> {
    await this.#close();
    await rm(this.#temporary, { force: true });
  }

  async #close(): Promise<void> {
    if (this.#open) {
      this.#open = false;
      await this.#file.close();
    }
  }

  #demandNoPartition(): void {
    if (this.#partitionOffset !== undefined) {
      throw new ContainerError({ code: 'internal', step: STEP, message: 'a partition is still open' });
    }
  }

  #demandSlot(): void {
    if (this.#descriptors.length >= SIF_DESCRIPTORS_TOTAL) {
      throw new ContainerError({
        code: 'unsupported',
        step: STEP,
        message: `a SIF holds at most ${SIF_DESCRIPTORS_TOTAL} objects`
      });
    }
  }

  #record(object: Omit<ISifDescriptor, 'id' | 'sizeWithPadding' | 'created' | 'modified'>): number {
    this.#demandSlot();
    const id = this.#descriptors.length + 1;
    this.#descriptors.push({
      ...object,
      id,
      sizeWithPadding: object.offset - this.#end + object.size,
      created: this.#time,
      modified: this.#time
    });
    this.#end = object.offset + object.size;
    return id;
  }

  async #write(data: Uint8Array, position: number): Promise<void> {
    try {
      let written = 0;
      while (written < data.byteLength) {
        const result = await this.#file.write(data, written, data.byteLength - written, position + written);
        written += result.bytesWritten;
      }
    } catch (error) {
      throw asContainerError(error, STEP, `cannot write ${this.path}`);
    }
  }
}
