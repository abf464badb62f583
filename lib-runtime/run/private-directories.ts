// SPDX-License-Identifier: BSD-3-Clause
/**
 * Directories of the host that hold tokens and sockets: Jupyter's runtime directory (connection files with their keys,
 * the server's token) and our own. Where home or /tmp would show them, an empty directory does instead. Pure.
 */
import type { IHostFacts } from '../host/facts.ts';
import { isWithin, normalise } from './image-tree.ts';
import type { Mount } from './mounts.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Where Jupyter's runtime directory may be, as jupyter_core finds it: $JUPYTER_RUNTIME_DIR, else `runtime` in
 * $JUPYTER_DATA_DIR, $XDG_DATA_HOME/jupyter or ~/.local/share/jupyter. All of them: servers of other environments may
 * run as well.
 */
export function jupyterRuntimeDirectories(environment: Variables): string[] {
  const { JUPYTER_RUNTIME_DIR: own, JUPYTER_DATA_DIR: data, XDG_DATA_HOME: xdg, HOME: home } = environment;
  const paths = [
    own,
    data && `${data}/runtime`,
    xdg && `${xdg}/jupyter/runtime`,
    home && `${home}/.local/share/jupyter/runtime`
  ];
  const absolute = paths.filter((path): path is string => path !== undefined && path.startsWith('/'));
  return [...new Set(absolute.map(normalise))].filter(path => path !== '/');
}

/**
 * The mounts with an empty directory right after each one that would show such a directory. A path that was asked for
 * by itself, or that the caller stands in, is left alone.
 */
export function hidePrivateDirectories(
  mounts: readonly Mount[],
  host: Pick<IHostFacts, 'paths' | 'runtimeDirectory' | 'workingDirectory'>,
  environment: Variables
): Mount[] {
  const real = (path: string): string => host.paths[path]?.real ?? path;
  const jupyters = jupyterRuntimeDirectories(environment)
    .filter(path => host.paths[path]?.type === 'directory')
    .map(real);
  const paths = [...new Set([...jupyters, host.runtimeDirectory])].filter(
    path => !isWithin(real(host.workingDirectory), path)
  );
  return mounts.flatMap((mount, index) => {
    if (mount.kind !== 'bind' || mount.type !== 'directory') {
      return [mount];
    }
    const source = real(mount.source);
    const shown = paths
      .filter(path => path !== source && isWithin(path, source))
      .map(path => normalise(mount.target + path.slice(source === '/' ? 0 : source.length)))
      .filter(target => !isCovered(target, mounts.slice(index + 1)));
    return [mount, ...shown.map(hidden)];
  });
}

/** A later mount takes the place of the directory, or of one above it. */
function isCovered(target: string, later: readonly Mount[]): boolean {
  return later.some(mount => (mount.kind === 'bind' || mount.kind === 'tmpfs') && isWithin(target, mount.target));
}

function hidden(target: string): Mount {
  return {
    kind: 'tmpfs',
    target,
    options: 'mode=0700',
    flags: ['nosuid', 'nodev'],
    purpose: 'hidden',
    reason: 'tokens and sockets of Jupyter and of ours are not shown'
  };
}
