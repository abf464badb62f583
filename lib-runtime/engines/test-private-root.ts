// SPDX-License-Identifier: BSD-3-Clause
/** For tests of root: a private copy of `/` that an in-place container may change. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeBusyboxTree } from './test-support.ts';
import type { Step } from './steps.ts';

/** An overlay of the machine's root in a mount namespace of its own. */
export interface IPrivateRoot {
  /** What was made in the private root: its overlay's upper directory. */
  readonly upper: string;
  /** The private root, by way of the mount namespace that it is in. */
  readonly root: string;
  /** Words that run a command in it. */
  readonly wrapper: readonly string[];
  /** Takes it away, and the directory that it lies in. */
  end(): Promise<void>;
}

/** Keeps a mount namespace; says a line when it is there. */
const startHolder = () =>
  spawn('unshare', ['-m', 'sh', '-c', 'echo; exec sleep infinity'], { stdio: ['ignore', 'pipe', 'inherit'] });

/** Makes one in an empty directory below /tmp; the directories at the root of `paths` are in it as they are. */
export async function makePrivateRoot(base: string, paths: readonly string[]): Promise<IPrivateRoot> {
  execFileSync('mount', ['-t', 'tmpfs', 'nbcontainer-test', base]); // no overlay upper on an overlay
  const upper = join(base, 'upper');
  ['upper', 'work', 'root'].forEach(name => {
    mkdirSync(join(base, name), { mode: 0o755 });
  });
  // In a mount namespace of its own: an in-place start of another test would otherwise find a /proc below its /tmp.
  const holder = startHolder();
  await once(holder.stdout, 'data');
  const enter = ['-m', '-t', String(holder.pid)];
  const mount = (...words: string[]): unknown => execFileSync('nsenter', [...enter, 'mount', ...words]);
  mount('-t', 'overlay', 'overlay', '-o', `lowerdir=/,upperdir=${upper},workdir=${base}/work`, `${base}/root`);
  // What the test and the launcher share; /tmp first, so that the private root's /proc does not lie below its /tmp.
  for (const name of ['tmp', 'proc', 'dev']) {
    mount('--rbind', `/${name}`, `${base}/root/${name}`);
    mount('--make-rslave', `${base}/root/${name}`);
  }
  for (const name of new Set([...paths, base].map(path => `/${path.split('/')[1] ?? ''}`))) {
    if (name !== '/tmp') {
      mount('--bind', name, `${base}/root${name}`);
    }
  }
  return {
    upper,
    root: `/proc/${String(holder.pid)}/root${base}/root`,
    wrapper: ['nsenter', ...enter, 'unshare', '-m', 'chroot', `${base}/root`],
    end: async () => {
      holder.kill();
      await once(holder, 'exit');
      execFileSync('umount', ['-R', '-l', base]);
      rmSync(base, { recursive: true, force: true });
    }
  };
}

/** Images and plans of in-place containers; `base` holds the directories `trees` and `run`. */
export function inPlaceTools(base: string) {
  const tree = (name: string, entries: Record<string, 'directory' | 'file' | { link: string }>): string => {
    const directory = join(base, 'trees', name);
    if (existsSync(directory)) {
      return directory;
    }
    makeBusyboxTree(directory);
    for (const [entry, kind] of Object.entries(entries)) {
      if (kind === 'directory') {
        mkdirSync(join(directory, entry));
        writeFileSync(join(directory, entry, 'mark'), `${name}\n`);
      } else if (kind === 'file') {
        writeFileSync(join(directory, entry), `${name} ${entry}\n`);
      } else {
        symlinkSync(kind.link, join(directory, entry));
      }
    }
    return directory;
  };

  /** An in-place plan: every entry of the tree, on a host that has /usr, /etc, /root, /tmp and a symlinked /bin. */
  function plan(
    directory: string,
    options: { names: readonly string[]; before?: readonly Step[]; after?: readonly Step[] }
  ): Step[] {
    const kind = (name: string): 'directory' | 'file' | 'symlink' => {
      const status = lstatSync(join(directory, name));
      return status.isSymbolicLink() ? 'symlink' : status.isDirectory() ? 'directory' : 'file';
    };
    const entries = options.names.map((name): Step => {
      const type = kind(name);
      const target =
        type === 'symlink' ? execFileSync('readlink', [join(directory, name)], { encoding: 'utf8' }).trim() : undefined;
      return { op: 'entry', kind: type, name, ...(target !== undefined && { target }) };
    });
    return [
      { op: 'unshare', namespaces: ['mount'] },
      { op: 'private' },
      { op: 'stage', stage: `${base}/run/stage`, sizeBytes: 1 << 20 },
      { op: 'bind', source: directory, target: '/', flags: ['nosuid', 'nodev'] },
      ...(options.before ?? []),
      { op: 'ledger', directory: `${base}/run/ledger` },
      ...entries,
      ...options.names
        .filter(name => kind(name) !== 'symlink')
        .map((name): Step => ({ op: 'place', name, from: `/${name}` })),
      ...(options.after ?? []),
      { op: 'unstage' }
    ];
  }
  /** A tree whose /busy holds busybox, so that commands are there whatever is placed. */
  const appTree = (name: string, entries: Parameters<typeof tree>[1] = {}): string => {
    const directory = tree(name, entries);
    if (!existsSync(join(directory, 'usr', 'bin'))) {
      execFileSync('cp', ['-a', join(directory, 'bin'), join(directory, 'usr', 'bin')]);
    }
    return directory;
  };
  return { appTree, plan, tree };
}
