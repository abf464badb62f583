// SPDX-License-Identifier: BSD-3-Clause
/** HostFacts: what this machine permits and holds, probed once, plain data (DESIGN: ask, plan, launch). */

/** What the launcher's `probe` tries, each in a forked child. */
export const PROBES = [
  'user-namespace',
  'user-full-map',
  'mount-namespace',
  'user-mount-namespace',
  'tmpfs',
  'bind',
  'bind-procfs',
  'fresh-procfs',
  'overlay',
  'user-overlay',
  'pivot-root',
  'chroot',
  'mknod',
  'fuse-device',
  'fuse-mount',
  'loop-device',
  'ptrace',
  'seccomp-filter',
  'seccomp-notification',
  'write-root'
] as const;
export type ProbeName = (typeof PROBES)[number];

export interface IProbeResult {
  readonly ok: boolean;
  /** Symbolic errno of the call that failed. */
  readonly errno?: string;
}

export type Platform = 'colab' | 'kaggle' | 'studio-lab' | 'lightning' | 'codespaces' | 'hub-pod' | 'slurm' | 'generic';

/** One entry of a directory, of the host or of an image. */
export interface INode {
  readonly name: string;
  readonly type: 'directory' | 'file' | 'symlink' | 'other';
  /** Permission bits. */
  readonly mode: number;
  /** Text of a symlink. */
  readonly target?: string;
}

/** Listings by directory (`/`, `/usr` ...); a directory that is absent from the map was not looked at. */
export type Listings = Readonly<Record<string, readonly INode[]>>;

export interface IAccount {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
  readonly gecos: string;
  readonly home: string;
  readonly shell: string;
  readonly groups: readonly { readonly gid: number; readonly name: string }[];
}

/** A range of subuid(5). */
export interface IIdRange {
  readonly start: number;
  readonly count: number;
}

/** Who root becomes with `--as user`. */
export interface IUnprivileged {
  readonly account: IAccount;
  /** Why this one, in words. */
  readonly origin: string;
  /** Its home is there and belongs to it. */
  readonly hasHome: boolean;
  /** What it may do with the caller's working directory. */
  readonly workingDirectory: { readonly enter: boolean; readonly write: boolean };
}

/** A GPU driver's user-space parts found on the host (host/gpu.ts, host/rocm.ts). */
export interface IGpuFacts {
  /** From /proc/driver/nvidia/version, when it can be read. */
  readonly driverVersion?: string;
  /** Host files to bind: `/usr/lib64-nvidia/libcuda.so.550.54.15` under each of its names (`libcuda.so.1`, `libcuda.so`). */
  readonly libraries: readonly { readonly source: string; readonly names: readonly string[] }[];
  readonly binaries: readonly string[];
  readonly devices: readonly string[];
  readonly files: readonly string[];
  /** What was passed over and why (a decoy, another version), for `doctor`. */
  readonly notes: readonly string[];
}

export interface IHostFacts {
  readonly account: IAccount;
  readonly probes: Readonly<Record<ProbeName, IProbeResult>>;
  readonly platform: Platform;
  /** `x86_64`, `aarch64` ... as uname -m. */
  readonly machine: string;
  readonly kernel: string;
  /** Symbolic names of the effective capabilities (`CAP_SYS_ADMIN`). */
  readonly capabilities: readonly string[];
  /** Names of the entries of the host's `/`. */
  readonly root: readonly INode[];
  /** Node-local, 0700, made by us: stage, ledger, sockets. Short (< 60 bytes). */
  readonly runtimeDirectory: string;
  /** MemAvailable, bytes. */
  readonly memoryBytes: number;
  /** Absolute paths of helpers that exist: `proot`, `squashfuse_ll`, `newuidmap` ... */
  readonly tools: Readonly<Record<string, string>>;
  /** Text of /proc/self/uid_map and gid_map, looked at for root only: which ids it may hand on. */
  readonly idMaps?: { readonly uid: string; readonly gid: string };
  /** Ids that newuidmap maps for this (ordinary) user. */
  readonly subordinate?: { readonly uid: IIdRange; readonly gid: IIdRange };
  /** For root only. */
  readonly unprivileged?: IUnprivileged;
  readonly workingDirectory: string;
  readonly umask: number;
  /** Canonical (realpath) form of every host path that the planner needs; null when it does not exist. */
  readonly paths: Readonly<Record<string, { readonly real: string; readonly type: INode['type'] } | null>>;
  /** NVIDIA's driver. */
  readonly gpu?: IGpuFacts;
  /** AMD's ROCm. */
  readonly rocm?: IGpuFacts;
}
