// SPDX-License-Identifier: BSD-3-Clause
/**
 * What each stand-in is, as data. The facts and where they come from: docs/platforms.md. What is only inferred there
 * (which security module Colab uses, whether Kaggle is docker's default) is inferred here too: a stand-in is the
 * strictest reading, so that what starts on it has a chance on the platform.
 */
import { dirname } from 'node:path';

export const STAND_INS = ['vm-root', 'colab-2023', 'colab', 'kaggle', 'studio-lab', 'hub-pod', 'hpc'] as const;
export type StandInName = (typeof STAND_INS)[number];

export interface IStandInAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface IRecipe {
  readonly summary: string;
  /** `machine`: this machine's own /dev and /sys. `docker`: as docker lays them, with its masked paths. */
  readonly layout: 'machine' | 'docker';
  /** Absent: all that the caller has. */
  readonly capabilities?: readonly Capability[];
  readonly dockerSeccomp: boolean;
  readonly denyProcfsMounts: boolean;
  /** EACCES to every mount, as AppArmor's `docker-default` (`deny mount,`); namespaces can still be made. */
  readonly denyMounts?: boolean;
  readonly noNewPrivileges?: boolean;
  readonly devFuse: boolean;
  /** `machine` layout only: a /dev without /dev/fuse, whose loop devices are root's alone. */
  readonly ownDev?: boolean;
  /** Absent: the command is root. Its home is made; directories below it are its own. */
  readonly account?: IStandInAccount;
  /** Mount points of file systems of their own, which belong to the account. */
  readonly fileSystems?: readonly string[];
  readonly hostname?: string;
  /** Top-level directories that start empty: they are not part of a platform's image. */
  readonly fresh: readonly string[];
  /** Programs that the platform's image lacks, where Debian has them; hidden when the machine has them. */
  readonly lacks: readonly string[];
  readonly directories: readonly string[];
  /** Absent: the caller's. */
  readonly cwd?: string;
  /** The whole environment; absent: the caller's. PATH gets the folder of the running Node in front. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** include/uapi/linux/capability.h */
const CAPABILITY_BITS = {
  chown: 0,
  dac_override: 1,
  fowner: 3,
  fsetid: 4,
  kill: 5,
  setgid: 6,
  setuid: 7,
  setpcap: 8,
  net_bind_service: 10,
  net_raw: 13,
  sys_chroot: 18,
  sys_admin: 21,
  mknod: 27,
  audit_write: 29,
  setfcap: 31
} as const;
export type Capability = keyof typeof CAPABILITY_BITS;

/** moby, oci/caps/defaults.go */
const DOCKER_CAPABILITIES: readonly Capability[] = [
  'chown',
  'dac_override',
  'fsetid',
  'fowner',
  'mknod',
  'net_raw',
  'setgid',
  'setuid',
  'setfcap',
  'setpcap',
  'net_bind_service',
  'sys_chroot',
  'kill',
  'audit_write'
];

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const FRESH = ['/root', '/tmp', '/run', '/mnt', '/media'];

/** googlecolab/backend-info, apt-list-gpu.txt; Kaggle's image is built from Colab's. */
const LACKING = [
  ...['apptainer', 'singularity', 'bwrap', 'docker', 'podman', 'fakeroot', 'fusermount3', 'newuidmap', 'newgidmap'],
  ...['squashfuse', 'squashfuse_ll', 'fuse-overlayfs', 'mksquashfs', 'unsquashfs', 'umoci', 'skopeo']
];

/** What `fuse` brings back. */
const FUSE_PROGRAMS = ['squashfuse', 'squashfuse_ll', 'fuse-overlayfs', 'fusermount3'];

/** What the two times of Colab have in common. */
const COLAB: Omit<IRecipe, 'summary'> = {
  layout: 'docker',
  capabilities: [...DOCKER_CAPABILITIES, 'sys_admin'],
  dockerSeccomp: false,
  denyProcfsMounts: false,
  devFuse: true,
  hostname: 'c0ffee5eed01',
  fresh: FRESH,
  directories: ['/content', '/content/sample_data', '/usr/lib64-nvidia'],
  lacks: [...LACKING, 'proot'],
  cwd: '/content',
  environment: {
    PATH: `${SYSTEM_PATH}:/tools/node/bin`,
    HOME: '/root',
    LANG: 'en_US.UTF-8',
    SHELL: '/bin/bash',
    LD_LIBRARY_PATH: '/usr/lib64-nvidia',
    MPLBACKEND: 'module://matplotlib_inline.backend_inline',
    PYTHONPATH: '/env/python',
    COLAB_RELEASE_TAG: 'release-colab_20260819-060046_RC00',
    COLAB_BACKEND_VERSION: 'next',
    COLAB_GPU: '',
    CLOUDSDK_CONFIG: '/content/.config',
    DATALAB_SETTINGS_OVERRIDES: '{"kernelManagerProxyPort":6000}'
  }
};

export const RECIPES: Readonly<Record<StandInName, IRecipe>> = {
  'vm-root': {
    summary: 'root of a virtual machine of your own',
    layout: 'machine',
    dockerSeccomp: false,
    denyProcfsMounts: false,
    devFuse: false,
    fresh: [],
    directories: [],
    lacks: []
  },
  'colab-2023': {
    ...COLAB,
    summary: 'Google Colab until March 2025: root with CAP_SYS_ADMIN, every mount permitted',
    hostname: 'c0ffee5eed00',
    environment: { ...COLAB.environment, COLAB_RELEASE_TAG: 'release-colab_20230601-060056_RC00' }
  },
  colab: {
    ...COLAB,
    summary: 'Google Colab since March 2025: root with CAP_SYS_ADMIN, no mount that involves procfs',
    denyProcfsMounts: true
  },
  kaggle: {
    summary: "Kaggle Notebooks, taken as docker's defaults: root without CAP_SYS_ADMIN, no mounts, no namespaces",
    layout: 'docker',
    capabilities: DOCKER_CAPABILITIES,
    dockerSeccomp: true,
    denyProcfsMounts: false,
    devFuse: false,
    hostname: 'facade5eed02',
    fresh: FRESH,
    directories: ['/kaggle/working', '/kaggle/input', '/kaggle/lib', '/usr/local/nvidia/lib64'],
    lacks: LACKING,
    cwd: '/kaggle/working',
    environment: {
      PATH: `${SYSTEM_PATH}:/tools/node/bin`,
      HOME: '/root',
      LANG: 'C.UTF-8',
      SHELL: '/bin/bash',
      LD_LIBRARY_PATH: '/usr/local/nvidia/lib64',
      MPLBACKEND: 'agg',
      MKL_THREADING_LAYER: 'GNU',
      PYTHONUSERBASE: '/root/.local',
      KAGGLE_KERNEL_RUN_TYPE: 'Interactive',
      KAGGLE_URL_BASE: 'https://www.kaggle.com'
    }
  },
  'studio-lab': {
    summary: "SageMaker Studio Lab: an ordinary account in docker's defaults, no sudo",
    layout: 'docker',
    capabilities: DOCKER_CAPABILITIES,
    dockerSeccomp: true,
    denyProcfsMounts: false,
    devFuse: false,
    account: { name: 'studio-lab-user', uid: 1000, gid: 1000, home: '/home/studio-lab-user' },
    hostname: 'default',
    fresh: [...FRESH, '/home'],
    directories: ['/home/studio-lab-user'],
    lacks: [...LACKING, 'sudo', 'su'],
    cwd: '/home/studio-lab-user',
    environment: {
      PATH: `/home/studio-lab-user/.conda/envs/default/bin:/opt/conda/bin:${SYSTEM_PATH}`,
      HOME: '/home/studio-lab-user',
      USER: 'studio-lab-user',
      LANG: 'en_US.utf-8',
      SHELL: '/bin/bash',
      CONDA_PREFIX: '/home/studio-lab-user/.conda/envs/default',
      CONDA_DEFAULT_ENV: 'default'
    }
  },
  'hub-pod': {
    summary: 'a JupyterHub pod of Kubernetes under AppArmor: an ordinary account, user namespaces, no mount at all',
    layout: 'docker',
    capabilities: DOCKER_CAPABILITIES,
    dockerSeccomp: false,
    denyProcfsMounts: false,
    denyMounts: true,
    noNewPrivileges: true,
    devFuse: false,
    account: { name: 'jovyan', uid: 1000, gid: 100, home: '/home/jovyan' },
    hostname: 'jupyter-ada',
    fresh: [...FRESH, '/home'],
    directories: ['/home/jovyan'],
    lacks: LACKING,
    cwd: '/home/jovyan',
    environment: {
      PATH: `/opt/conda/bin:${SYSTEM_PATH}`,
      HOME: '/home/jovyan',
      LANG: 'C.UTF-8',
      SHELL: '/bin/bash',
      NB_USER: 'jovyan',
      NB_UID: '1000',
      NB_GID: '100',
      CONDA_DIR: '/opt/conda',
      XDG_CACHE_HOME: '/home/jovyan/.cache/',
      KUBERNETES_SERVICE_HOST: '10.0.0.1',
      KUBERNETES_SERVICE_PORT: '443',
      JUPYTERHUB_USER: 'ada',
      JUPYTERHUB_SERVICE_PREFIX: '/user/ada/'
    }
  },
  hpc: {
    summary: 'a compute node of a cluster: an ordinary account, user namespaces, no FUSE, home on another file system',
    layout: 'machine',
    dockerSeccomp: false,
    denyProcfsMounts: false,
    devFuse: false,
    ownDev: true,
    account: { name: 'ada', uid: 1000, gid: 1000, home: '/home/ada' },
    fileSystems: ['/home/ada'],
    hostname: 'node042',
    fresh: [...FRESH, '/home'],
    directories: [],
    // The cluster's own Apptainer is left out, so that what starts here starts without it.
    lacks: [...LACKING, 'proot', 'sudo'],
    cwd: '/home/ada',
    environment: {
      PATH: SYSTEM_PATH,
      HOME: '/home/ada',
      USER: 'ada',
      LOGNAME: 'ada',
      LANG: 'en_US.UTF-8',
      SHELL: '/bin/bash',
      // Inherited from the login node; the compute node has no such directory.
      XDG_RUNTIME_DIR: '/run/user/1000',
      SLURM_JOB_ID: '4711',
      SLURM_CPUS_ON_NODE: '2',
      SLURM_JOB_PARTITION: 'short'
    }
  }
};

export interface IStandInOptions {
  /** Paths of the machine that the command may write; everything else it writes vanishes with it. */
  readonly binds?: readonly string[];
  /** Paths of the machine that must be visible although the stand-in hides or lacks them. */
  readonly readOnlyBinds?: readonly string[];
  /** On top of the stand-in's own. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Docker's default seccomp profile as well (colab: pivot_root fails then, as fsquillace/junest#247 saw in 2020). */
  readonly dockerSeccomp?: boolean;
  /** With /dev/fuse and the programs that serve squashfs and overlays, as an administrator may have installed them. */
  readonly fuse?: boolean;
  /** A root file system to stand on instead of the machine's (platforms/apptainer-root.ts). */
  readonly lower?: string;
}

/** Mask of /proc/PID/status, in hexadecimal. */
export function capabilityMask(capabilities: readonly Capability[]): string {
  return capabilities.reduce((mask, name) => mask | (1n << BigInt(CAPABILITY_BITS[name])), 0n).toString(16);
}

/** Arguments of the `standin` program (platforms/standin/main.c) up to and with `--`. */
export function standInArguments(recipe: IRecipe, options: IStandInOptions): string[] {
  const cwd = options.cwd ?? recipe.cwd ?? process.cwd();
  const { account } = recipe;
  return [
    ...(recipe.layout === 'docker' ? ['--docker-layout'] : ['--shared-root']),
    ...(recipe.capabilities === undefined ? [] : ['--capabilities', capabilityMask(recipe.capabilities)]),
    ...(recipe.dockerSeccomp || options.dockerSeccomp === true ? ['--docker-seccomp'] : []),
    ...(recipe.denyProcfsMounts ? ['--deny-procfs-mounts'] : []),
    ...(recipe.denyMounts === true ? ['--deny-mounts'] : []),
    ...(recipe.noNewPrivileges === true ? ['--no-new-privileges'] : []),
    ...(recipe.devFuse || options.fuse === true ? ['--dev-fuse'] : []),
    ...(recipe.ownDev === true ? ['--own-dev'] : []),
    ...(account === undefined ? [] : ['--account', [account.name, account.uid, account.gid, account.home].join(':')]),
    ...(recipe.fileSystems ?? []).flatMap(path => ['--tmpfs', path]),
    ...(recipe.hostname === undefined ? [] : ['--hostname', recipe.hostname]),
    ...(options.lower === undefined ? [] : ['--lower', options.lower]),
    ...recipe.fresh.flatMap(path => ['--fresh', path]),
    // A tree of its own brings what it brings.
    ...(options.lower === undefined ? recipe.lacks : [])
      .filter(name => options.fuse !== true || !FUSE_PROGRAMS.includes(name))
      .flatMap(name => ['--hide', `/usr/bin/${name}`]),
    ...recipe.directories.flatMap(path => ['--directory', path]),
    ...(options.readOnlyBinds ?? []).flatMap(path => ['--bind-read-only', path]),
    ...(options.binds ?? []).flatMap(path => ['--bind', path]),
    '--cwd',
    cwd,
    '--'
  ];
}

/** The environment of the command: the recipe's (or `inherited`), the options', and `node` in front on PATH. */
export function standInEnvironment(
  recipe: IRecipe,
  options: IStandInOptions,
  inherited: Readonly<NodeJS.ProcessEnv>,
  node: string
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(recipe.environment ?? inherited)) {
    if (value !== undefined) {
      environment[name] = value;
    }
  }
  if (recipe.environment !== undefined && inherited['TERM'] !== undefined) {
    environment['TERM'] = inherited['TERM'];
  }
  Object.assign(environment, options.environment);
  environment['PATH'] = [dirname(node), ...(environment['PATH'] ?? SYSTEM_PATH).split(':')].join(':');
  return environment;
}
