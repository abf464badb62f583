// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writes small OCI image layouts (OCI image-spec v1.1, image-layout.md) for tests, without network or tools: what
 * `skopeo`, `umoci` and our own readers take as `oci:DIR:TAG`.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { pack } from 'tar-stream';
import type { Pack } from 'tar-stream';

/** One tar entry. `content` given means a file, `linkname` a symlink unless `type` says otherwise. */
export interface ILayerEntry {
  readonly name: string;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'character-device' | 'block-device' | 'fifo';
  readonly content?: string | Uint8Array;
  readonly linkname?: string;
  /** Default 0755 for directories and executables named under bin/, 0644 otherwise. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly uname?: string;
  readonly gname?: string;
  /** Seconds since the epoch; default 1700000000, so that layers are reproducible. */
  readonly mtime?: number;
  readonly devmajor?: number;
  readonly devminor?: number;
  /** Extra pax records, for example `SCHILY.xattr.user.a`. */
  readonly pax?: Readonly<Record<string, string>>;
}

export type LayerCompression = 'gzip' | 'zstd' | 'none';

export interface ILayer {
  readonly entries?: readonly ILayerEntry[];
  /** A finished tar instead of entries (made by GNU tar, damaged on purpose ...). */
  readonly tar?: Uint8Array;
  readonly compression?: LayerCompression;
}

export interface IPlatform {
  readonly os?: string;
  readonly architecture?: string;
  readonly variant?: string;
}

export interface IImageContent {
  readonly layers: readonly ILayer[];
  /** The `config` object of the image configuration: Env, Entrypoint, Cmd, WorkingDir, User, Labels. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly platform?: IPlatform;
  readonly mediaTypes?: 'oci' | 'docker';
  /** Of layers that do not say; default gzip. */
  readonly compression?: LayerCompression;
}

export interface IOciLayoutOptions extends IImageContent {
  /** `org.opencontainers.image.ref.name`; default `latest`. */
  readonly tag?: string;
}

export interface IDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: Required<Pick<IPlatform, 'os' | 'architecture'>> & { readonly variant?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface IWrittenImage {
  readonly directory: string;
  readonly tag: string;
  readonly manifest: IDescriptor;
  readonly config: IDescriptor;
  readonly layers: readonly IDescriptor[];
}

const OCI = 'application/vnd.oci.image';
const DOCKER = 'application/vnd.docker';
const MEDIA_TYPES = {
  oci: {
    manifest: `${OCI}.manifest.v1+json`,
    index: `${OCI}.index.v1+json`,
    config: `${OCI}.config.v1+json`,
    layer: { none: `${OCI}.layer.v1.tar`, gzip: `${OCI}.layer.v1.tar+gzip`, zstd: `${OCI}.layer.v1.tar+zstd` }
  },
  docker: {
    manifest: `${DOCKER}.distribution.manifest.v2+json`,
    index: `${DOCKER}.distribution.manifest.list.v2+json`,
    config: `${DOCKER}.container.image.v1+json`,
    layer: {
      none: `${DOCKER}.image.rootfs.diff.tar`,
      gzip: `${DOCKER}.image.rootfs.diff.tar.gzip`,
      zstd: `${DOCKER}.image.rootfs.diff.tar.zstd`
    }
  }
} as const;

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Packs entries into an uncompressed tar (pax where needed). */
export async function makeTar(entries: readonly ILayerEntry[]): Promise<Buffer> {
  const archive = pack();
  const chunks: Buffer[] = [];
  const collected = (async () => {
    for await (const chunk of archive) {
      chunks.push(chunk as Buffer);
    }
  })();
  for (const entry of entries) {
    await new Promise<void>((resolve, reject) => {
      const content = typeof entry.content === 'string' ? Buffer.from(entry.content) : entry.content;
      const type =
        entry.type ?? (content !== undefined ? 'file' : entry.linkname !== undefined ? 'symlink' : 'directory');
      const executable = type === 'directory' || /(^|\/)s?bin\//.test(entry.name);
      const header: Parameters<Pack['entry']>[0] = {
        name: entry.name,
        type,
        mode: entry.mode ?? (type === 'symlink' ? 0o777 : executable ? 0o755 : 0o644),
        uid: entry.uid ?? 0,
        gid: entry.gid ?? 0,
        uname: entry.uname ?? '',
        gname: entry.gname ?? '',
        mtime: new Date((entry.mtime ?? 1_700_000_000) * 1000),
        ...(entry.linkname !== undefined && { linkname: entry.linkname }),
        ...(entry.devmajor !== undefined && { devmajor: entry.devmajor }),
        ...(entry.devminor !== undefined && { devminor: entry.devminor }),
        ...(entry.pax !== undefined && { pax: { ...entry.pax } })
      };
      const done = (error?: Error | null) => (error ? reject(error) : resolve());
      if (type === 'file') {
        archive.entry(header, Buffer.from(content ?? ''), done);
      } else {
        archive.entry(header, done);
      }
    });
  }
  archive.finalize();
  await collected;
  return Buffer.concat(chunks);
}

function compress(tar: Uint8Array, compression: LayerCompression): Buffer {
  switch (compression) {
    case 'gzip':
      return gzipSync(tar, { level: 6 });
    case 'zstd':
      return zstdCompressSync(tar);
    case 'none':
      return Buffer.from(tar);
  }
}

async function putBlob(directory: string, bytes: Uint8Array, mediaType: string): Promise<IDescriptor> {
  const digest = sha256(bytes);
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true });
  await writeFile(join(directory, 'blobs', 'sha256', digest.slice(7)), bytes);
  return { mediaType, digest, size: bytes.length };
}

