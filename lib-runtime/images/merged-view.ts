// SPDX-License-Identifier: BSD-3-Clause
/**
 * The merged view of a tree: /bin, /sbin, /lib, /lib64, /lib32 and /libx32 moved below /usr with symlinks in their
 * place, so that an image from before the usr-merge can be laid over a merged host name by name (DESIGN 3).
 * Pure: says for every path of the new tree which path of the old one it is.
 */
import { parentOf } from './layer.ts';

export interface ITreeNode {
  /** Relative to the root; the root itself is not listed. */
  readonly path: string;
  readonly type: 'directory' | 'file' | 'symlink' | 'other';
  /** Text of a symlink. */
  readonly target?: string;
  /** Device and inode: two names of one file are no conflict. */
  readonly inode?: string;
}

export interface IMergedNode {
  readonly path: string;
  readonly type: ITreeNode['type'];
  /** Path in the old tree; undefined for what is new. */
  readonly from?: string;
  /** Text of a symlink in the new tree. */
  readonly target?: string;
}

export interface IMergedView {
  /** Parents before children. */
  readonly nodes: readonly IMergedNode[];
  /** What could not be kept, for the user. */
  readonly notes: readonly string[];
}

/** Top-level directories that the usr-merge moves. */
export const MERGED_NAMES: readonly string[] = ['bin', 'sbin', 'lib', 'lib64', 'lib32', 'libx32'];

const SYMLINK_LIMIT = 40;

/** True when a tree has a directory that the merged view would move. */
export function needsMerge(nodes: Iterable<ITreeNode>): boolean {
  for (const node of nodes) {
    if (node.type === 'directory' && MERGED_NAMES.includes(node.path)) {
      return true;
    }
  }
  return false;
}

export function planMergedView(nodes: readonly ITreeNode[]): IMergedView {
  const old = new Map(nodes.map(node => [node.path, node]));
  const homes = movedTo(old);
  const move = (path: string): string => {
    const [top = ''] = path.split('/', 1);
    const home = homes.get(top);
    return home === undefined ? path : home + path.slice(top.length);
  };
  const { chosen, notes } = settle(nodes, old, move);
  addMissing(chosen, old, homes);
  return { nodes: withTargets(chosen, old, move), notes };
}

/** Where each moved top-level directory goes: `usr/NAME`, or what `usr/NAME` leads to when that is a symlink. */
function movedTo(old: ReadonlyMap<string, ITreeNode>): Map<string, string> {
  const homes = new Map<string, string>();
  for (const name of MERGED_NAMES) {
    if (old.get(name)?.type === 'directory') {
      const usual = `usr/${name}`;
      const end = old.get(usual)?.type === 'symlink' ? resolve(old, usual) : undefined;
      const isElsewhere = end !== undefined && end.startsWith('usr/') && old.get(end)?.type === 'directory';
      homes.set(name, isElsewhere ? end : usual);
    }
  }
  return homes;
}

/** Picks one old node for each new path. */
function settle(
  nodes: readonly ITreeNode[],
  old: ReadonlyMap<string, ITreeNode>,
  move: (path: string) => string
): { chosen: Map<string, ITreeNode>; notes: string[] } {
  const chosen = new Map<string, ITreeNode>();
  const notes: string[] = [];
  /** New paths whose loser had something below it that must not show. */
  const dropped = new Set<string>();
  // What is below /usr already comes first, so that it is what a conflict keeps.
  const ordered = [...nodes].sort((a, b) => Number(move(a.path) !== a.path) - Number(move(b.path) !== b.path));
  for (const node of ordered) {
    const path = move(node.path);
    if (path !== node.path && isBelow(dropped, path)) {
      continue;
    }
    const present = chosen.get(path);
    if (!present) {
      chosen.set(path, node);
      continue;
    }
    const winner = pick(present, node, old);
    if (winner === undefined) {
      notes.push(`/${node.path} and /${present.path} differ: the merged tree has only /${present.path}`);
      dropped.add(path);
    } else {
      chosen.set(path, winner);
      if (winner === present && node.type === 'directory' && present.type !== 'directory') {
        dropped.add(path);
      }
    }
  }
  // A directory that won over a symlink has its parents; a symlink that lost has nothing below it.
  return { chosen, notes };
}

/** Which of two nodes for one path is taken; undefined when both are real and differ (the first is kept). */
function pick(present: ITreeNode, other: ITreeNode, old: ReadonlyMap<string, ITreeNode>): ITreeNode | undefined {
  if (present.type === 'directory' && other.type === 'directory') {
    return present;
  }
  if (present.inode !== undefined && present.inode === other.inode) {
    return present;
  }
  const presentWay: string[] = [];
  const otherWay: string[] = [];
  const presentEnd = resolve(old, present.path, presentWay);
  const otherEnd = resolve(old, other.path, otherWay);
  // A symlink that leads to the other one, or to the same place, or nowhere, loses.
  if (otherWay.includes(present.path) && otherEnd !== undefined) {
    return present;
  }
  if (presentWay.includes(other.path) || (other.type !== 'symlink' && presentEnd === otherEnd)) {
    return other;
  }
  if (other.type === 'symlink' && (otherEnd === presentEnd || otherEnd === undefined)) {
    return present;
  }
  return present.type === 'symlink' && presentEnd === undefined ? other : undefined;
}

