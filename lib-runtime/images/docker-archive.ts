// SPDX-License-Identifier: BSD-3-Clause
/**
 * An image in the archive that `docker save`, `podman save` and `skopeo copy ... docker-archive:` write: `manifest.json`
 * names configuration and layers of each image (Docker image spec v1.2, "Combined Image JSON + Filesystem Changeset
 * Format"; since Docker 25 the named files are the blobs of an OCI layout).
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { open, readFile, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { join, posix, resolve } from 'node:path';
import { z } from 'zod';
import { parseImageConfig } from '../formats/oci/documents.ts';
import { decompressLayer } from '../formats/tar/decompress.ts';
import { readTar } from '../formats/tar/reader.ts';
import { formatReference, parseReference } from '../registry/reference.ts';
import type { Store } from '../store/store.ts';
import { asContainerError, ContainerError, messageOf, printable, type ErrorCode } from '../support/errors.ts';
import { throwIfCancelled } from './cancel.ts';
import { originOf, plainLayerInFile, type IFetchedLayers, type IRemoteImage } from './remote-image.ts';
import { layoutSifName, splitArchive } from './source.ts';

const STEP = 'read archive';
/** Documents are read into memory. */
const MAX_DOCUMENT = 16 << 20;
/** Of links within the archive. */
const MAX_LINKS = 8;

/** One image of an archive, as `manifest.json` lists it. */
export interface ISavedImage {
  /** Path of the configuration in the archive. */
  readonly config: string;
  /** Names that it was saved under: `ubuntu:24.04`. */
  readonly tags: readonly string[];
  /** Paths of the layers in the archive, bottom to top. */
  readonly layers: readonly string[];
}

const savedImages = z.array(
  z.object({
    Config: z.string().min(1),
    RepoTags: z.array(z.string()).nullish(),
    Layers: z.array(z.string().min(1)).max(1024).nullish()
  })
);

/** @throws ContainerError `corrupt` when the text is no `manifest.json` of a saved image. */
export function parseSavedImages(text: string): readonly ISavedImage[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw bad('corrupt', `the archive's manifest.json is no JSON: ${messageOf(error)}`);
  }
  const { success, data } = savedImages.safeParse(document);
  if (!success) {
    throw bad('corrupt', "the archive's manifest.json does not list images");
  }
  return data.map(({ Config, RepoTags, Layers }) => ({ config: Config, tags: RepoTags ?? [], layers: Layers ?? [] }));
}

/**
 * The image that the user means: by its name (`ubuntu` is `docker.io/library/ubuntu:latest`), by its place (`@0`), or
 * the only one.
 * @throws ContainerError `usage` where there is a choice, `not-found` for another name, `corrupt` for an empty list.
 */
export function chooseSavedImage(images: readonly ISavedImage[], wanted: string | undefined): ISavedImage {
  const names = images.flatMap(({ tags }) => tags);
  const fix = names.length > 0 ? `It has ${printable(names.join(', '))}` : 'Its images have no name: write FILE:@0';
  if (wanted === undefined) {
    const [only, ...others] = images;
    if (only === undefined) {
      throw bad('corrupt', 'the archive holds no image');
    }
    if (others.length > 0) {
      throw bad('usage', `the archive holds ${images.length} images: name one of them`, fix);
    }
    return only;
  }
  const place = /^@(\d{1,6})$/.exec(wanted)?.[1];
  const name = place === undefined ? formatReference(parseReference(wanted)) : undefined;
  const found =
    place === undefined ? images.find(({ tags }) => tags.some(tag => fullName(tag) === name)) : images[Number(place)];
  if (found === undefined) {
    throw bad('not-found', `the archive holds no image ${printable(wanted)}`, fix);
  }
  return found;
}

function fullName(tag: string): string | undefined {
  try {
    return formatReference(parseReference(tag));
  } catch {
    return undefined;
  }
}

export interface IDockerArchiveSource {
  /** `FILE[:NAME[:TAG]]` or `FILE:@PLACE`. */
  readonly rest: string;
  readonly store: Store;
  readonly signal?: AbortSignal;
}

/**
 * Takes the archive apart in the store's temporary directory; `close` removes that. The image is known by its id, the
 * digest of its configuration, and each layer is held to the digest that the configuration has of it.
 * @throws ContainerError `not-found`, `not-an-image`, `corrupt`, `usage` (name), `no-space`, `cancelled`.
 */
