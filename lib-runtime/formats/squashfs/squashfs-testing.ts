// SPDX-License-Identifier: BSD-3-Clause
/** For tests of squashfs: trees in memory, images of them by us, and the real tools to check both sides with. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import fc from 'fast-check';
import type { ISourceItem } from '../testing.ts';
import type { EntryType, ITreeEntry } from '../tree.ts';
import { SquashfsReader } from './reader.ts';
import { SquashfsWriter, type ISquashfsResult, type ISquashfsWriterOptions } from './writer.ts';

/** Root that may give files to any owner (not the root of a small user namespace). */
export const isRoot =
  process.getuid?.() === 0 && readFileSync('/proc/self/uid_map', 'utf8').trim().endsWith('4294967295');

/**
 * Mounts an image with the kernel while `use` runs.
 * @returns why this machine does not mount it, undefined when all went well.
 */
export async function withMount(image: string, mount: string, use: () => Promise<void>): Promise<string | undefined> {
  await mkdir(mount);
  try {
    execFileSync('mount', ['-t', 'squashfs', '-o', 'loop,ro', image, mount], { stdio: 'pipe' });
  } catch (error) {
    return `this machine does not mount squashfs: ${String(error).split('\n').slice(0, 2).join(' ')}`;
  }
  try {
    await use();
  } finally {
    execFileSync('umount', [mount]);
  }
  return undefined;
}

/** Bytes that compress somewhat: neither noise nor one letter. */
export function sampleBytes(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[at] = 97 + ((state >>> 16) % 8);
  }
  return bytes;
}

export function item(
  path: string,
  type: EntryType,
  details: Partial<ITreeEntry> & { readonly data?: Buffer } = {}
): ISourceItem {
  const { data, ...rest } = details;
  const entry: ITreeEntry = {
    path,
    type,
    mode: type === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtime: 1_600_000_000,
    size: data?.length ?? 0,
    ...rest
  };
  return type === 'file' ? { entry, content: () => pieces(data ?? Buffer.alloc(0)) } : { entry };
}

async function* pieces(data: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += 50_000) {
    yield await Promise.resolve(data.subarray(at, at + 50_000));
  }
}

/** Writes an image of the items, in their order. */
export async function writeImage(
  path: string,
  items: Iterable<ISourceItem> | AsyncIterable<ISourceItem>,
  options: Partial<ISquashfsWriterOptions> = {},
  offset = 0
): Promise<ISquashfsResult> {
  const file = await open(path, 'w+');
  try {
    const writer = new SquashfsWriter({ file, offset }, { compression: 'zstd', mtime: 1_600_000_000, ...options });
    for await (const { entry, content } of items) {
      await writer.add(entry, content?.());
    }
    return await writer.finish();
  } finally {
    await file.close();
  }
}

/** Entries of an image by our reader. */
export async function* readImage(path: string): AsyncGenerator<ISourceItem> {
  const reader = await SquashfsReader.open(path);
  try {
    yield* reader.entries();
  } finally {
    await reader.close();
  }
}

export function unsquashfs(image: string, directory: string): void {
  execFileSync('unsquashfs', ['-no-progress', '-quiet', '-no-xattrs', '-d', directory, image], { stdio: 'pipe' });
}

export function mksquashfs(directory: string, image: string, ...options: string[]): void {
  execFileSync('mksquashfs', [directory, image, '-noappend', '-quiet', '-no-progress', ...options], { stdio: 'pipe' });
}

const NAMES = ['a', 'b', 'Z', 'lib', '.hidden', 'with space', 'new\nline', 'ü', 'caf\udce9', '日本', 'x'.repeat(255)];

interface IPlan {
  readonly parts: readonly string[];
  readonly kind: 'file' | 'directory' | 'symlink' | 'fifo' | 'hardlink';
  readonly mode: number;
  readonly owner: number;
  readonly size: number;
  readonly seed: number;
}

const plan: fc.Arbitrary<IPlan> = fc.record({
  parts: fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 4 }),
  kind: fc.constantFrom('file', 'file', 'file', 'directory', 'symlink', 'fifo', 'hardlink'),
  // An ordinary user could not read back what unsquashfs unpacks with mode 0.
  mode: fc.integer({ min: 0, max: 0o7777 }).map(mode => (isRoot ? mode : mode | 0o700)),
  owner: fc.constantFrom(0, 1000, 65534, 4_000_000_000),
  size: fc.constantFrom(0, 1, 100, 4095, 4096, 4097, 20_000, 131_071, 131_072, 300_000),
  seed: fc.integer({ min: 0, max: 3 })
});

/** Trees as an image may bring them: parents late or never, equal files, holes, hard links, odd names. */
export const randomTree: fc.Arbitrary<ISourceItem[]> = fc.array(plan, { maxLength: 25 }).map(plans => assemble(plans));

function assemble(plans: readonly IPlan[]): ISourceItem[] {
  const kinds = new Map<string, EntryType>();
  const items: ISourceItem[] = [];
  for (const { parts, kind, mode, owner, size, seed } of plans) {
    const path = parts.join('/');
    const parents = parts.map((_, index) => parts.slice(0, index).join('/'));
    const isBlocked = parents.some(parent => parent !== '' && (kinds.get(parent) ?? 'directory') !== 'directory');
    const isParent = [...kinds.keys()].some(other => other.startsWith(`${path}/`));
    if (isBlocked || (kinds.has(path) && (kind !== 'directory' || kinds.get(path) !== 'directory'))) {
      continue;
    }
    if (isParent && kind !== 'directory') {
      continue;
    }
    const details = { mode, uid: owner, gid: owner };
    const files = [...kinds].filter(([, known]) => known === 'file').map(([name]) => name);
    const target = files[seed % Math.max(1, files.length)];
    if (kind === 'file') {
      // Seed 0 is all zeros: holes.
      items.push(item(path, kind, { ...details, data: seed === 0 ? Buffer.alloc(size) : sampleBytes(size, seed) }));
    } else if (kind === 'symlink') {
      items.push(item(path, kind, { ...details, mode: 0o777, linkTarget: `../${NAMES[seed] ?? ''}` }));
    } else if (kind !== 'hardlink') {
      items.push(item(path, kind, details));
    } else if (target !== undefined) {
      items.push(item(path, kind, { linkTarget: target }));
    } else {
      continue;
    }
    kinds.set(path, kind);
  }
  return items;
}

/** The items with the directories that a sink makes by itself, and the last word on each directory. */
export function completed(items: readonly ISourceItem[]): ISourceItem[] {
  const directories = new Map([['', item('', 'directory')]]);
  for (const { entry } of items) {
    const parts = entry.path.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const path = parts.slice(0, depth).join('/');
      directories.set(path, directories.get(path) ?? item(path, 'directory'));
    }
  }
  items.filter(({ entry }) => entry.type === 'directory').forEach(one => directories.set(one.entry.path, one));
  return [...directories.values(), ...items.filter(({ entry }) => entry.type !== 'directory')];
}