function isBelow(dropped: ReadonlySet<string>, path: string): boolean {
  for (let at = parentOf(path); at !== ''; at = parentOf(at)) {
    if (dropped.has(at)) {
      return true;
    }
  }
  return false;
}

/** The symlinks in place of what was moved, and the /usr that holds it. */
function addMissing(
  chosen: Map<string, ITreeNode>,
  old: ReadonlyMap<string, ITreeNode>,
  homes: ReadonlyMap<string, string>
): void {
  if (homes.size > 0 && !chosen.has('usr')) {
    chosen.set('usr', { path: '', type: 'directory' });
  }
  for (const name of MERGED_NAMES) {
    const usual = `usr/${name}`;
    const home = homes.get(name);
    if (home !== undefined) {
      if (home === usual) {
        // The moved directory may have been met as a symlink of /usr to it.
        const node = old.get(name);
        if (node && chosen.get(usual)?.type !== 'directory') {
          chosen.set(usual, node);
        }
      }
      chosen.delete(name);
      chosen.set(name, { path: '', type: 'symlink', target: usual });
    } else if (old.get(name)?.type === 'symlink' && homes.size > 0 && !chosen.has(usual)) {
      // `/lib64 -> lib`: a merged host looks for it in /usr/lib64.
      const end = resolve(old, name);
      const [top = ''] = end?.split('/', 1) ?? [];
      if (end !== undefined && homes.has(top)) {
        chosen.set(usual, { path: '', type: 'symlink', target: end });
      }
    }
  }
}

/** Rewrites the symlinks that would lead elsewhere, and sorts parents before children. */
function withTargets(
  chosen: ReadonlyMap<string, ITreeNode>,
  old: ReadonlyMap<string, ITreeNode>,
  move: (path: string) => string
): IMergedNode[] {
  const merged = new Map<string, ITreeNode>(
    [...chosen].map(([path, node]) => [
      path,
      { path, type: node.type, ...(node.target !== undefined && { target: node.target }) }
    ])
  );
  const nodes: IMergedNode[] = [];
  for (const [path, node] of chosen) {
    const { type, target } = node;
    const from = node.path === '' ? {} : { from: node.path };
    if (type !== 'symlink' || target === undefined) {
      nodes.push({ path, type, ...from });
      continue;
    }
    const kept = node.path === '' ? target : targetFor(node, path, target, old, merged, move);
    nodes.push({ path, type, target: kept, ...from });
  }
  return nodes.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The text of a symlink at its new place: unchanged as long as that leads to where the old one led. */
function targetFor(
  node: ITreeNode,
  path: string,
  target: string,
  old: ReadonlyMap<string, ITreeNode>,
  merged: ReadonlyMap<string, ITreeNode>,
  move: (path: string) => string
): string {
  const end = follow(old, parentOf(node.path), target, true);
  const next = follow(old, parentOf(node.path), target, false);
  if (end === undefined || next === undefined) {
    // It leads nowhere inside the tree, but perhaps to what a bind brings.
    return path === node.path || target.startsWith('/') ? target : relative(path, move(lexical(node.path, target)));
  }
  if (follow(merged, parentOf(path), target, true) === move(end)) {
    return target;
  }
  return target.startsWith('/') ? `/${move(next)}` : relative(path, move(next));
}

function lexical(path: string, target: string): string {
  const parts = parentOf(path).split('/').filter(Boolean);
  for (const part of target.split('/')) {
    if (part === '..') {
      parts.pop();
    } else if (part !== '' && part !== '.') {
      parts.push(part);
    }
  }
  return parts.join('/');
}

function relative(path: string, target: string): string {
  const from = parentOf(path).split('/').filter(Boolean);
  const to = target.split('/').filter(Boolean);
  let common = 0;
  while (common < from.length && common < to.length - 1 && from[common] === to[common]) {
    common++;
  }
  return [...from.slice(common).map(() => '..'), ...to.slice(common)].join('/') || '.';
}

/** The end of a path with all symlinks followed; undefined when there is nothing. `way` gets every path on it. */
function resolve(tree: ReadonlyMap<string, ITreeNode>, path: string, way?: string[]): string | undefined {
  const end = follow(tree, '', path, true, way);
  if (end !== undefined) {
    way?.push(end);
  }
  return end;
}

/**
 * Follows `text` from `directory`; with `last` false a symlink as the last component is left alone.
 * Undefined when a component is missing or loops.
 */
function follow(
  tree: ReadonlyMap<string, ITreeNode>,
  directory: string,
  text: string,
  last: boolean,
  way?: string[]
): string | undefined {
  let names = text.startsWith('/') ? [] : directory.split('/').filter(Boolean);
  let todo = text.split('/').filter(part => part !== '' && part !== '.');
  for (let links = 0; todo.length > 0;) {
    const name = todo.shift() ?? '';
    if (name === '..') {
      names.pop();
      continue;
    }
    const path = [...names, name].join('/');
    const node = tree.get(path);
    way?.push(path);
    if (!node) {
      return undefined;
    }
    if (node.type === 'symlink' && (last || todo.length > 0)) {
      if (++links > SYMLINK_LIMIT) {
        return undefined;
      }
      const target = node.target ?? '';
      names = target.startsWith('/') ? [] : names;
      todo = [...target.split('/').filter(part => part !== '' && part !== '.'), ...todo];
      continue;
    }
    if (node.type !== 'directory' && todo.length > 0) {
      return undefined;
    }
    names.push(name);
  }
  return names.join('/');
}
