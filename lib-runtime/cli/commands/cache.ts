// SPDX-License-Identifier: BSD-3-Clause
/** cache list, cache clean: our store in the words of Apptainer. A user's own files are no part of it. */
import { createInterface } from 'node:readline/promises';
import { collectGarbage, type IGarbage } from '../../store/garbage.ts';
import { type IImageRecord, openStore } from '../../store/store.ts';
import { ContainerError, OWN_FAILURE } from '../../support/errors.ts';
import { fatal, formatBytes, formatTable, info, print } from '../output.ts';

interface ICacheValues {
  readonly type?: string;
  readonly verbose?: boolean;
  readonly days?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

/** Apptainer's kinds of cache entry; an image of ours is of one of three: see kindOf. */
const TYPES = ['library', 'oci', 'shub', 'blob', 'net', 'oras', 'all'];
const DAY_MS = 24 * 60 * 60 * 1000;

/** What the store holds and how much of the disk it takes. */
export async function cacheListCommand(values: ICacheValues): Promise<number> {
  const images = await cached(values.type);
  if (values.verbose) {
    const rows = images.map(({ name, createdAt, sizeBytes }) => [
      name,
      createdAt.slice(0, 19).replace('T', ' '),
      formatBytes(sizeBytes),
      kindOf(name) === 'oci' ? 'oci-tmp' : kindOf(name)
    ]);
    print(formatTable([['NAME', 'DATE CREATED', 'SIZE', 'TYPE'], ...rows]));
    print('');
  }
  const total = images.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const { blobs, bytes } = await garbage(values.type, { dryRun: true });
  print(
    `There are ${images.length} container file(s) using ${formatBytes(total)} ` +
      `and ${blobs} oci blob file(s) using ${formatBytes(bytes)} of space`
  );
  print(`Total space used: ${formatBytes(total + bytes)}`);
  return 0;
}

/** Removes what the store holds; one image that is in use does not keep the others. */
export async function cacheCleanCommand(values: ICacheValues): Promise<number> {
  const days = values.days === undefined ? 0 : Number(values.days);
  if (!Number.isInteger(days) || days < 0) {
    throw usage(`--days "${values.days}" is no number of days`, 'Write --days 30');
  }
  const before = Date.now() - days * DAY_MS;
  const images = (await cached(values.type)).filter(({ createdAt }) => days === 0 || Date.parse(createdAt) < before);
  const olderThan = days * DAY_MS;
  const left = await garbage(values.type, { olderThan, dryRun: true });
  const isLeft = left.blobs + left.trees > 0;
  if (values.dryRun) {
    images.forEach(({ name }) => info(`Would remove ${name}`));
    if (isLeft) {
      info(`Would remove ${said(left)}`);
    }
    return 0;
  }
  const what = [...(images.length > 0 ? [`${images.length} image(s)`] : []), ...(isLeft ? [said(left)] : [])];
  if (what.length > 0 && !values.force && !(await confirmed(what.join(' and ')))) {
    info('Nothing was removed');
    return 0;
  }
  const store = await openStore();
  let status = 0;
  for (const { name } of images) {
    try {
      info(`Removed ${name} (${formatBytes(await store.removeImage(name))} freed)`);
    } catch (error) {
      fatal(error);
      status = OWN_FAILURE;
    }
  }
  const removed = await garbage(values.type, { olderThan });
  if (removed.blobs + removed.trees > 0) {
    info(`Removed ${said(removed)} (${formatBytes(removed.bytes)} freed)`);
  }
  await store.sweep();
  return status;
}

const said = ({ blobs, trees }: IGarbage): string =>
  `${blobs} unfinished download(s) and ${trees} unpacked tree(s) without an image`;

/** What no image of the store needs; removed, or counted. */
async function garbage(
  type: string | undefined,
  options: { readonly olderThan?: number; readonly dryRun?: boolean }
): Promise<IGarbage> {
  const types = typesOf(type);
  if (!types.includes('all') && !types.includes('blob')) {
    return { blobs: 0, trees: 0, bytes: 0 };
  }
  return collectGarbage(await openStore(), { ...options, blobsOnly: !types.includes('all') });
}

function typesOf(type: string | undefined): readonly string[] {
  const types = (type ?? 'all').split(',');
  const unknown = types.find(name => !TYPES.includes(name));
  if (unknown !== undefined) {
    throw usage(`--type does not know "${unknown}"`, `Use one of ${TYPES.join(', ')}`);
  }
  return types;
}

async function cached(type: string | undefined): Promise<IImageRecord[]> {
  const types = typesOf(type);
  const wanted = (name: string): boolean => types.includes('all') || types.includes(kindOf(name));
  return (await (await openStore()).images()).filter(({ name, external }) => !external && wanted(name));
}

/** By where an image came from: a web server, an artifact in a registry, or anything that was converted. */
function kindOf(name: string): 'net' | 'oras' | 'oci' {
  return /^https?:/.test(name) ? 'net' : name.startsWith('oras:') ? 'oras' : 'oci';
}

async function confirmed(what: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw usage(
      'nobody can be asked whether to remove the images',
      'Say so with --force, or look first with --dry-run'
    );
  }
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await asking.question(`This removes ${what} from the store. Continue? [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    asking.close();
  }
}

function usage(message: string, fix: string): ContainerError {
  return new ContainerError({ code: 'usage', step: 'command line', message, fix });
}
