// SPDX-License-Identifier: BSD-3-Clause
/** What the user names -> an image on this machine, fetched first where that is meant. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IImageRecord } from '../store/store.ts';
import { ContainerError, printable } from '../support/errors.ts';
import { identifyImage, type ILocalImage } from './local-image.ts';
import { parseOciConfig, treeConfigPath } from './oci-config.ts';
import type { IFetchRequest } from './pull.ts';
import { parseSource } from './source.ts';

export interface IOpenOptions extends IFetchRequest {
  /** False: only what is here already. */
  readonly pull?: boolean;
  /** What has to be fetched goes straight into an unpacked tree: for hosts that cannot mount a SIF. */
  readonly preferTree?: boolean;
}

/**
 * Opens a path, a name that the store knows, or a reference; a reference that the store does not have is pulled.
 * @throws ContainerError `not-found`, `not-an-image`, `unsupported`, `usage` and those of pullImage.
 */
export async function openImage(text: string, options: IOpenOptions): Promise<ILocalImage> {
  const { store } = options;
  const source = parseSource(text);
  switch (source.kind) {
    case 'path':
      return identifyImage(source.path, store, text);
    case 'name':
      return existsSync(text)
        ? identifyImage(text, store, text)
        : openRecord(await findName(text, options), text, options);
    case 'registry':
    case 'web': {
      // What is here is taken as it is, without asking: only a pull looks for a newer one.
      const known = await store.findReference(source.text);
      // An address may hold a password: it serves to fetch, and is shown nowhere.
      const [name, address] = source.kind === 'web' ? [source.text, source.address] : [text, source.text];
      return openRecord(known ?? (await fetch(address, options, name)), name, options);
    }
    default:
      // A layout may have been written anew: its manifest is cheap to look at.
      return openRecord(await fetch(text, options), text, options);
  }
}

async function findName(text: string, { store }: IOpenOptions): Promise<IImageRecord> {
  try {
    return await store.resolveImage(text);
  } catch (error) {
    if (error instanceof ContainerError && error.code === 'not-found') {
      throw new ContainerError({
        code: 'not-found',
        step: 'find image',
        message: `there is no file ${printable(text)} and no pulled image of that name`,
        fix: `Check the spelling, or write docker://${printable(text)} to fetch it from Docker Hub`,
        cause: error
      });
    }
    throw error;
  }
}

async function fetch(text: string, options: IOpenOptions, name: string = text): Promise<IImageRecord> {
  if (options.pull === false) {
    throw new ContainerError({
      code: 'not-found',
      step: 'find image',
      message: `${printable(name)} has not been pulled to this machine`,
      fix: `Run nbcontainer pull ${printable(name)}`
    });
  }
  // Loaded when needed: most starts find their image here, and the registry's side is most of the code.
  const { pullIntoStore } = await import('./pull.ts');
  return pullIntoStore(text, options);
}

/** A record of a tree has no SIF to read the configuration from. */
async function openRecord(record: IImageRecord, name: string, { store }: IOpenOptions): Promise<ILocalImage> {
  const image = await identifyImage(record.path, store, name);
  if (image.source.kind !== 'directory') {
    return { ...image, key: record.key };
  }
  const text = await readFile(treeConfigPath(store, record.key), 'utf8').catch(() => undefined);
  const config = text === undefined ? undefined : parseOciConfig(text);
  return { ...image, key: record.key, ...(config && { config }) };
}
