// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { needsMerge, planMergedView, type ITreeNode } from './merged-view.ts';

/** `a/` is a directory, `a -> b` a symlink, `a` a file; `a = x` a file that is inode x. Parents are added. */
function tree(...lines: string[]): ITreeNode[] {
  const nodes = new Map<string, ITreeNode>();
  for (const line of lines) {
    const [path = '', target] = line.split(' -> ');
    const [name = '', inode] = path.split(' = ');
    const clean = name.replace(/\/$/, '');
    const parts = clean.split('/');
    parts.slice(0, -1).forEach((_part, index) => {
      const parent = parts.slice(0, index + 1).join('/');
      nodes.set(parent, nodes.get(parent) ?? { path: parent, type: 'directory' });
    });
    nodes.set(
      clean,
      target !== undefined
        ? { path: clean, type: 'symlink', target }
        : { path: clean, type: name.endsWith('/') ? 'directory' : 'file', ...(inode !== undefined && { inode }) }
    );
  }
  return [...nodes.values()];
}

function merged(...lines: string[]): { view: string[]; notes: readonly string[] } {
  const { nodes, notes } = planMergedView(tree(...lines));
  const view = nodes.map(({ path, type, from, target }) => {
    const origin = from === undefined ? ' (new)' : from === path ? '' : ` (${from})`;
    return path + (type === 'directory' ? '/' : target !== undefined ? ` -> ${target}` : '') + origin;
  });
  return { view, notes };
}

