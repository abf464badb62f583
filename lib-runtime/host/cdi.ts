// SPDX-License-Identifier: BSD-3-Clause
/**
 * Devices by the Container Device Interface (CNCF CDI specification 0.3 to 1.0): files of an admin or of a driver that say
 * what a container needs for `nvidia.com/gpu=0`. As Apptainer 1.5, only variables, mounts and device nodes are honoured;
 * hooks are programs that would be run as the caller, for runtimes with a root file system of their own: never started.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { asContainerError, ContainerError, printable } from '../support/errors.ts';

export interface IDeviceEdits {
  readonly environment: Readonly<Record<string, string>>;
  /** Paths on the host and in the container. */
  readonly mounts: readonly { readonly source: string; readonly target: string; readonly readOnly: boolean }[];
  readonly devices: readonly { readonly source: string; readonly target: string }[];
  /** What was left out. */
  readonly notes: readonly string[];
}

/** In order: a file in a later one wins over the same device in an earlier one (CDI, "Directories"). */
export const CDI_DIRECTORIES: readonly string[] = ['/etc/cdi', '/var/run/cdi'];

const absolute = z.string().startsWith('/');
const editsSchema = z.object({
  env: z.array(z.string()).nullish(),
  deviceNodes: z.array(z.object({ path: absolute, hostPath: absolute.optional() })).nullish(),
  mounts: z
    .array(z.object({ hostPath: absolute, containerPath: absolute, options: z.array(z.string()).nullish() }))
    .nullish(),
  hooks: z.array(z.unknown()).nullish()
});
type Edits = z.infer<typeof editsSchema>;

const specSchema = z.object({
  cdiVersion: z.string(),
  kind: z.string().regex(/^[\w.-]+\/[\w.-]+$/),
  devices: z.array(
    z.object({ name: z.union([z.string(), z.number()]).transform(String), containerEdits: editsSchema })
  ),
  containerEdits: editsSchema.nullish()
});
export type CdiSpec = z.infer<typeof specSchema>;

/**
 * What the named devices need.
 * @param names `vendor.com/class=name`
 * @throws ContainerError `usage` for a name that is none, `not-found` for a device that no file describes
 */
export async function findDevices(
  names: readonly string[],
  directories: readonly string[] = CDI_DIRECTORIES
): Promise<IDeviceEdits> {
  return chooseDevices(names, await readSpecs(directories), directories);
}

/** The same of specifications that were read. Pure. */
export function chooseDevices(
  names: readonly string[],
  specs: readonly CdiSpec[],
  directories: readonly string[]
): IDeviceEdits {
  const edits: Edits[] = [];
  const taken = new Set<CdiSpec>();
  for (const name of names) {
    const [, kind, device] = /^([\w.-]+\/[\w.-]+)=([\w.:-]+)$/.exec(name) ?? [];
    if (kind === undefined || device === undefined) {
      throw new ContainerError({
        code: 'usage',
        step: 'devices',
        message: `${printable(name)} is no name of a device`,
        fix: 'Write --device vendor.com/class=name, e.g. nvidia.com/gpu=0'
      });
    }
    const found = specs.findLast(spec => spec.kind === kind && spec.devices.some(item => item.name === device));
    const own = found?.devices.find(item => item.name === device);
    if (found === undefined || own === undefined) {
      throw unknown(name, specs, directories);
    }
    // What a file says for all of its devices counts once.
    if (!taken.has(found) && found.containerEdits) {
      edits.push(found.containerEdits);
    }
    taken.add(found);
    edits.push(own.containerEdits);
  }
  return {
    environment: Object.fromEntries(
      edits.flatMap(({ env }) => env ?? []).map(text => [text.replace(/=.*$/s, ''), text.replace(/^[^=]*=?/, '')])
    ),
    mounts: edits
      .flatMap(({ mounts }) => mounts ?? [])
      .map(({ hostPath, containerPath, options }) => ({
        source: hostPath,
        target: containerPath,
        readOnly: options?.includes('ro') ?? false
      })),
    devices: edits
      .flatMap(({ deviceNodes }) => deviceNodes ?? [])
      .map(({ path, hostPath }) => ({ source: hostPath ?? path, target: path })),
    notes: edits.some(({ hooks }) => (hooks ?? []).length > 0)
      ? ['hooks of the device description were not run: nbcontainer starts no programs of others on the host']
      : []
  };
}

function unknown(name: string, specs: readonly CdiSpec[], directories: readonly string[]): ContainerError {
  const known = specs.flatMap(spec => spec.devices.map(device => `${spec.kind}=${device.name}`));
  return new ContainerError({
    code: 'not-found',
    step: 'devices',
    message: `there is no device ${name}`,
    reason:
      known.length === 0
        ? `no file in ${directories.join(' or ')} describes devices`
        : `${directories.join(' and ')} describe ${known.slice(0, 20).join(', ')}`,
    fix: 'For an NVIDIA card, --nv needs no such file; or make one with nvidia-ctk cdi generate'
  });
}

async function readSpecs(directories: readonly string[]): Promise<CdiSpec[]> {
  const specs: CdiSpec[] = [];
  for (const directory of directories) {
    const names = (await readdir(directory).catch(() => [])).filter(name => /\.(json|ya?ml)$/.test(name)).sort();
    for (const name of names) {
      specs.push(await readSpec(join(directory, name)));
    }
  }
  return specs;
}

async function readSpec(path: string): Promise<CdiSpec> {
  try {
    const text = await readFile(path, 'utf8');
    // JSON is YAML; the parser is loaded only where there is a file to parse.
    const { parse } = await import('yaml');
    return specSchema.parse(parse(text, { maxAliasCount: 100 }));
  } catch (error) {
    throw asContainerError(error, 'devices', `cannot read the device description ${printable(path)}`);
  }
}