export async function openDockerArchive(source: IDockerArchiveSource): Promise<IRemoteImage> {
  const { store, signal } = source;
  const { path, tag } = splitArchive(source.rest, existsSync);
  const place = resolve(path);
  const file = await stat(place).catch((error: unknown) => {
    throw asContainerError(error, STEP, `cannot read the archive ${printable(place)}`);
  });
  if (!file.isFile()) {
    throw bad('not-an-image', `${printable(place)} is no file`, 'Give the file that docker save wrote');
  }
  await store.assertSpace(file.size, `the archive ${printable(place)}`);
  const temporary = await store.temporaryDirectory('docker-archive');
  try {
    const archive = await takeApart(place, temporary.path, signal);
    return await describe({ archive, place, tag, close: () => temporary.dispose().catch(() => undefined) });
  } catch (error) {
    await temporary.dispose().catch(() => undefined);
    throw error;
  }
}

/** What an archive holds, by path. */
interface IArchive {
  readonly files: ReadonlyMap<string, { readonly path: string; readonly size: number }>;
  /** Links of either kind; older Dockers write a layer that two images share once. */
  readonly links: ReadonlyMap<string, string>;
}

/** Writes each file under a number, so that no name of the archive becomes a path. */
async function takeApart(archive: string, directory: string, signal: AbortSignal | undefined): Promise<IArchive> {
  const files = new Map<string, { path: string; size: number }>();
  const links = new Map<string, string>();
  try {
    for await (const { entry, content } of readTar(decompressLayer(createReadStream(archive)))) {
      throwIfCancelled(signal, STEP);
      if (entry.type === 'file') {
        const path = join(directory, String(files.size));
        await writeFile(path, content);
        files.set(entry.path, { path, size: entry.size });
      } else if (entry.type === 'hardlink') {
        links.set(entry.path, entry.linkTarget ?? '');
      } else if (entry.type === 'symlink') {
        links.set(entry.path, posix.join(posix.dirname(entry.path), entry.linkTarget ?? ''));
      }
    }
  } catch (error) {
    throw asContainerError(error, STEP, `cannot read the archive ${printable(archive)}`);
  }
  return { files, links };
}

function fileOf({ files, links }: IArchive, name: string): { readonly path: string; readonly size: number } {
  let at = posix.normalize(name);
  for (let followed = 0; followed < MAX_LINKS && !files.has(at); followed++) {
    at = links.get(at) ?? at;
  }
  const file = files.get(at);
  if (file === undefined) {
    throw bad('corrupt', `the archive lacks ${printable(name)}`, 'Save the image again');
  }
  return file;
}

async function document(archive: IArchive, name: string): Promise<Buffer> {
  const { path, size } = fileOf(archive, name);
  if (size > MAX_DOCUMENT) {
    throw bad('corrupt', `${printable(name)} in the archive has ${size} bytes`);
  }
  return readFile(path);
}

interface IOpened {
  readonly archive: IArchive;
  readonly place: string;
  readonly tag: string | undefined;
  close(): Promise<void>;
}

async function describe({ archive, place, tag, close }: IOpened): Promise<IRemoteImage> {
  if (!archive.files.has('manifest.json')) {
    const isLayout = archive.files.has('index.json');
    throw bad(
      'not-an-image',
      `${printable(place)} is not what docker save writes: it has no manifest.json`,
      isLayout ? `It holds an OCI layout: write oci-archive:${printable(place)}` : undefined
    );
  }
  const image = chooseSavedImage(parseSavedImages((await document(archive, 'manifest.json')).toString()), tag);
  const raw = await document(archive, image.config);
  const { diffIds } = parseImageConfig(raw).rootfs;
  if (diffIds.length !== image.layers.length) {
    throw bad('corrupt', `the image has ${image.layers.length} layers, its configuration names ${diffIds.length}`);
  }
  const layers = image.layers.map((name, at) => ({ ...fileOf(archive, name), diffId: diffIds[at] ?? '' }));
  return {
    name: `docker-archive:${place}${tag === undefined ? '' : `:${tag}`}`,
    manifestDigest: `sha256:${createHash('sha256').update(raw).digest('hex')}`,
    fileName: layoutSifName(place, tag),
    origin: originOf(raw, { bootstrap: 'docker-archive', from: tag === undefined ? place : `${place}:${tag}` }),
    layerBytes: layers.reduce((sum, { size }) => sum + size, 0),
    fetchBytes: 0,
    fetch: () => savedLayers(layers),
    close
  };
}

function savedLayers(saved: readonly { readonly path: string; readonly diffId: string }[]): IFetchedLayers {
  const files = new Map<string, Promise<FileHandle>>();
  const openOnce = (path: string): Promise<FileHandle> => {
    const file = files.get(path) ?? open(path, 'r');
    files.set(path, file);
    return file;
  };
  return {
    layers: saved.map(({ path, diffId }) => plainLayerInFile(diffId, () => openOnce(path))),
    close: async () => {
      for (const file of files.values()) {
        await (await file.catch(() => undefined))?.close();
      }
    }
  };
}

function bad(code: ErrorCode, message: string, fix?: string): ContainerError {
  return new ContainerError({ code, step: STEP, message, ...(fix !== undefined && { fix }) });
}