const CASES: [name: string, lines: string[], view: string[], notes?: string[]][] = [
  ['nothing to do', ['usr/bin/x', 'bin -> usr/bin'], ['bin -> usr/bin', 'usr/', 'usr/bin/', 'usr/bin/x']],
  [
    'no /usr at all',
    ['bin/busybox', 'bin/sh -> busybox', 'etc/x'],
    [
      'bin -> usr/bin (new)',
      'etc/',
      'etc/x',
      'usr/ (new)',
      'usr/bin/ (bin)',
      'usr/bin/busybox (bin/busybox)',
      'usr/bin/sh -> busybox (bin/sh)'
    ]
  ],
  [
    'both have different files',
    ['bin/a', 'usr/bin/b'],
    ['bin -> usr/bin (new)', 'usr/', 'usr/bin/', 'usr/bin/a (bin/a)', 'usr/bin/b']
  ],
  [
    'a symlink in /usr to the real file loses',
    ['bin/a', 'usr/bin/a -> ../../bin/a', 'usr/bin/b -> /bin/a'],
    ['bin -> usr/bin (new)', 'usr/', 'usr/bin/', 'usr/bin/a (bin/a)', 'usr/bin/b -> /bin/a']
  ],
  [
    'a symlink in / to the real file loses',
    ['bin/a -> /usr/bin/a', 'usr/bin/a'],
    ['bin -> usr/bin (new)', 'usr/', 'usr/bin/', 'usr/bin/a']
  ],
  [
    'two different files: the one in /usr stays',
    ['bin/a', 'usr/bin/a'],
    ['bin -> usr/bin (new)', 'usr/', 'usr/bin/', 'usr/bin/a'],
    ['/bin/a and /usr/bin/a differ: the merged tree has only /usr/bin/a']
  ],
  ['two names of one file', ['bin/a = 7', 'usr/bin/a = 7'], ['bin -> usr/bin (new)', 'usr/', 'usr/bin/', 'usr/bin/a']],
  [
    'both symlinks to the same place',
    ['bin/a -> ../etc/a', 'usr/bin/a -> ../../etc/a', 'etc/a'],
    ['bin -> usr/bin (new)', 'etc/', 'etc/a', 'usr/', 'usr/bin/', 'usr/bin/a -> ../../etc/a']
  ],
  [
    'relative symlinks one level deeper',
    ['lib/x.so -> ../opt/x.so', 'opt/x.so', 'lib/y.so -> ../lib64/y', 'lib64/y', 'lib/z -> ../usr/lib/q', 'usr/lib/q'],
    [
      ...['lib -> usr/lib (new)', 'lib64 -> usr/lib64 (new)', 'opt/', 'opt/x.so', 'usr/', 'usr/lib/', 'usr/lib/q'],
      ...['usr/lib/x.so -> ../../opt/x.so (lib/x.so)', 'usr/lib/y.so -> ../lib64/y (lib/y.so)'],
      ...['usr/lib/z -> q (lib/z)', 'usr/lib64/ (lib64)', 'usr/lib64/y (lib64/y)']
    ]
  ],
  [
    'a symlink that leads nowhere yet',
    ['bin/a -> ../data/tool', 'bin/b -> /data/tool', 'bin/c -> gone'],
    [
      'bin -> usr/bin (new)',
      'usr/ (new)',
      'usr/bin/ (bin)',
      'usr/bin/a -> ../../data/tool (bin/a)',
      'usr/bin/b -> /data/tool (bin/b)',
      'usr/bin/c -> gone (bin/c)'
    ]
  ],
  [
    'two symlinks, one by way of the other',
    [
      'bin/busybox',
      'bin/sh -> busybox',
      'usr/bin/sh -> /bin/sh',
      'bin/vi -> /usr/bin/vi',
      'usr/bin/vi -> ../../bin/busybox'
    ],
    [
      ...['bin -> usr/bin (new)', 'usr/', 'usr/bin/', 'usr/bin/busybox (bin/busybox)'],
      ...['usr/bin/sh -> busybox (bin/sh)', 'usr/bin/vi -> ../../bin/busybox']
    ]
  ],
  [
    'directories are merged below',
    ['lib/x86/a', 'usr/lib/x86/b', 'usr/lib/x86/a -> ../../../lib/x86/a'],
    ['lib -> usr/lib (new)', 'usr/', 'usr/lib/', 'usr/lib/x86/', 'usr/lib/x86/a (lib/x86/a)', 'usr/lib/x86/b']
  ],
  [
    'a directory in / and a file in /usr',
    ['lib/x/a', 'usr/lib/x'],
    ['lib -> usr/lib (new)', 'usr/', 'usr/lib/', 'usr/lib/x'],
    ['/lib/x and /usr/lib/x differ: the merged tree has only /usr/lib/x']
  ],
  [
    'a symlinked directory in /usr and the real one in /',
    ['lib/mod/a', 'usr/lib/mod -> /lib/mod'],
    ['lib -> usr/lib (new)', 'usr/', 'usr/lib/', 'usr/lib/mod/ (lib/mod)', 'usr/lib/mod/a (lib/mod/a)']
  ],
  [
    'the whole of /usr/bin leads to /bin',
    ['bin/a', 'usr/bin -> ../bin', 'usr/x'],
    ['bin -> usr/bin (new)', 'usr/', 'usr/bin/ (bin)', 'usr/bin/a (bin/a)', 'usr/x']
  ],
  [
    '/usr/lib64 leads to /usr/lib',
    ['lib64/ld.so', 'usr/lib/a', 'usr/lib64 -> lib'],
    ['lib64 -> usr/lib64 (new)', 'usr/', 'usr/lib/', 'usr/lib/a', 'usr/lib/ld.so (lib64/ld.so)', 'usr/lib64 -> lib']
  ],
  [
    '/lib64 leads to /lib',
    ['lib/ld.so', 'lib64 -> lib'],
    [
      'lib -> usr/lib (new)',
      'lib64 -> lib',
      'usr/ (new)',
      'usr/lib/ (lib)',
      'usr/lib/ld.so (lib/ld.so)',
      'usr/lib64 -> lib (new)'
    ]
  ],
  [
    'symlinks from outside through the moved directories',
    ['bin/bash', 'etc/alternatives/sh -> ../../bin/bash', 'usr/bin/sh -> /etc/alternatives/sh'],
    [
      'bin -> usr/bin (new)',
      'etc/',
      'etc/alternatives/',
      'etc/alternatives/sh -> ../../bin/bash',
      'usr/',
      'usr/bin/',
      'usr/bin/bash (bin/bash)',
      'usr/bin/sh -> /etc/alternatives/sh'
    ]
  ]
];

