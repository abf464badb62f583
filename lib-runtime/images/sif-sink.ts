// SPDX-License-Identifier: BSD-3-Clause
/** Layers of an OCI image -> a SIF as Apptainer makes it (reference/runtimes.md 1.6), in one stream. */
import { SifType } from '../formats/sif/layout.ts';
import { SifWriter } from '../formats/sif/writer.ts';
import { SquashfsWriter } from '../formats/squashfs/writer.ts';
import { machineOfGo } from '../formats/oci/platform.ts';
import { asContainerError } from '../support/errors.ts';
import { definitionText, inspectMetadataText, ociConfigText } from './convention.ts';
import { convertLayers, type IConversion, type IRestartableSink } from './convert.ts';

export type SifCompression = 'zstd' | 'gzip';

export interface ISifConversion extends IConversion {
  readonly compression: SifCompression;
  readonly level?: number;
}

export interface IWrittenSif {
  readonly path: string;
  readonly sizeBytes: number;
  /** `uname -m` name, from the programs in the image; from its OCI configuration when it holds none. */
  readonly machine: string | undefined;
  readonly entries: number;
  readonly notes: readonly string[];
}

/**
 * Writes the SIF at `path`; it appears there when it is whole and replaces what was there. On failure nothing is left.
 * @throws ContainerError of layers and writers (`no-space`, `corrupt`, `digest-mismatch` ...); `cancelled`.
 */
export async function writeSif(path: string, conversion: ISifConversion): Promise<IWrittenSif> {
  try {
    const { target, survey } = await convertLayers(conversion, () => SifTarget.begin(path, conversion));
    const { architecture } = conversion.origin;
    const machine = survey.machine ?? machineOfGo(architecture);
    return await target.finish(machine, survey.entries);
  } catch (error) {
    throw asContainerError(error, 'convert', `cannot write ${path}`);
  }
}

class SifTarget implements IRestartableSink {
  readonly sink: SquashfsWriter;
  readonly #writer: SifWriter;

  private constructor(writer: SifWriter, sink: SquashfsWriter) {
    this.#writer = writer;
    this.sink = sink;
  }

  static async begin(path: string, { origin, compression, level }: ISifConversion): Promise<SifTarget> {
    const writer = await SifWriter.create(path);
    try {
      await writer.addObject({ type: SifType.deffile, data: Buffer.from(definitionText(origin)) });
      const json = { type: SifType.genericJson };
      await writer.addObject({
        ...json,
        name: 'inspect-metadata.json',
        data: Buffer.from(inspectMetadataText(origin))
      });
      await writer.addObject({ ...json, name: 'oci-config.json', data: Buffer.from(ociConfigText(origin)) });
      const partition = await writer.beginPartition();
      return new SifTarget(
        writer,
        new SquashfsWriter(partition, { compression, ...(level !== undefined && { level }) })
      );
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  async finish(machine: string | undefined, entries: number): Promise<IWrittenSif> {
    try {
      const { paddedSize, droppedXattrs } = await this.sink.finish();
      const arch = machine ?? 'unknown';
      await this.#writer.endPartition({ fstype: 'squashfs', parttype: 'primary', arch, size: paddedSize });
      const { size } = await this.#writer.finish();
      const notes = droppedXattrs > 0 ? [`${droppedXattrs} extended attributes have no place in squashfs`] : [];
      return { path: this.#writer.path, sizeBytes: size, machine, entries, notes };
    } catch (error) {
      await this.drop();
      throw error;
    }
  }

  /** The writer of blocks has to be still before the file is closed under it. */
  async drop(): Promise<void> {
    await this.sink.abort();
    await this.#writer.abort();
  }
}
