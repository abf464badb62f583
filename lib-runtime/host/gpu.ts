// SPDX-License-Identifier: BSD-3-Clause
/**
 * Finds the user-space part of the NVIDIA driver on any machine (runtimes.md 3.2, 3.3): every library whose name ends in
 * the version of the loaded kernel driver, wherever the platform put it. Libraries of other versions (cuda-compat,
 * leftovers of apt) and stubs for the linker are passed over; GLVND's libraries, which the distribution built against
 * its own C library, are never taken.
 */
import { access, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { machine as thisMachine } from 'node:os';
import { join } from 'node:path';
import type { IGpuFacts } from './facts.ts';
import { parseLdCache } from './ld-cache.ts';
import { type ISharedObject, readSharedObject } from './shared-object.ts';

const MULTIARCH: Readonly<Record<string, string>> = { x86_64: 'x86_64-linux-gnu', aarch64: 'aarch64-linux-gnu' };
const BINARIES = [
  'nvidia-smi',
  'nvidia-debugdump',
  'nvidia-persistenced',
  'nvidia-cuda-mps-control',
  'nvidia-cuda-mps-server'
];
const BINARY_DIRECTORIES = [
  '/usr/local/nvidia/bin',
  '/opt/bin',
  '/usr/bin',
  '/usr/local/bin',
  '/run/current-system/sw/bin'
];
const FILES = [
  '/usr/share/glvnd/egl_vendor.d/10_nvidia.json',
  '/usr/share/vulkan/icd.d/nvidia_icd.json',
  '/etc/vulkan/icd.d/nvidia_icd.json',
  '/usr/share/vulkan/implicit_layer.d/nvidia_layers.json',
  '/usr/share/egl/egl_external_platform.d/15_nvidia_gbm.json',
  '/usr/share/egl/egl_external_platform.d/10_nvidia_wayland.json',
  '/usr/share/nvidia/nvoptix.bin'
];
const WSL = '/usr/lib/wsl';
/** Dispatch libraries of GLVND and the OpenCL loader: the image has its own. */
const GLVND = /^lib(GL|EGL|GLX|GLdispatch|OpenGL|GLESv1_CM|GLESv2|OpenCL)\.so/;
/** Found by programs under the name without a number, too. */
const PLAIN_NAMES = ['libcuda.so', 'libnvidia-ml.so'];
const STUB = /\/stubs(\/|$)/;
const COMPAT = /\/compat(\/|$)/;

interface ILibrary {
  readonly source: string;
  readonly names: readonly string[];
}

/**
 * Looks for the driver.
 *
 * @param env LD_LIBRARY_PATH and PATH are read.
 * @param root another place for `/`, for tests; the paths in the result do not begin with it.
 * @param machine what libraries must be built for, as uname -m.
 */
export async function findDriver(
  env: Readonly<Record<string, string | undefined>>,
  root = '/',
  machine = thisMachine()
): Promise<IGpuFacts> {
  const notes: string[] = [];
  const [loaded, directories] = await Promise.all([loadedVersion(root), candidateDirectories(env, root, machine)]);
  if (await exists(join(root, WSL, 'lib/libdxcore.so'))) {
    return wslDriver(root, machine, notes);
  }
  let version = loaded;
  const libraries = new Map<string, ILibrary>();
  for (const directory of directories) {
    const names = await listOf(join(root, directory));
    const own = names.filter(name => /^lib(cuda|nvidia-ml)\.so/.test(name));
    if (own.length > 0 && (STUB.test(directory) || COMPAT.test(directory))) {
      const what = STUB.test(directory) ? 'stubs for the linker' : 'the cuda-compat package of another driver version';
      notes.push(`${directory} is passed over: ${what}`);
      continue;
    }
    version ??= await versionIn(directory, own, root, machine);
    if (version === undefined) {
      continue;
    }
    for (const other of own.filter(name => fullVersion(name) !== undefined && fullVersion(name) !== version)) {
      notes.push(`${directory}/${other} is passed over: the driver is ${version}`);
    }
    for (const sub of ['', 'vdpau/']) {
      const found = sub === '' ? names : await listOf(join(root, directory, sub));
      await takeLibraries({ directory: join(directory, sub), names: found, version, root, machine, libraries, notes });
    }
  }
  if (loaded === undefined) {
    notes.push('/proc/driver/nvidia/version cannot be read: the kernel driver is not loaded, or not shown here');
  }
  if (libraries.size === 0 && version !== undefined) {
    notes.push(`no libraries of driver ${version} were found in ${directories.join(', ')}`);
  }
  const [binaries, devices, files] = await Promise.all([
    findBinaries(env, root),
    findDevices(root),
    existing(FILES, root)
  ]);
  const libraryList = [...libraries.values()];
  return {
    ...(version !== undefined && { driverVersion: version }),
    libraries: libraryList,
    binaries: libraryList.length > 0 ? binaries : [],
    devices,
    files: libraryList.length > 0 ? files : [],
    notes
  };
}

/** `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build` and its older form. */
async function loadedVersion(root: string): Promise<string | undefined> {
  const text = await readFile(join(root, 'proc/driver/nvidia/version'), 'utf8').catch(() => '');
  return /Kernel Module(?:\s+for\s+\S+)?\s+(\d+(?:\.\d+)+)/.exec(text)?.[1];
}

async function candidateDirectories(
  env: Readonly<Record<string, string | undefined>>,
  root: string,
  machine: string
): Promise<string[]> {
  const asked = (env['LD_LIBRARY_PATH'] ?? '').split(':').filter(path => path.startsWith('/'));
  const multiarch = MULTIARCH[machine];
  const cache = await readFile(join(root, 'etc/ld.so.cache')).catch(() => new Uint8Array());
  const cached = parseLdCache(cache)
    .filter(({ name }) => /^lib(cuda|nvidia-ml)\.so/.test(name))
    .map(({ path }) => path.slice(0, path.lastIndexOf('/')));
  const known = [
    ...asked,
    '/usr/lib64-nvidia',
    '/usr/local/nvidia/lib64',
    '/run/opengl-driver/lib',
    ...(multiarch === undefined ? [] : [`/usr/lib/${multiarch}/nvidia/current`, `/usr/lib/${multiarch}`]),
    '/usr/lib64/nvidia',
    '/usr/lib64',
    '/usr/lib',
    ...cached
  ];
  const clean = known.map(path => path.replace(/\/+/g, '/').replace(/(.)\/$/, '$1'));
  // One directory under two names (/lib -> usr/lib, a link in LD_LIBRARY_PATH) is looked at once.
  const seen = new Set<string>();
  const unique: string[] = [];
  for (const path of clean) {
    const real = await realpath(join(root, path)).catch(() => undefined);
    if (real !== undefined && !seen.has(real)) {
      seen.add(real);
      unique.push(path);
    }
  }
  return unique;
}

/** The version at the end of `libcuda.so.550.54.15`; undefined for `libcuda.so.1`. */
function fullVersion(name: string): string | undefined {
  return /\.so\.(\d+\.\d+(?:\.\d+)*)$/.exec(name)?.[1];
}

/** Without a loaded driver to ask: the version of a libcuda or libnvidia-ml that fits this machine. */
async function versionIn(
  directory: string,
  names: readonly string[],
  root: string,
  machine: string
): Promise<string | undefined> {
  for (const name of names) {
    const version = fullVersion(name);
    if (version !== undefined && fits(await readSharedObject(join(root, directory, name)), machine)) {
      return version;
    }
  }
  return undefined;
}

function fits(object: ISharedObject | undefined, machine: string): boolean {
  return object?.bits === 64 && object.machine === machine;
}

interface ISearch {
  readonly directory: string;
  readonly names: readonly string[];
  readonly version: string;
  readonly root: string;
  readonly machine: string;
  readonly libraries: Map<string, ILibrary>;
  readonly notes: string[];
}

/** Adds the libraries of one directory that end in the driver's version; the first directory that has one wins. */
async function takeLibraries(search: ISearch): Promise<void> {
  const { directory, names, version, root, machine, libraries, notes } = search;
  const wanted = names.filter(
    name =>
      (name.endsWith(`.so.${version}`) || /^libnvidia-nvvm70\.so\.\d/.test(name)) &&
      !GLVND.test(name) &&
      !libraries.has(name)
  );
  if (wanted.length === 0) {
    return;
  }
  const aliases = await aliasesIn(join(root, directory), names);
  const objects = await Promise.all(wanted.map(name => readSharedObject(join(root, directory, name))));
  for (const [index, name] of wanted.entries()) {
    const object = objects[index];
    if (!fits(object, machine)) {
      const what = object === undefined ? 'it is no shared library' : `it is for ${object.machine}`;
      notes.push(`${join(directory, name)} is passed over: ${what}`);
      continue;
    }
    const real = await realpath(join(root, directory, name)).catch(() => '');
    const plain = PLAIN_NAMES.filter(short => name.startsWith(`${short}.`));
    const all = [
      name,
      ...(object?.soname === undefined ? [] : [object.soname]),
      ...plain,
      ...(aliases.get(real) ?? [])
    ];
    libraries.set(name, { source: join(directory, name), names: [...new Set(all)] });
  }
}

/** Names of shared objects in a directory by the file that they lead to. */
async function aliasesIn(directory: string, names: readonly string[]): Promise<Map<string, string[]>> {
  const shared = names.filter(
    name => /\.so(\.|$)/.test(name) && /nvidia|cuda|nvcuvid|nvoptix|GLX|vdpau|EGL/i.test(name)
  );
  const reals = await Promise.all(shared.map(name => realpath(join(directory, name)).catch(() => undefined)));
  const aliases = new Map<string, string[]>();
  reals.forEach((real, index) => {
    const name = shared[index];
    if (real !== undefined && name !== undefined) {
      aliases.set(real, [...(aliases.get(real) ?? []), name]);
    }
  });
  return aliases;
}

/** Windows Subsystem for Linux: one directory holds everything, and the paths of its drivers stay what they are. */
async function wslDriver(root: string, machine: string, notes: readonly string[]): Promise<IGpuFacts> {
  const directory = `${WSL}/lib`;
  const names = (await listOf(join(root, directory))).filter(name => /\.so(\.\d+)*$/.test(name));
  const objects = await Promise.all(names.map(name => readSharedObject(join(root, directory, name))));
  const libraries = names
    .filter((_, index) => fits(objects[index], machine))
    .map(name => ({ source: `${directory}/${name}`, names: [name] }));
  return {
    libraries,
    binaries: await existing([`${directory}/nvidia-smi`], root),
    devices: await existing(['/dev/dxg'], root),
    files: await existing([`${WSL}/drivers/`], root),
    notes
  };
}

/** Where nvidia-smi is; undefined where it is not. */
export async function findNvidiaSmi(
  env: Readonly<Record<string, string | undefined>>,
  root: string
): Promise<string | undefined> {
  const [wsl] = await existing([`${WSL}/lib/nvidia-smi`], root);
  return wsl ?? (await findBinaries(env, root)).find(path => path.endsWith('/nvidia-smi'));
}

async function findBinaries(env: Readonly<Record<string, string | undefined>>, root: string): Promise<string[]> {
  const path = (env['PATH'] ?? '').split(':').filter(directory => directory.startsWith('/'));
  const directories = [...new Set([...path, ...BINARY_DIRECTORIES])];
  const found = await Promise.all(
    BINARIES.map(
      async name =>
        (
          await existing(
            directories.map(directory => join(directory, name)),
            root
          )
        )[0]
    )
  );
  return found.filter(file => file !== undefined);
}

async function findDevices(root: string): Promise<string[]> {
  const names = (await listOf(join(root, 'dev'))).filter(name =>
    /^nvidia(ctl|-uvm|-uvm-tools|-modeset|\d+)$/.test(name)
  );
  const caps = await listOf(join(root, 'dev/nvidia-caps'));
  return [...names.map(name => `/dev/${name}`), ...caps.map(name => `/dev/nvidia-caps/${name}`)];
}

async function listOf(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(() => [])).sort();
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false
  );
}

/** Those of the paths that exist; one that ends in a slash must be a directory. */
async function existing(paths: readonly string[], root: string): Promise<string[]> {
  const there = await Promise.all(
    paths.map(path =>
      stat(join(root, path)).then(
        status => status.isDirectory() === path.endsWith('/'),
        () => false
      )
    )
  );
  return paths.filter((_, index) => there[index]);
}
