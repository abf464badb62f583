// SPDX-License-Identifier: BSD-3-Clause
/** Finds paths in the listings of an image without touching a disk: symlinks are followed inside the image only. */
import type { INode, Listings } from '../host/facts.ts';

export type Found =
  /** `path` is the real path; `node` is absent for `/` and for a directory that is known only by its listing. */
  | { readonly kind: 'found'; readonly path: string; readonly type: 'directory' | 'file' | 'other' }
  /** `parent` is the real path of the deepest directory that exists; `rest` are the components below it. */
  | { readonly kind: 'missing'; readonly parent: string; readonly rest: readonly string[] }
  /** A directory on the way was not listed: the path may or may not exist. `path` is the best guess of the real path. */
  | { readonly kind: 'unknown'; readonly path: string }
  /** A file, or a loop of symlinks, stands in the way. */
  | { readonly kind: 'blocked'; readonly at: string };

/** As the kernel's MAXSYMLINKS. */
const MAX_LINKS = 40;

/** `/a/./b//c/` as `/a/b/c`; `..` is kept out of `/`. Paths are absolute afterwards. */
export function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') {
      parts.pop();
    } else if (part !== '' && part !== '.') {
      parts.push(part);
    }
  }
  return `/${parts.join('/')}`;
}

export function join(directory: string, ...names: readonly string[]): string {
  return `${directory === '/' ? '' : directory}/${names.join('/')}`;
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

export function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** True when `path` is `directory` or lies below it. */
export function isWithin(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}

export function entryOf(tree: Listings, path: string): INode | undefined {
  return tree[parentOf(path)]?.find(node => node.name === baseOf(path));
}

/**
 * Looks a path up in an image.
 *
 * @param followLast false leaves a symlink as the last component alone: it is then found as `other`.
 */
export function findInImage(tree: Listings, path: string, followLast = true): Found {
  const pending = path.split('/').filter(part => part !== '' && part !== '.');
  let here = '/';
  let links = 0;
  while (pending.length > 0) {
    const name = pending.shift() ?? '';
    if (name === '..') {
      here = parentOf(here);
      continue;
    }
    const listing = tree[here];
    if (listing === undefined) {
      return { kind: 'unknown', path: join(here, name, ...pending) };
    }
    const node = listing.find(entry => entry.name === name);
    if (node === undefined) {
      return {
        kind: 'missing',
        parent: here,
        rest: normalise([name, ...pending].join('/'))
          .slice(1)
          .split('/')
      };
    }
    if (node.type === 'symlink' && node.target !== undefined && (followLast || pending.length > 0)) {
      links += 1;
      if (links > MAX_LINKS) {
        return { kind: 'blocked', at: join(here, name) };
      }
      pending.unshift(...node.target.split('/').filter(part => part !== '' && part !== '.'));
      here = node.target.startsWith('/') ? '/' : here;
      continue;
    }
    if (node.type === 'directory') {
      here = join(here, name);
      continue;
    }
    return pending.length > 0
      ? { kind: 'blocked', at: join(here, name) }
      : { kind: 'found', path: join(here, name), type: node.type === 'file' ? 'file' : 'other' };
  }
  return { kind: 'found', path: here, type: 'directory' };
}

/** Whether a program can be expected at `path`; an unlisted directory on the way counts as yes. */
export function hasFile(tree: Listings, path: string): boolean {
  const found = findInImage(tree, path);
  return found.kind === 'unknown' || (found.kind === 'found' && found.type === 'file');
}

/** Top-level directories that usr-merged systems keep below /usr. */
const MERGED_NAME = /^(bin|sbin|lib|lib32|lib64|libx32)$/;

/** True when the image or host keeps /bin in /usr: `/bin` is a symlink to `usr/bin`. */
export function isMerged(root: readonly INode[]): boolean {
  const bin = root.find(node => node.name === 'bin');
  return bin?.type === 'symlink' && normalise(bin.target ?? '') === '/usr/bin';
}

/** True when an image has real directories where a merged host has symlinks into /usr. */
export function needsMerging(tree: Listings): boolean {
  return (tree['/'] ?? []).some(node => node.type === 'directory' && MERGED_NAME.test(node.name));
}

/** The listings of the merged view of a tree: /bin, /sbin and /lib* moved below /usr, symlinks in their place. */
export function mergedListings(tree: Listings): Listings {
  const root = tree['/'] ?? [];
  const moved = root.filter(node => node.type === 'directory' && MERGED_NAME.test(node.name));
  if (moved.length === 0) {
    return tree;
  }
  const merged: Record<string, readonly INode[]> = {};
  for (const [directory, listing] of Object.entries(tree)) {
    const top = directory.split('/')[1] ?? '';
    const home = moved.some(node => node.name === top) ? `/usr${directory}` : directory;
    merged[home] = union(merged[home] ?? [], listing);
  }
  const links = moved.map((node): INode => ({
    name: node.name,
    type: 'symlink',
    mode: 0o777,
    target: `usr/${node.name}`
  }));
  const usr: INode = root.find(node => node.name === 'usr') ?? { name: 'usr', type: 'directory', mode: 0o755 };
  merged['/'] = [...root.filter(node => node !== usr && !moved.includes(node)), ...links, usr];
  merged['/usr'] = union(merged['/usr'] ?? [], moved);
  return merged;
}

function union(first: readonly INode[], second: readonly INode[]): INode[] {
  const names = new Set(first.map(node => node.name));
  return [...first, ...second.filter(node => !names.has(node.name))];
}