/** Follows a path as in a chroot; undefined when it leads nowhere. */
function end(
  nodes: ReadonlyMap<string, { readonly type: string; readonly target?: string | undefined }>,
  path: string
): string | undefined {
  let names: string[] = [];
  let todo = path.split('/');
  for (let links = 0; todo.length > 0;) {
    const name = todo.shift() ?? '';
    if (name === '..') {
      names.pop();
    } else if (name !== '' && name !== '.') {
      const node = nodes.get([...names, name].join('/'));
      if (!node || (node.type !== 'directory' && node.type !== 'symlink' && todo.length > 0)) {
        return undefined;
      }
      if (node.type === 'symlink') {
        if (++links > 40) {
          return undefined;
        }
        names = node.target?.startsWith('/') ? [] : names;
        todo = [...(node.target ?? '').split('/'), ...todo];
      } else {
        names.push(name);
      }
    }
  }
  return names.join('/');
}

const word = fc.constantFrom('a', 'b', 'c');
const directory = fc.constantFrom(
  'bin',
  'usr/bin',
  'lib',
  'usr/lib',
  'lib64',
  'usr/lib64',
  'etc',
  'lib/d',
  'usr/lib/d'
);
const target = fc.oneof(
  word,
  fc.tuple(directory, word).map(([where, name]) => `/${where}/${name}`),
  fc.tuple(fc.constantFrom('..', '../..', '../../..'), directory, word).map(parts => parts.join('/'))
);
const line = fc.oneof(
  fc.tuple(directory, word).map(parts => parts.join('/')),
  fc.tuple(directory, word, target).map(([where, name, text]) => `${where}/${name} -> ${text}`)
);
const topLink = fc.constantFrom('lib64 -> lib', 'lib64 -> usr/lib', 'usr/lib64 -> lib', 'usr/bin -> ../bin', 'x/y');

describe('planMergedView', () => {
  it('keeps what every path leads to, but for conflicts that it names', () => {
    let whole = 0;
    const property = fc.property(fc.array(line, { maxLength: 14 }), topLink, (lines, top) => {
      const [linkPath = ''] = top.split(' -> ');
      // Something below a symlink is no tree.
      const nodes = tree(...lines.filter(item => !item.startsWith(`${linkPath}/`)), top);
      const before = new Map(nodes.map(node => [node.path, node]));
      const { nodes: planned, notes } = planMergedView(nodes);
      const after = new Map(planned.map(node => [node.path, node]));
      expect(after.size).toBe(planned.length);
      for (const { path } of planned) {
        const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
        expect(parent === '' || after.get(parent)?.type === 'directory').toBe(true);
      }
      if (notes.length > 0) {
        return;
      }
      whole++;
      for (const node of nodes) {
        const old = end(before, node.path);
        if (old !== undefined && before.get(old)?.type === 'file') {
          const found = after.get(end(after, node.path) ?? '');
          expect([node.path, found?.from]).toEqual([node.path, old]);
        }
      }
    });
    fc.assert(property, { numRuns: 3000 });
    expect(whole).toBeGreaterThan(1000);
  });

  it.each(CASES)('%s', (_name, lines, view, notes = []) => {
    expect(merged(...lines)).toEqual({ view, notes });
  });

  it('is asked for only where a directory would move', () => {
    expect(needsMerge(tree('bin -> usr/bin', 'usr/bin/x'))).toBe(false);
    expect(needsMerge(tree('lib64/x'))).toBe(true);
    expect(needsMerge(tree('opt/bin/x'))).toBe(false);
  });
});
