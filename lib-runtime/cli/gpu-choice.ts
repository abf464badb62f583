// SPDX-License-Identifier: BSD-3-Clause
/** --nv, --rocm, --gpu and --device: what the host has of it, looked up only when it is asked for. */
import type { IDeviceEdits } from '../host/cdi.ts';
import type { IGpuFacts } from '../host/facts.ts';
import type { IRunSpec } from '../run/spec.ts';
import { splitCsv } from '../support/csv.ts';
import { ContainerError, printable } from '../support/errors.ts';
import { lookUp } from './flag-variables.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface IGpuValues {
  readonly gpu?: string;
  readonly device?: readonly string[];
  readonly cdiDirs?: readonly string[];
}

export interface IGpuChoice {
  readonly spec: IRunSpec;
  readonly gpu?: IGpuFacts;
  readonly rocm?: IGpuFacts;
  /** For the user. */
  readonly notes: readonly string[];
}

/** @throws ContainerError `usage` for a word that --gpu does not know, and those of host/cdi.ts */
export async function chooseGpus(spec: IRunSpec, values: IGpuValues, env: Environment): Promise<IGpuChoice> {
  const auto = wantsAuto(values.gpu ?? lookUp(env, ['GPU']));
  const none = auto === false;
  const { findDriver } = spec.nv || auto === true ? await import('../host/gpu.ts') : {};
  const gpu = none ? undefined : await findDriver?.(env);
  const { findRocm } = spec.rocm || auto === true ? await import('../host/rocm.ts') : {};
  const rocm = none ? undefined : await findRocm?.(env);
  const drivers: IRunSpec = {
    ...spec,
    nv: !none && (spec.nv || (auto === true && (gpu?.libraries.length ?? 0) > 0 && (gpu?.devices.length ?? 0) > 0)),
    rocm: !none && (spec.rocm || (auto === true && rocm?.devices.includes('/dev/kfd') === true))
  };
  const given = (flag: readonly string[] | undefined, key: string): string[] =>
    (flag ?? [lookUp(env, [key]) ?? '']).flatMap(text => splitCsv(text)).filter(text => text !== '');
  const names = given(values.device, 'DEVICE');
  let edits: IDeviceEdits | undefined;
  if (names.length > 0) {
    const { CDI_DIRECTORIES, findDevices } = await import('../host/cdi.ts');
    const directories = given(values.cdiDirs, 'CDI_DIRS');
    edits = await findDevices(names, directories.length > 0 ? directories : CDI_DIRECTORIES);
  }
  return {
    spec: edits === undefined ? drivers : withDevices(drivers, edits),
    ...(gpu !== undefined && { gpu }),
    ...(rocm !== undefined && { rocm }),
    notes: edits?.notes ?? []
  };
}

/** True for auto, false for none, undefined for what --nv and --rocm say. */
function wantsAuto(text: string | undefined): boolean | undefined {
  switch (text) {
    case undefined:
      return undefined;
    case 'auto':
      return true;
    case 'none':
      return false;
    default:
      throw new ContainerError({
        code: 'usage',
        step: 'command line',
        message: `--gpu knows auto and none, not ${printable(text)}`,
        fix: 'For one kind of card write --nv or --rocm'
      });
  }
}

/**
 * The device's mounts and variables as if the user had asked for them; --bind and --env beat them. A device node that the
 * container sees anyway, at the same path of the whole /dev, needs no mount. Pure.
 */
export function withDevices(spec: IRunSpec, edits: IDeviceEdits): IRunSpec {
  const nodes = edits.devices
    .filter(({ source, target }) => spec.contain || source !== target)
    .map(device => ({ ...device, readOnly: false }));
  return {
    ...spec,
    binds: [...edits.mounts, ...nodes, ...spec.binds],
    environment: { ...edits.environment, ...spec.environment }
  };
}
