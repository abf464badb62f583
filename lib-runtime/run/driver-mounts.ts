// SPDX-License-Identifier: BSD-3-Clause
/** --nv and --rocm: the user-space part of GPU drivers as mounts. Pure. */
import type { IGpuFacts, IHostFacts } from '../host/facts.ts';
import { LIBRARY_DIRECTORY } from './environment.ts';
import { baseOf } from './image-tree.ts';
import type { Mount } from './mounts.ts';
import type { INote } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';

export interface IAskedDriver {
  readonly flag: '--nv' | '--rocm';
  /** Undefined when nobody looked. */
  readonly facts: IGpuFacts | undefined;
}

/** The drivers that a run asks for. */
export function askedDrivers(
  spec: Pick<IRunSpec, 'nv' | 'rocm'>,
  host: Pick<IHostFacts, 'gpu' | 'rocm'>
): IAskedDriver[] {
  return [
    ...(spec.nv ? [{ flag: '--nv' as const, facts: host.gpu }] : []),
    ...(spec.rocm ? [{ flag: '--rocm' as const, facts: host.rocm }] : [])
  ];
}

/** Libraries into LIBRARY_DIRECTORY, programs into /usr/bin, files where they are. */
export function driverFiles(drivers: readonly IAskedDriver[], mounts: Mount[], notes: INote[]): void {
  const there: { flag: string; facts: IGpuFacts }[] = [];
  for (const { flag, facts } of drivers) {
    if (facts === undefined || facts.libraries.length === 0) {
      const what = flag === '--nv' ? 'NVIDIA driver' : 'ROCm';
      notes.push({ level: 'warning', text: `no ${what} libraries were found on this host: ${flag} has no effect` });
    } else {
      there.push({ flag, facts });
    }
  }
  const [first] = there;
  if (first === undefined) {
    return;
  }
  mounts.push({
    kind: 'tmpfs',
    target: LIBRARY_DIRECTORY,
    options: 'mode=0755',
    flags: ['nosuid', 'nodev'],
    purpose: 'gpu',
    reason: `${first.flag}: a directory for the driver's libraries`
  });
  const file = {
    kind: 'bind',
    type: 'file',
    purpose: 'gpu',
    flags: ['ro', 'nosuid', 'nodev'],
    optional: true
  } as const;
  for (const { flag, facts } of there) {
    const version = facts.driverVersion ?? 'of unknown version';
    const reason = flag === '--nv' ? `--nv: driver ${version}` : '--rocm: a library of ROCm';
    for (const { source, names } of facts.libraries) {
      const [name = baseOf(source), ...others] = names;
      mounts.push({ ...file, source, target: `${LIBRARY_DIRECTORY}/${name}`, reason });
      for (const other of others) {
        const target = `${LIBRARY_DIRECTORY}/${other}`;
        mounts.push({ kind: 'symlink', target, text: name, purpose: 'gpu', reason });
      }
    }
  }
  mounts.push({
    kind: 'seal',
    target: LIBRARY_DIRECTORY,
    purpose: 'gpu',
    reason: `${first.flag}: the libraries are read-only`
  });
  for (const { flag, facts } of there) {
    for (const source of facts.binaries) {
      mounts.push({
        ...file,
        source,
        target: `/usr/bin/${baseOf(source)}`,
        reason: `${flag}: a program of the driver's`
      });
    }
    for (const path of facts.files) {
      const source = path.replace(/\/$/, '');
      const type = source === path ? 'file' : 'directory';
      mounts.push({ ...file, type, source, target: source, reason: `${flag}: a file of the driver's` });
    }
  }
}
