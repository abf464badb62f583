// SPDX-License-Identifier: BSD-3-Clause
/** Which paths the planner will ask about: fact gathering looks at these and no others. Pure. */
import type { IHostFacts } from '../host/facts.ts';
import { appPath, START_SCRIPT, TEST_SCRIPT } from './command.ts';
import { askedDrivers } from './driver-mounts.ts';
import { LIBRARY_DIRECTORY } from './environment.ts';
import { fabricPaths } from './fabric.ts';
import { APT_SETTINGS } from './fake-root.ts';
import { baseOf, isWithin, normalise } from './image-tree.ts';
import { homeInside, hostPath } from './mounts.ts';
import { overlayPaths } from './overlays.ts';
import { jupyterRuntimeDirectories } from './private-directories.ts';
import type { IRunSpec } from './spec.ts';

const SYSTEM = ['/etc/localtime', '/etc/hosts', '/etc/resolv.conf', '/tmp', '/var/tmp'];

/**
 * Host paths whose existence, type and real path planRun needs (IHostFacts.paths): sources of binds and what lies where
 * one bind ends up inside another.
 *
 * @param environment HOME is looked at, the account's home is known to the gatherer alone.
 */
export function hostPaths(
  spec: IRunSpec,
  environment: Readonly<Record<string, string | undefined>>,
  workingDirectory: string
): string[] {
  const cwd = normalise(workingDirectory);
  const homes = [spec.home?.source, environment['HOME'], '/root'].filter((path): path is string => Boolean(path));
  const binds = spec.binds.map(bind => ({
    source: hostPath(bind.source, cwd),
    target: hostPath(bind.target, cwd)
  }));
  const paths = new Set([
    ...SYSTEM,
    cwd,
    ...jupyterRuntimeDirectories(environment),
    ...(spec.workdir === undefined ? [] : [hostPath(spec.workdir, cwd)]),
    ...overlayPaths(spec, cwd),
    ...fabricPaths(spec.contain, environment),
    ...homes.map(home => hostPath(home, cwd)),
    ...binds.flatMap(({ source, target }) => [source, target]),
    ...spec.scratch.map(normalise)
  ]);
  // A bind below another one lands in the other one's source.
  for (const inner of [...binds.map(({ target }) => target), ...spec.scratch.map(normalise), cwd]) {
    for (const outer of [...binds, ...(spec.home ? [spec.home] : [])]) {
      if (inner !== outer.target && isWithin(inner, normalise(outer.target))) {
        paths.add(hostPath(outer.source, cwd) + inner.slice(normalise(outer.target).length));
      }
    }
  }
  return [...paths];
}

/** Container paths that planRun looks up in IImageFacts.tree. */
export function imagePaths(spec: IRunSpec, host: IHostFacts): string[] {
  const cwd = normalise(host.workingDirectory);
  const gpu = askedDrivers(spec, host).flatMap(({ facts }) => [
    ...(facts?.binaries ?? []).map(path => `/usr/bin/${baseOf(path)}`),
    ...(facts?.files ?? [])
  ]);
  return [
    ...new Set([
      ...SYSTEM,
      '/dev/null',
      '/proc/self',
      '/sys/kernel',
      '/etc/passwd',
      '/etc/group',
      '/bin/sh',
      '/bin/bash',
      '/usr/bin/env',
      '/usr/sbin/init',
      '/usr/lib/os-release',
      '/usr/lib64/libc.so.6',
      '/apptainer',
      APT_SETTINGS,
      TEST_SCRIPT,
      START_SCRIPT,
      `${LIBRARY_DIRECTORY}/libcuda.so.1`,
      cwd,
      homeInside(spec, host),
      ...(spec.app === undefined
        ? []
        : (['runscript', 'test', 'startscript'] as const).map(file => appPath(spec.app ?? '', file))),
      ...(spec.shell === undefined ? [] : [normalise(spec.shell)]),
      ...(spec.workingDirectory === undefined ? [] : [hostPath(spec.workingDirectory, '/')]),
      ...spec.binds.map(bind => hostPath(bind.target, cwd)),
      ...spec.scratch.map(normalise),
      // The in-place root asks what the image has where the host's top-level symlinks lead.
      ...host.root.map(node => normalise(node.target ?? node.name)),
      ...gpu
    ])
  ];
}
