// SPDX-License-Identifier: BSD-3-Clause
/** An image in an OCI layout: a directory, or a tar archive of one (OCI image-spec v1.1, image-layout.md). */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseDigest } from '../formats/oci/digest.ts';
import { parseIndex, parseManifestOrIndex, type IDescriptor, type IIndexEntry } from '../formats/oci/documents.ts';
import { isIndexType } from '../formats/oci/media-types.ts';
import { selectPlatform } from '../formats/oci/platform.ts';
import { decompressLayer } from '../formats/tar/decompress.ts';
import { readTar } from '../formats/tar/reader.ts';
import type { Store } from '../store/store.ts';
import { asContainerError, ContainerError, errnoOf, printable } from '../support/errors.ts';
import {
  checkBlob,
  checkLayers,
  layerInFile,
  originOf,
  type IFetchedLayers,
  type IRemoteImage
} from './remote-image.ts';
import { layoutSifName, splitLayout } from './source.ts';
import { throwIfCancelled } from './cancel.ts';

const STEP = 'read layout';
const REF_NAME = 'org.opencontainers.image.ref.name';
/** Documents are read into memory. */
const MAX_DOCUMENT = 16 << 20;

export interface ILayoutSource {
  readonly kind: 'oci' | 'oci-archive';
  /** `PATH[:TAG]`. */
  readonly rest: string;
  readonly machine: string;
  readonly store: Store;
  readonly signal?: AbortSignal;
}

/** @throws ContainerError `not-found`, `not-an-image`, `corrupt`, `architecture`, `digest-mismatch`, `usage` (tag). */
export async function openLayoutImage(source: ILayoutSource): Promise<IRemoteImage> {
  const { path, tag } = splitLayout(source.rest, existsSync);
  const place = resolve(path);
  const name = `${source.kind}:${place}${tag === undefined ? '' : `:${tag}`}`;
  if (source.kind === 'oci') {
    return describe(source, { directory: place, place, tag, name, close: () => Promise.resolve() });
  }
  const temporary = await source.store.temporaryDirectory('oci-archive');
  try {
    await unpackLayout(place, temporary.path, source.signal);
    return await describe(source, {
      directory: temporary.path,
      place,
      tag,
      name,
      close: () => temporary.dispose().catch(() => undefined)
    });
  } catch (error) {
    await temporary.dispose().catch(() => undefined);
    throw error;
  }
}

interface IPlace {
  /** The layout itself. */
  readonly directory: string;
  /** What the user named. */
  readonly place: string;
  readonly tag: string | undefined;
  readonly name: string;
  close(): Promise<void>;
}

async function describe(source: ILayoutSource, { directory, place, tag, name, close }: IPlace): Promise<IRemoteImage> {
  const index = parseIndex(await readIndex(directory, place));
  let entry = chooseTag(index.manifests, tag, place);
  let document = parseManifestOrIndex(await readBlob(directory, entry), entry.mediaType);
  if (document.kind === 'index') {
    entry = selectPlatform(document.index, { os: 'linux', machine: source.machine });
    document = parseManifestOrIndex(await readBlob(directory, entry), entry.mediaType);
  }
  if (document.kind === 'index') {
    throw bad('unsupported', `${printable(place)} holds an index of indexes`);
  }
  const { manifest } = document;
  checkLayers(manifest, name);
  const raw = await readBlob(directory, manifest.config);
  return {
    name,
    manifestDigest: entry.digest,
    fileName: layoutSifName(place, tag),
    origin: originOf(raw, { bootstrap: source.kind, from: tag === undefined ? place : `${place}:${tag}` }),
    layerBytes: manifest.layers.reduce((sum, layer) => sum + layer.size, 0),
    fetchBytes: 0,
    fetch: () => new LayoutLayers(directory, manifest.layers),
    close
  };
}

class LayoutLayers implements IFetchedLayers {
  readonly layers;
  readonly #files = new Map<string, Promise<FileHandle>>();

