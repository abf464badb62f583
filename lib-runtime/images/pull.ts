// SPDX-License-Identifier: BSD-3-Clause
/** Fetches an image: from a registry, a web server or a layout into one SIF of the user's, or into the store. */
import { lstat, mkdir, stat } from 'node:fs/promises';
import { machine as hostMachine } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { keyOfDigest } from '../store/layout.ts';
import type { IImageRecord, Store } from '../store/store.ts';
import { writeFileAtomic } from '../support/atomic.ts';
import { ContainerError, errnoOf, printable } from '../support/errors.ts';
import type { ProgressListener } from '../support/progress.ts';
import { throwIfCancelled } from './cancel.ts';
import { writeTree } from './directory-sink.ts';
import { openLayoutImage } from './layout-image.ts';
import { identifyImage } from './local-image.ts';
import { treeConfigPath } from './oci-config.ts';
import { actsAsRoot } from './privilege.ts';
import { keepFile, type IRemoteFile } from './remote-file.ts';
import type { IRemoteImage } from './remote-image.ts';
import { openRegistryImage } from './registry-image.ts';
import { writeSif, type SifCompression } from './sif-sink.ts';
import { parseSource } from './source.ts';

/** How an image is to be fetched, whatever for. */
export interface IFetchRequest {
  readonly store: Store;
  /** `uname -m` or Go name of another machine's image; default this machine. */
  readonly machine?: string;
  /** The same under the name of the option (`--arch arm64`). */
  readonly arch?: string;
  /** Plain HTTP (`--no-https`). */
  readonly plainHttp?: boolean;
  readonly credentials?: { readonly username: string; readonly password: string };
  readonly authfile?: string;
  /** Default zstd; gzip for old kernels and squashfuse builds. */
  readonly compression?: SifCompression;
  readonly onProgress?: ProgressListener;
  /** Told what the user should know of the source, once it is asked. */
  readonly onNotice?: (text: string) => void;
  /** Ends the pull: no image and no temporary file is left; ranges of blobs stay for the next try. */
  readonly signal?: AbortSignal;
}

export interface IPullRequest extends IFetchRequest {
  /** `docker://REF`, `oras://REF`, `https://HOST/FILE`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE`. */
  readonly source: string;
  /** Path of the SIF; default Apptainer's name (`alpine_latest.sif`). */
  readonly output?: string;
  /** Directory that a relative or default output is in; default the working directory. */
  readonly directory?: string;
  /** Replace an existing file. */
  readonly force?: boolean;
}

/** SIF bytes per byte of gzip layer, at most, as seen on distributions (zstd: 0.92 to 1.05). */
const SIF_RATIO = 1.1;
/** Unpacked bytes per byte of gzip layer, as seen on distributions (2.4 to 3.2). */
const TREE_RATIO = 3.2;

/**
 * Pulls an image into a SIF file of the user's and records it in the store.
 * @throws ContainerError `exists` without `force`, `usage`, `unsupported`, `no-space`, `cancelled` and those of
 *   registry, layers and writers. No file is left then, and an existing one stays as it is.
 */
export async function pullImage(request: IPullRequest): Promise<IImageRecord> {
  const { onProgress } = request;
  const given = request.output === undefined ? undefined : outputPath(request, request.output);
  if (given !== undefined) {
    await checkOutput(given, request.force);
  }
  onProgress?.({ phase: 'resolve', done: 0, unit: 'bytes' });
  const remote = await openRemote(request.source, request);
  try {
    const output = given ?? outputPath(request, remote.fileName);
    await checkOutput(output, request.force);
    const record =
      'download' in remote ? await keepFile(remote, request, output) : await convert(remote, request, output);
    onProgress?.({ phase: 'done', done: record.sizeBytes, total: record.sizeBytes, unit: 'bytes' });
    return { ...record, path: output };
  } finally {
    await remote.close();
  }
}

/** An image of layers becomes one SIF. */
function convert(remote: IRemoteImage, request: IPullRequest, output: string): Promise<IImageRecord> {
  const { store, signal } = request;
  const key = keyOfDigest(remote.manifestDigest);
  return store.withLock(
    key,
    async () => (await reuse(remote, request, key, output)) ?? (await fetchSif(remote, request, key, output)),
    signal ? { signal } : {}
  );
}

