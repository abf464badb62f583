// SPDX-License-Identifier: BSD-3-Clause
/**
 * Finds the user-space part of AMD's ROCm (runtimes.md 3.1, the list of Apptainer's rocmliblist.conf, with the names that
 * newer releases gave the same libraries). Unlike NVIDIA's driver it carries no version of the kernel driver, so the first
 * library of a name that this machine can load is taken.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, realpath } from 'node:fs/promises';
import { machine as thisMachine } from 'node:os';
import { basename, join } from 'node:path';
import type { IGpuFacts } from './facts.ts';
import { parseLdCache } from './ld-cache.ts';
import { readSharedObject } from './shared-object.ts';

const LIBRARY =
  /^lib(hc_am|mcwamp\w*|drm|drm_amdgpu|numa|pci|rocr_debug_agent64|amd_?comgr64|amd_comgr|amdocl64|amdhip64|hsa-runtime64|rocm_smi64|cltrace|OpenCL)\.so(\.\d+)*$/;
/** What no machine without ROCm has: libdrm and libnuma belong to every desktop. */
const OWN = /(amd|hsa|rocm|hc_am|rocr)/;
const BINARIES = ['rocm-smi', 'rocminfo'];
const PROGRAMS = ['/opt/rocm/bin', '/usr/bin', '/usr/local/bin'];

/**
 * Looks for ROCm.
 *
 * @param env LD_LIBRARY_PATH is read.
 * @param root another place for `/`, for tests; the paths in the result do not begin with it.
 * @param machine what libraries must be built for, as uname -m.
 */
export async function findRocm(
  env: Readonly<Record<string, string | undefined>>,
  root = '/',
  machine = thisMachine()
): Promise<IGpuFacts> {
  const cache = parseLdCache(await readFile(join(root, 'etc/ld.so.cache')).catch(() => new Uint8Array()));
  const asked = (env['LD_LIBRARY_PATH'] ?? '').split(':').filter(path => path.startsWith('/'));
  const paths: string[] = [];
  for (const directory of [...asked, '/opt/rocm/lib', '/opt/rocm/lib64']) {
    const names = await readdir(join(root, directory)).catch(() => []);
    paths.push(
      ...names
        .filter(name => LIBRARY.test(name))
        .sort()
        .map(name => join(directory, name))
    );
  }
  paths.push(...cache.filter(({ name }) => LIBRARY.test(name)).map(({ path }) => path));
  const libraries = new Map<string, { source: string; names: string[] }>();
  const named = new Set<string>();
  for (const path of paths) {
    const real = await realpath(join(root, path)).catch(() => undefined);
    const object = real === undefined ? undefined : await readSharedObject(real);
    if (real === undefined || object?.bits !== 64 || object.machine !== machine || named.has(basename(path))) {
      continue;
    }
    const known = libraries.get(real) ?? { source: path, names: [] };
    libraries.set(real, known);
    for (const name of [basename(path), ...(object.soname === undefined ? [] : [object.soname])]) {
      if (!named.has(name)) {
        named.add(name);
        known.names.push(name);
      }
    }
  }
  const binaries: string[] = [];
  for (const name of BINARIES) {
    for (const directory of PROGRAMS) {
      if (existsSync(join(root, directory, name))) {
        binaries.push(join(directory, name));
        break;
      }
    }
  }
  const cards = (await readdir(join(root, 'dev/dri')).catch(() => [])).filter(name => /^(card|renderD)\d+$/.test(name));
  const devices = [
    ...(existsSync(join(root, 'dev/kfd')) ? ['/dev/kfd'] : []),
    ...cards.sort().map(name => `/dev/dri/${name}`)
  ];
  const found = [...libraries.values()];
  const hasRocm = found.some(({ source }) => OWN.test(basename(source).replace('drm_amdgpu', '')));
  const notes = devices.includes('/dev/kfd') ? [] : ['/dev/kfd is not there: the kernel driver amdgpu is not loaded'];
  return { libraries: hasRocm ? found : [], binaries, devices, files: [], notes };
}
