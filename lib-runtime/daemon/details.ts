// SPDX-License-Identifier: BSD-3-Clause
/** What an image says of itself, for the panel: nothing is downloaded or started. */
import { stat } from 'node:fs/promises';
import type { ImageDetails } from '../api/schema.ts';
import { inspectImage } from '../images/inspect.ts';
import { openImage } from '../images/open.ts';
import { openStore } from '../store/store.ts';

/**
 * @param name a path, a name that the store knows (also its key), or a reference that was pulled
 * @throws ContainerError `not-found` for an image that is not on this machine
 */
export async function imageDetails(name: string): Promise<ImageDetails> {
  const store = await openStore();
  const records = await store.images();
  // A list shows keys; they are names here, too.
  const listed = records.find(record => record.key === name);
  const image = await openImage(listed?.path ?? name, { store, pull: false });
  const { attributes } = await inspectImage(image);
  const record = listed ?? records.find(each => each.path === image.path);
  const status = await stat(image.path);
  const sizeBytes = record?.sizeBytes ?? (status.isFile() ? status.size : undefined);
  const architecture = image.sif?.header.arch;
  const text = (key: 'runscript' | 'helpfile' | 'deffile'): Partial<ImageDetails> => {
    const value = attributes[key];
    return value ? { [key]: value } : {};
  };
  return {
    name: record?.name ?? image.name,
    path: image.path,
    ...(record?.manifestDigest !== undefined && { manifestDigest: record.manifestDigest }),
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(architecture !== undefined && architecture !== 'unknown' && { architecture }),
    labels: { ...attributes.labels },
    ...text('runscript'),
    ...text('helpfile'),
    ...text('deffile')
  };
}