async function putImage(directory: string, image: IImageContent): Promise<Omit<IWrittenImage, 'directory' | 'tag'>> {
  const types = MEDIA_TYPES[image.mediaTypes ?? 'oci'];
  const platform = {
    os: image.platform?.os ?? 'linux',
    architecture: image.platform?.architecture ?? 'amd64',
    ...(image.platform?.variant !== undefined && { variant: image.platform.variant })
  };
  const layers: IDescriptor[] = [];
  const diffIds: string[] = [];
  for (const layer of image.layers) {
    const compression = layer.compression ?? image.compression ?? 'gzip';
    const tar = layer.tar ?? (await makeTar(layer.entries ?? []));
    diffIds.push(sha256(tar));
    layers.push(await putBlob(directory, compress(tar, compression), types.layer[compression]));
  }
  const configBytes = Buffer.from(
    JSON.stringify({
      created: '2023-11-14T22:13:20Z',
      ...platform,
      config: image.config ?? {},
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: diffIds.map(() => ({ created: '2023-11-14T22:13:20Z', created_by: 'nbcontainer tests' }))
    })
  );
  const config = await putBlob(directory, configBytes, types.config);
  const manifestBytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: types.manifest, config, layers }));
  const manifest = { ...(await putBlob(directory, manifestBytes, types.manifest)), platform };
  return { manifest, config, layers };
}

async function putTag(directory: string, descriptor: IDescriptor, tag: string): Promise<void> {
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const path = join(directory, 'index.json');
  let manifests: IDescriptor[] = [];
  try {
    manifests = (JSON.parse(await readFile(path, 'utf8')) as { manifests: IDescriptor[] }).manifests;
  } catch {
    // The first image of this layout.
  }
  const name = 'org.opencontainers.image.ref.name';
  manifests = manifests.filter(other => other.annotations?.[name] !== tag);
  manifests.push({ ...descriptor, annotations: { ...descriptor.annotations, [name]: tag } });
  await writeFile(path, JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.oci.index, manifests }));
}

/** Writes one image into the layout at `directory` (made when absent; other tags in it are kept). */
export async function writeOciLayout(directory: string, options: IOciLayoutOptions): Promise<IWrittenImage> {
  const tag = options.tag ?? 'latest';
  const image = await putImage(directory, options);
  await putTag(directory, image.manifest, tag);
  return { directory, tag, ...image };
}

/** Writes a multi-platform image: an index (or Docker manifest list) whose manifests are `images`. */
export async function writeOciIndex(
  directory: string,
  images: readonly IImageContent[],
  options: { readonly tag?: string; readonly mediaTypes?: 'oci' | 'docker' } = {}
): Promise<{ directory: string; tag: string; index: IDescriptor; images: Omit<IWrittenImage, 'directory' | 'tag'>[] }> {
  const tag = options.tag ?? 'latest';
  const mediaTypes = options.mediaTypes ?? 'oci';
  const written: Omit<IWrittenImage, 'directory' | 'tag'>[] = [];
  for (const image of images) {
    written.push(await putImage(directory, { mediaTypes, ...image }));
  }
  const mediaType = MEDIA_TYPES[mediaTypes].index;
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType, manifests: written.map(image => image.manifest) })
  );
  const index = await putBlob(directory, bytes, mediaType);
  await putTag(directory, index, tag);
  return { directory, tag, index, images: written };
}
