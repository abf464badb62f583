// SPDX-License-Identifier: BSD-3-Clause
/** An OCI image that is to be fetched: its description now, its layers when they are asked for. */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { parseDigest } from '../formats/oci/digest.ts';
import { parseImageConfig, type IDescriptor, type IManifest } from '../formats/oci/documents.ts';
import { isTarLayerType } from '../formats/oci/media-types.ts';
import { decompressLayer } from '../formats/tar/decompress.ts';
import { readTar } from '../formats/tar/reader.ts';
import { ContainerError, printable } from '../support/errors.ts';
import type { ProgressListener } from '../support/progress.ts';
import type { IOrigin } from './convention.ts';
import { readChunks, type GrowingBlob } from './growing-blob.ts';
import type { ILayer, ILayerEntry } from './layer.ts';
import { asOciConfig } from './oci-config.ts';

export interface IRemoteImage {
  /** Under which the store knows the image: `docker://...`, `oci:/absolute/path:tag`. */
  readonly name: string;
  readonly manifestDigest: string;
  /** Default name of a pulled file. */
  readonly fileName: string;
  readonly origin: IOrigin;
  /** Bytes of all compressed layers. */
  readonly layerBytes: number;
  /** Bytes of them that fetching will put into the store. */
  readonly fetchBytes: number;
  /** Starts fetching; the layers can be read at once and wait for their bytes. */
  fetch(options: IFetchOptions): IFetchedLayers;
  /** Drops what the description itself needed (an unpacked archive). */
  close(): Promise<void>;
}

export interface IFetchOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ProgressListener;
}

export interface IFetchedLayers {
  /** Bottom to top. */
  readonly layers: readonly ILayer[];
  /** Ends all transfers and closes files; `remove` also takes finished blobs away. */
  close(remove: boolean): Promise<void>;
}

/** A layer in an open file that someone else may remove meanwhile. `blob` waits for it. */
export function layerInFile(
  descriptor: IDescriptor,
  blob: () => Promise<FileHandle>,
  options: { readonly verify: boolean }
): ILayer {
  let verified = !options.verify;
  return {
    label: labelOf(descriptor.digest),
    async *open(): AsyncGenerator<ILayerEntry, void, undefined> {
      const bytes = readChunks(await blob());
      const checked = verified ? bytes : verifying(bytes, descriptor, () => (verified = true));
      yield* readTar(decompressLayer(checked, descriptor.mediaType));
    }
  };
}

/** A layer of a saved image, held to the digest of its plain tar stream (`diff_id`), however the file is packed. */
export function plainLayerInFile(diffId: string, file: () => Promise<FileHandle>): ILayer {
  let verified = false;
  return {
    label: labelOf(diffId),
    async *open(): AsyncGenerator<ILayerEntry, void, undefined> {
      const plain = decompressLayer(readChunks(await file()));
      yield* readTar(verified ? plain : verifying(plain, { digest: diffId }, () => (verified = true)));
    }
  };
}

/** A layer that is read while it comes in. */
export function layerInBlob({ digest, mediaType }: IDescriptor, blob: GrowingBlob): ILayer {
  return {
    label: labelOf(digest),
    async *open(): AsyncGenerator<ILayerEntry, void, undefined> {
      yield* readTar(decompressLayer(blob, mediaType));
      // What follows the end of the archive was perhaps not read, but belongs to the digest.
      await blob.finished;
    }
  };
}

const labelOf = (digest: string): string => digest.slice(digest.indexOf(':') + 1).slice(0, 12);

/** Passes bytes through; at the end, and before the last of them count, compares size and digest. */
async function* verifying(
  bytes: AsyncIterable<Uint8Array>,
  { digest, size }: Pick<IDescriptor, 'digest'> & Partial<Pick<IDescriptor, 'size'>>,
  onMatch: () => void
): AsyncGenerator<Uint8Array, void, undefined> {
  const { algorithm, hex } = parseDigest(digest);
  const hash = createHash(algorithm);
  let length = 0;
  for await (const chunk of bytes) {
    hash.update(chunk);
    length += chunk.length;
    yield chunk;
  }
  checkBlob(digest, size ?? length, length, hash.digest('hex') === hex);
  onMatch();
}

/** @throws ContainerError `truncated` or `digest-mismatch`. */
export function checkBlob(digest: string, size: number, length: number, matches: boolean): void {
  if (length < size) {
    throw new ContainerError({
      code: 'truncated',
      step: 'read layer',
      message: `blob ${digest} has ${length} bytes instead of ${size}`,
      fix: 'Copy the image again'
    });
  }
  if (!matches || length > size) {
    throw new ContainerError({
      code: 'digest-mismatch',
      step: 'read layer',
      message: `blob ${digest} is not what its digest says`,
      reason: 'it was damaged or changed',
      fix: 'Copy the image again'
    });
  }
}

/**
 * What the conversion records of an image.
 * @param raw the image configuration as it was fetched.
 */
export function originOf(raw: Uint8Array, source: Pick<IOrigin, 'bootstrap' | 'from'>): IOrigin {
  const image = parseImageConfig(raw);
  const document = JSON.parse(Buffer.from(raw).toString('utf8')) as { config?: unknown };
  return {
    ...source,
    config: asOciConfig(image.config),
    rawConfig: document.config ?? {},
    architecture: image.architecture,
    builtAt: new Date()
  };
}

/** @throws ContainerError `not-an-image` when the manifest is not of a container image. */
export function checkLayers(manifest: IManifest, name: string): void {
  for (const { mediaType } of manifest.layers) {
    if (isTarLayerType(mediaType)) {
      continue;
    }
    throw new ContainerError({
      code: 'not-an-image',
      step: 'pull',
      message: `${printable(name)} is no container image`,
      reason: `it holds ${printable(mediaType)}`,
      fix: 'Choose another tag or name'
    });
  }
}
