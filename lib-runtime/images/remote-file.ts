// SPDX-License-Identifier: BSD-3-Clause
/** An image that is one file at its source already (on a web server, as an ORAS artifact): it is kept as it is. */
import { chmod, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { keyOfDigest } from '../store/layout.ts';
import type { IImageRecord, Store } from '../store/store.ts';
import { shareFile } from '../store/files.ts';
import { ContainerError, printable } from '../support/errors.ts';
import type { ProgressListener } from '../support/progress.ts';
import { throwIfCancelled } from './cancel.ts';
import { identifyImage } from './local-image.ts';

export interface IRemoteFile {
  /** Under which the store knows the image: `oras://...`, `https://...`. */
  readonly name: string;
  /** The name for messages: without what may be a secret. */
  readonly shown: string;
  /** Default name of a pulled file; empty where the source does not tell one. */
  readonly fileName: string;
  /** Bytes, where the source tells them. */
  readonly size: number | undefined;
  /** A digest that names the file while it is fetched: of its content, or of its address. */
  readonly digest: string;
  readonly manifestDigest?: string;
  /**
   * Which version a source without digests has; it may be another one after the download. Undefined when nothing tells
   * versions apart.
   */
  readonly version: () => string | undefined;
  /** Fetches to a path, going on where an earlier try stopped. @returns the sha256 digest of the content */
  download(path: string, onProgress: ProgressListener | undefined): Promise<string>;
  close(): Promise<void>;
}

export interface IKeepRequest {
  readonly store: Store;
  readonly force?: boolean;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

/**
 * Fetches the file unless the store has this version of it, and records it.
 * @param output path of the user's own file; without one the image lies in the store alone.
 * @throws ContainerError `no-space`, `exists`, `not-an-image`, `truncated`, `cancelled` and those of the source.
 *   Nothing but what serves to go on later is left then.
 */
export async function keepFile(
  remote: IRemoteFile,
  request: IKeepRequest,
  output: string | undefined
): Promise<IImageRecord> {
  const { store, signal } = request;
  const lock = signal ? { signal } : {};
  return store.withLock(
    remote.digest,
    async () => (await reuse(remote, request, output)) ?? (await fetchFile(remote, request, output)),
    lock
  );
}

/** This very version, fetched before, or the same content under another name: nothing is fetched. */
async function reuse(
  remote: IRemoteFile,
  { store, force: overwrite = false, signal }: IKeepRequest,
  output: string | undefined
): Promise<IImageRecord | undefined> {
  const known = await store.findReference(remote.name);
  const { manifestDigest } = remote;
  const version = remote.version();
  const same =
    manifestDigest === undefined
      ? version !== undefined && known?.version === version
      : known?.manifestDigest === manifestDigest;
  const share = async (path: string): Promise<void> =>
    output === undefined ? undefined : shareFile(path, output, { overwrite, ...(signal && { signal }) });
  if (known === undefined || !same) {
    // The digest of an address is never one of a content.
    const key = keyOfDigest(remote.digest);
    const path = store.imagePath(key);
    if ((await store.contentOf(key))?.path !== path) {
      return undefined;
    }
    const entry = { reference: remote.name, key, ...(manifestDigest && { manifestDigest }), path };
    const record = await store.putReference(entry);
    await share(path);
    return record;
  }
  await share(known.path);
  return known;
}

async function fetchFile(
  remote: IRemoteFile,
  { store, force: overwrite = false, onProgress, signal }: IKeepRequest,
  output: string | undefined
): Promise<IImageRecord> {
  const what = `the image ${remote.shown}`;
  const elsewhere = output !== undefined && (await stat(dirname(output))).dev !== (await stat(store.home)).dev;
  await store.assertSpace(remote.size ?? 0, what);
  if (elsewhere) {
    await store.assertSpace(remote.size ?? 0, what, dirname(output));
  }
  const path = store.blobPath(remote.digest);
  try {
    const digest = await remote.download(path, onProgress);
    throwIfCancelled(signal, 'pull');
    await checkImage(path, remote, store);
    // As Apptainer's images: they can be executed.
    await chmod(path, 0o777 & ~process.umask());
    const key = keyOfDigest(digest);
    const version = remote.version();
    const { name: reference, manifestDigest } = remote;
    const entry = {
      reference,
      key,
      ...(manifestDigest && { manifestDigest }),
      ...(version !== undefined && { version })
    };
    const place = async (): Promise<IImageRecord> => {
      if (elsewhere) {
        await shareFile(path, output, { overwrite, ...(signal && { signal }) });
        return store.putReference({ ...entry, path: output });
      }
      // The same content under another name is there: its file stays, others may know it by its inode.
      const stored = store.imagePath(key);
      const present = (await store.contentOf(key))?.path === stored;
      const kept = present ? stored : await store.placeImage(path, key);
      const record = await store.putReference({ ...entry, path: kept });
      // Last: whatever fails, nothing is left where the user looks.
      if (output !== undefined) {
        await store.exportImage(key, output, { overwrite, ...(signal && { signal }) });
      }
      return record;
    };
    return await (remote.digest === digest ? place() : store.withLock(digest, place, signal ? { signal } : {}));
  } finally {
    // Finished and not taken, or no image: what is unfinished has another name and stays.
    await rm(path, { force: true });
  }
}

/** What came whole and is no image all the same is told by its source, not by where it lies for a moment. */
async function checkImage(path: string, { shown }: IRemoteFile, store: Store): Promise<void> {
  try {
    await identifyImage(path, store);
  } catch (error) {
    if (!(error instanceof ContainerError)) {
      throw error;
    }
    throw new ContainerError({
      ...error.toJSON(),
      step: 'pull',
      message: error.message.replaceAll(path, printable(shown)),
      fix:
        error.code === 'unsupported' && error.fix
          ? error.fix
          : 'Check the name; if it is right, the file is damaged at its source',
      cause: error
    });
  }
}