/** Pulls an image into the store, as a SIF or straight as an unpacked tree. @throws ContainerError as pullImage. */
export async function pullIntoStore(
  source: string,
  request: IFetchRequest & { readonly preferTree?: boolean }
): Promise<IImageRecord> {
  const { store, signal } = request;
  const remote = await openRemote(source, request);
  try {
    if ('download' in remote) {
      return await keepFile(remote, request, undefined);
    }
    const key = keyOfDigest(remote.manifestDigest);
    return await store.withLock(
      key,
      async () => {
        const known = await store.findReference(remote.name);
        if (known?.manifestDigest === remote.manifestDigest) {
          return known;
        }
        const present = await store.contentOf(key);
        if (present !== undefined) {
          const { manifestDigest, name: reference } = remote;
          const { path, sizeBytes } = present;
          return store.putReference({ reference, key, manifestDigest, path, sizeBytes });
        }
        return request.preferTree ? fetchTree(remote, request, key) : fetchSif(remote, request, key, undefined);
      },
      signal ? { signal } : {}
    );
  } finally {
    await remote.close();
  }
}

/** Looks an image up at its source. @throws ContainerError `usage` for what is no source to pull from. */
async function openRemote(text: string, request: IFetchRequest): Promise<IRemoteImage | IRemoteFile> {
  const source = parseSource(text);
  const { store, plainHttp, credentials, authfile, signal } = request;
  const network = { ...(plainHttp !== undefined && { plainHttp }), ...(signal && { signal }) };
  const machine = asMachine(request.machine ?? request.arch) ?? hostMachine();
  switch (source.kind) {
    case 'registry':
      return openRegistryImage({
        scheme: source.scheme,
        reference: source.reference,
        text: source.text.slice(`${source.scheme}://`.length),
        machine,
        store,
        registry: {
          ...network,
          ...(credentials && { credentials }),
          ...(authfile !== undefined && { authFile: authfile })
        }
      });
    case 'web': {
      const { openWebImage, plainHttpNotice } = await import('./web-image.ts');
      const notice = plainHttpNotice(source.text);
      if (notice !== undefined) {
        request.onNotice?.(notice);
      }
      return openWebImage(source.address, network);
    }
    case 'docker-archive': {
      const { openDockerArchive } = await import('./docker-archive.ts');
      return openDockerArchive({ rest: source.rest, store, ...(signal && { signal }) });
    }
    case 'oci':
    case 'oci-archive':
      return openLayoutImage({ kind: source.kind, rest: source.rest, machine, store, ...(signal && { signal }) });
    default:
      throw new ContainerError({
        code: 'usage',
        step: 'pull',
        message: `'${printable(text)}' is no source to pull from`,
        reason: source.kind === 'path' ? 'it is a path' : 'it has no scheme',
        fix: source.kind === 'path' ? 'Use the file as it is' : `Write docker://${printable(text)}`
      });
  }
}

const GO_MACHINES: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  '386': 'i686',
  arm64: 'aarch64',
  arm: 'armv7l',
  mipsle: 'mipsel',
  mips64le: 'mips64el',
  loong64: 'loongarch64'
};

function asMachine(name: string | undefined): string | undefined {
  return name === undefined ? undefined : (GO_MACHINES[name] ?? name);
}

function outputPath(request: IPullRequest, name: string): string {
  return resolve(request.directory ?? '.', name);
}

async function checkOutput(output: string, force: boolean | undefined): Promise<void> {
  const present = await lstat(output).catch(() => undefined);
  if (present?.isDirectory()) {
    throw new ContainerError({
      code: 'exists',
      step: 'pull',
      message: `${printable(output)} is a directory`,
      fix: 'Give the name of a file, or --dir for a directory'
    });
  }
  if (present && !force) {
    throw new ContainerError({
      code: 'exists',
      step: 'pull',
      message: `${printable(output)} exists already`,
      fix: 'Use --force to replace it, or give another name'
    });
  }
  const parent = await stat(dirname(output)).catch((error: unknown) => errnoOf(error) ?? 'ENOENT');
  if (typeof parent === 'string' || !parent.isDirectory()) {
    throw new ContainerError({
      code: 'not-found',
      step: 'pull',
      message: `the directory ${printable(dirname(output))} does not exist`,
      fix: 'Make it first'
    });
  }
}

