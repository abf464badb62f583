// SPDX-License-Identifier: BSD-3-Clause
/** For tests of root: a private copy of `/` that an in-place container may change. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

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
