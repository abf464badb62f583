// SPDX-License-Identifier: BSD-3-Clause
/** images: what was pulled to this machine. */
import { openStore } from '../../store/store.ts';
import { formatBytes, formatTable, print } from '../output.ts';

export async function imagesCommand(values: { readonly json?: boolean }): Promise<number> {
  const store = await openStore();
  const images = await store.images();
  if (values.json) {
    print(JSON.stringify({ images }, null, 2));
    return 0;
  }
  if (images.length === 0) {
    print('No images yet. Fetch one: nbcontainer pull docker://alpine');
    return 0;
  }
  const rows = images.map(image => [
    image.name,
    image.manifestDigest?.replace(/^sha256:/, '').slice(0, 12) ?? '-',
    formatBytes(image.sizeBytes),
    image.createdAt.slice(0, 16).replace('T', ' '),
    image.path
  ]);
  print(formatTable([['NAME', 'DIGEST', 'SIZE', 'PULLED', 'PATH'], ...rows]));
  return 0;
}