/** The same image, pulled before under this or another name with the same compression: the file is shared. */
async function reuse(
  { name: reference, manifestDigest }: IRemoteImage,
  request: IPullRequest,
  key: string,
  output: string
): Promise<IImageRecord | undefined> {
  const { store, compression = 'zstd' } = request;
  const present = await store.contentOf(key);
  if (present === undefined) {
    return undefined;
  }
  const { source } = await identifyImage(present.path, store);
  if (source.kind !== 'squashfs' || source.compression !== compression) {
    return undefined;
  }
  const { force: overwrite = false, signal } = request;
  const known = await store.findReference(reference);
  const record =
    known?.path === present.path
      ? known
      : await store.putReference({ reference, key, manifestDigest, path: present.path });
  // Last: whatever fails, nothing is left where the user looks.
  await store.exportImage(key, output, { overwrite, ...(signal && { signal }) });
  return record;
}

/** Fetches and converts. With an output on another file system the SIF is written there and not kept in the store. */
async function fetchSif(
  remote: IRemoteImage,
  request: IFetchRequest & { readonly force?: boolean },
  key: string,
  output: string | undefined
): Promise<IImageRecord> {
  const { store, compression = 'zstd', signal } = request;
  const direct = output !== undefined && !(await sameDisk(dirname(output), store.home));
  const sifBytes = Math.ceil(remote.layerBytes * SIF_RATIO);
  await store.assertSpace(remote.fetchBytes + (direct ? 0 : sifBytes), `the image ${remote.name}`);
  if (direct) {
    await store.assertSpace(sifBytes, `the image ${remote.name}`, dirname(output));
  }
  const temporary = await store.temporaryDirectory('pull');
  try {
    const place = direct ? output : join(temporary.path, basename(store.imagePath(key)));
    await withLayers(remote, request, async conversion => {
      await writeSif(place, { ...conversion, compression });
    });
    throwIfCancelled(signal, 'pull');
    const reference = { reference: remote.name, key, manifestDigest: remote.manifestDigest };
    if (direct) {
      return await store.putReference({ ...reference, path: place });
    }
    const record = await store.putReference({ ...reference, path: await store.placeImage(place, key) });
    if (output !== undefined) {
      await store.exportImage(key, output, { overwrite: request.force ?? false });
    }
    return record;
  } finally {
    // What cannot be removed now is swept by a later start.
    await temporary.dispose().catch(() => undefined);
  }
}

async function fetchTree(remote: IRemoteImage, request: IFetchRequest, key: string): Promise<IImageRecord> {
  const { store } = request;
  const what = `the unpacked image ${remote.name}`;
  await store.assertSpace(remote.fetchBytes, what);
  await store.assertSpace(Math.ceil(remote.layerBytes * TREE_RATIO), what, store.treesDirectory);
  const temporary = await store.temporaryDirectory('unpack', { near: 'trees' });
  try {
    const tree = join(temporary.path, 'tree');
    const sizeBytes = await withLayers(remote, request, async conversion => {
      const { bytes } = await writeTree(tree, conversion, { asRoot: actsAsRoot() });
      return bytes;
    });
    throwIfCancelled(request.signal, 'pull');
    const config = treeConfigPath(store, key);
    await mkdir(dirname(config), { recursive: true, mode: 0o700 });
    await writeFileAtomic(config, JSON.stringify(remote.origin.config));
    const path = await store.placeTree(tree, key, 'plain');
    const { name, manifestDigest } = remote;
    return await store.putReference({ reference: name, key, manifestDigest, path, sizeBytes });
  } finally {
    // What cannot be removed now is swept by a later start.
    await temporary.dispose().catch(() => undefined);
  }
}

type Conversion = Parameters<typeof writeTree>[1];

/** Runs a conversion while the layers come in; a failure of either side ends the other. */
async function withLayers<T>(
  remote: IRemoteImage,
  request: IFetchRequest,
  convert: (conversion: Conversion) => Promise<T>
): Promise<T> {
  const { onProgress, signal } = request;
  const never = new AbortController();
  const layers = remote.fetch({ signal: signal ?? never.signal, ...(onProgress && { onProgress }) });
  let finished = false;
  try {
    const result = await convert({
      layers: layers.layers,
      origin: remote.origin,
      ...(onProgress && { onProgress }),
      ...(signal && { signal })
    });
    finished = true;
    return result;
  } finally {
    await layers.close(finished);
  }
}

async function sameDisk(first: string, second: string): Promise<boolean> {
  return (await stat(first)).dev === (await stat(second)).dev;
}
