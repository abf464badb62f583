// SPDX-License-Identifier: BSD-3-Clause
/** An image in a registry; its blobs go through the store, so that an interrupted pull goes on where it stopped. */
import { open, rm, type FileHandle } from 'node:fs/promises';
import type { IDescriptor, IManifest } from '../formats/oci/documents.ts';
import { isSifLayerType } from '../formats/oci/media-types.ts';
import { RegistryClient, type IRegistryOptions } from '../registry/client.ts';
import { defaultSifName, formatReference, type IReference } from '../registry/reference.ts';
import type { Store } from '../store/store.ts';
import { asContainerError, ContainerError, printable } from '../support/errors.ts';
import { throwIfCancelled } from './cancel.ts';
import { GrowingBlob } from './growing-blob.ts';
import {
  checkLayers,
  layerInBlob,
  originOf,
  type IFetchedLayers,
  type IFetchOptions,
  type IRemoteImage
} from './remote-image.ts';
import type { IRemoteFile } from './remote-file.ts';

/** Blobs fetched side by side; each has several connections of its own. */
const BLOBS_AT_ONCE = 3;

export interface IRegistrySource {
  /** What the user wrote before the reference; what is there decides what is made of it. */
  readonly scheme: 'docker' | 'oras';
  readonly reference: IReference;
  /** The reference as the user wrote it, for the image's definition. */
  readonly text: string;
  /** `uname -m`. */
  readonly machine: string;
  readonly store: Store;
  readonly registry: IRegistryOptions;
}

/**
 * An image of layers, or a SIF stored as an ORAS artifact: its manifest tells.
 * @throws ContainerError of the registry: `not-found`, `unauthorized`, `network`, `architecture` ...
 */
export async function openRegistryImage(source: IRegistrySource): Promise<IRemoteImage | IRemoteFile> {
  const { reference, store } = source;
  const client = new RegistryClient(source.registry);
  const { digest, manifest } = await client.getManifest(reference, { machine: source.machine });
  const name = `${source.scheme}://${formatReference(reference)}`;
  if (manifest.layers.some(({ mediaType }) => isSifLayerType(mediaType))) {
    return artifact(client, { reference, name, digest, manifest }, source.registry.signal);
  }
  checkLayers(manifest, name);
  const { raw } = await client.getConfig(reference, manifest);
  const layerBytes = manifest.layers.reduce((sum, layer) => sum + layer.size, 0);
  return {
    name,
    manifestDigest: digest,
    fileName: defaultSifName(reference),
    origin: originOf(raw, { bootstrap: 'docker', from: source.text }),
    layerBytes,
    fetchBytes: layerBytes,
    fetch: options => new Downloads(client, reference, manifest.layers, store, options),
    close: () => Promise.resolve()
  };
}

/** One layer, as it is; of the configuration nothing is read, as in Apptainer (internal/pkg/client/oras). */
function artifact(
  client: RegistryClient,
  found: { reference: IReference; name: string; digest: string; manifest: IManifest },
  signal: AbortSignal | undefined
): IRemoteFile {
  const { reference, name, manifest } = found;
  const [layer, ...others] = manifest.layers;
  if (layer === undefined || others.length > 0) {
    throw new ContainerError({
      code: 'not-an-image',
      step: 'pull',
      message: `${printable(name)} is no image`,
      reason: `its artifact holds ${manifest.layers.length} files, where an image is one SIF`,
      fix: 'Choose another tag or name'
    });
  }
  return {
    name,
    shown: name,
    fileName: defaultSifName(reference),
    size: layer.size,
    digest: layer.digest,
    manifestDigest: found.digest,
    version: () => undefined,
    download: async (path, onProgress) => {
      await client.downloadBlob(reference, layer, path, {
        ...(signal && { signal }),
        ...(onProgress && { onProgress })
      });
      return layer.digest;
    },
    close: () => Promise.resolve()
  };
}

class Downloads implements IFetchedLayers {
  readonly layers;
  readonly #client: RegistryClient;
  readonly #reference: IReference;
  readonly #store: Store;
  readonly #options: IFetchOptions;
  readonly #stop = new AbortController();
  readonly #blobs = new Map<string, GrowingBlob>();
  readonly #done = new Map<string, number>();
  readonly #total: number;
  #free = BLOBS_AT_ONCE;
  readonly #waiting: (() => void)[] = [];

  constructor(
    client: RegistryClient,
    reference: IReference,
    descriptors: readonly IDescriptor[],
    store: Store,
    options: IFetchOptions
  ) {
    this.#client = client;
    this.#reference = reference;
    this.#store = store;
    this.#options = options;
    // The topmost layer is read first.
    for (const descriptor of [...descriptors].reverse()) {
      this.#blob(descriptor);
    }
    const sizes = new Map(descriptors.map(({ digest, size }) => [digest, size]));
    this.#total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
    this.layers = descriptors.map(descriptor => layerInBlob(descriptor, this.#blob(descriptor)));
  }

  async close(remove: boolean): Promise<void> {
    this.#stop.abort();
    for (const [digest, blob] of this.#blobs) {
      const file = await blob.finished.catch(() => undefined);
      await file?.close();
      if (remove && file) {
        // Under the lock: another pull that has just found the blob opens it first.
        await this.#store.withLock(digest, () => rm(this.#store.blobPath(digest), { force: true }));
      }
    }
  }

  #blob(descriptor: IDescriptor): GrowingBlob {
    const { digest } = descriptor;
    const known = this.#blobs.get(digest);
    if (known) {
      return known;
    }
    const part = `${this.#store.blobPath(digest)}.part`;
    const blob = new GrowingBlob(part, grown => this.#fetch(descriptor, grown));
    this.#blobs.set(digest, blob);
    return blob;
  }

  async #fetch(descriptor: IDescriptor, onGrowth: (bytes: number) => void): Promise<FileHandle> {
    const signal = AbortSignal.any([this.#options.signal, this.#stop.signal]);
    await this.#acquire();
    try {
      throwIfCancelled(signal, 'pull');
      const { digest } = descriptor;
      const path = this.#store.blobPath(digest);
      return await this.#store.withLock(
        digest,
        async () => {
          const onProgress = this.#options.onProgress && this.#progress(digest);
          await this.#client.downloadBlob(this.#reference, descriptor, path, {
            signal,
            onGrowth,
            ...(onProgress && { onProgress })
          });
          return open(path, 'r');
        },
        { signal }
      );
    } catch (error) {
      throw asContainerError(error, 'pull', 'cannot fetch a layer');
    } finally {
      this.#release();
    }
  }

  #progress(digest: string): (progress: { readonly done: number }) => void {
    return ({ done }) => {
      this.#done.set(digest, done);
      const sum = [...this.#done.values()].reduce((total, bytes) => total + bytes, 0);
      this.#options.onProgress?.({ phase: 'download', done: sum, total: this.#total, unit: 'bytes' });
    };
  }

  async #acquire(): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>(resolve => this.#waiting.push(resolve));
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next) {
      next();
    } else {
      this.#free++;
    }
  }
}