  constructor(directory: string, descriptors: readonly IDescriptor[]) {
    this.layers = descriptors.map(descriptor => {
      const blob = (): Promise<FileHandle> => {
        const file = this.#files.get(descriptor.digest) ?? openBlob(directory, descriptor.digest);
        this.#files.set(descriptor.digest, file);
        return file;
      };
      return layerInFile(descriptor, blob, { verify: true });
    });
  }

  async close(): Promise<void> {
    for (const file of this.#files.values()) {
      await (await file.catch(() => undefined))?.close();
    }
  }
}

async function readIndex(directory: string, place: string): Promise<Buffer> {
  try {
    return await readFile(join(directory, 'index.json'));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) {
      const exists = existsSync(place);
      throw bad(
        exists ? 'not-an-image' : 'not-found',
        exists ? `${printable(place)} is no OCI layout: it has no index.json` : `there is no ${printable(place)}`,
        'Give the layout as oci:DIRECTORY[:TAG], an archive of one as oci-archive:FILE[:TAG]'
      );
    }
    throw asContainerError(error, STEP, `cannot read ${printable(place)}`);
  }
}

function chooseTag(manifests: readonly IIndexEntry[], tag: string | undefined, place: string): IIndexEntry {
  const images = manifests.filter(({ mediaType, platform }) => isIndexType(mediaType) || platform?.os !== 'unknown');
  const named = images.filter(entry => entry.annotations?.[REF_NAME] === tag);
  const [only, ...others] = tag === undefined ? images : named;
  if (only && others.length === 0) {
    return only;
  }
  const tags = images.map(entry => entry.annotations?.[REF_NAME]).filter(name => name !== undefined);
  throw bad(
    tag === undefined ? 'usage' : 'not-found',
    tag === undefined
      ? `${printable(place)} holds ${images.length} images: name one of them`
      : `${printable(place)} holds ${named.length === 0 ? 'no image' : 'several images'} with the tag ${printable(tag)}`,
    tags.length > 0 ? `It has ${printable(tags.join(', '))}` : undefined
  );
}

async function readBlob(directory: string, { digest, size }: Pick<IDescriptor, 'digest' | 'size'>): Promise<Buffer> {
  if (size > MAX_DOCUMENT) {
    throw bad('corrupt', `document ${digest} claims ${size} bytes`);
  }
  const { algorithm, hex } = parseDigest(digest);
  const file = await openBlob(directory, digest);
  try {
    const bytes = Buffer.alloc(size + 1);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    const content = bytes.subarray(0, bytesRead);
    checkBlob(digest, size, bytesRead, createHash(algorithm).update(content).digest('hex') === hex);
    return content;
  } finally {
    await file.close();
  }
}

async function openBlob(directory: string, digest: string): Promise<FileHandle> {
  const { algorithm, hex } = parseDigest(digest);
  try {
    return await open(join(directory, 'blobs', algorithm, hex), 'r');
  } catch (error) {
    throw errnoOf(error) === 'ENOENT'
      ? bad('corrupt', `the layout lacks the blob ${digest}`, 'Copy the whole image into it')
      : asContainerError(error, STEP, `cannot read the blob ${digest}`);
  }
}

/** Takes the files of a layout out of an archive, and nothing else. */
async function unpackLayout(archive: string, directory: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    for await (const { entry, content } of readTar(decompressLayer(createReadStream(archive)))) {
      throwIfCancelled(signal, STEP);
      if (entry.type === 'file' && /^(index\.json|oci-layout|blobs\/(sha256|sha512)\/[0-9a-f]+)$/.test(entry.path)) {
        const path = join(directory, entry.path);
        await mkdir(join(path, '..'), { recursive: true });
        await writeFile(path, content);
      }
    }
  } catch (error) {
    throw asContainerError(error, STEP, `cannot read the archive ${printable(archive)}`);
  }
}

function bad(
  code: 'usage' | 'not-found' | 'not-an-image' | 'corrupt' | 'unsupported',
  message: string,
  fix?: string
): ContainerError {
  return new ContainerError({ code, step: STEP, message, ...(fix !== undefined && { fix }) });
}
