// SPDX-License-Identifier: BSD-3-Clause
/** RunSpec: what the user asked for, engine-free plain data. */
import type { ILimits } from './limits.ts';

export interface IBind {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface IOverlay {
  readonly path: string;
  readonly readOnly: boolean;
  /** The path is a file with a file system in it (at `offset`; a `size` of 0: up to its end); else a directory. */
  readonly image?: { readonly fileSystem: 'ext3' | 'squashfs'; readonly offset: number; readonly size: number };
}

/** `--security`: who the command runs as, in numbers; the container knows no more of him than it did. */
export interface ISecurity {
  readonly uid?: number;
  /** The first is the primary one. */
  readonly gids?: readonly number[];
}

export interface IRunSpec {
  readonly action: 'exec' | 'run' | 'shell' | 'test' | 'start';
  /** Command and arguments (exec), arguments of the runscript (run) or startscript (start), of the shell (shell), of the test script (test). */
  readonly command: readonly string[];
  /** In the order given; later ones win. */
  readonly binds: readonly IBind[];
  /** `--env`: beats everything in the image. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cleanEnvironment: boolean;
  readonly workingDirectory?: string;
  /** `--home src[:dst]`. */
  readonly home?: { readonly source: string; readonly target: string };
  readonly noHome: boolean;
  /** `--no-mount`: proc, sys, dev, home, tmp, cwd, bind-paths or absolute paths. */
  readonly noMount: readonly string[];
  readonly contain: boolean;
  /** Namespaces of its own beside that of mounts: process ids, System V and POSIX IPC, host name. */
  readonly pid: boolean;
  readonly ipc: boolean;
  readonly uts: boolean;
  /** umask 0022 instead of the caller's. */
  readonly noUmask: boolean;
  /** `--scratch`: absolute paths inside that get an empty directory. */
  readonly scratch: readonly string[];
  /** `--workdir`: an existing directory of the host that keeps what --contain and --scratch would lose. */
  readonly workdir?: string;
  /** `--dns`: addresses of the name servers in the container's resolv.conf, instead of the host's file. */
  readonly dns: readonly string[];
  /** `--net` was asked for; the host's network is shared all the same. */
  readonly network: boolean;
  /** `--userns`: a user namespace also for root. */
  readonly userNamespace: boolean;
  /** `--fakeroot`: root inside, by a user namespace. */
  readonly fakeroot: boolean;
  /**
   * `--as`, absent for `auto` (the caller's own account): `user` an account without rights also where the caller is
   * root, `root` root itself or else fakeroot, `fakeroot` as `--fakeroot`.
   */
  readonly as?: 'user' | 'root' | 'fakeroot';
  /** `--no-privs`, `--keep-privs`. */
  readonly noPrivileges: boolean;
  readonly keepPrivileges: boolean;
  /** `--add-caps`, `--drop-caps`: symbolic names (`CAP_CHOWN`), `CAP_ALL` for every one. */
  readonly addCapabilities: readonly string[];
  readonly dropCapabilities: readonly string[];
  readonly security?: ISecurity;
  /** `--memory`, `--cpus` and the like. */
  readonly limits?: ILimits;
  /** `--unsquash`: the image is unpacked, also where its squashfs could be mounted. */
  readonly unsquash: boolean;
  /** `--writable`: an image that is a directory is changed in place. */
  readonly writable: boolean;
  readonly writableTmpfs: boolean;
  /**
   * `--overlay-driver`, absent for `auto`: what lays changes over the image. `auto` is the kernel's overlayfs, else for
   * --writable-tmpfs a copy of the image.
   */
  readonly overlayDriver?: 'kernel' | 'fuse' | 'copy';
  /** `--overlay`, in the order given. */
  readonly overlays: readonly IOverlay[];
  /** The instance that is started (it stays when its command has ended), or entered. */
  readonly instance?: { readonly name: string; readonly keeps: boolean };
  /** `--app`: name of a SCIF app of the image. */
  readonly app?: string;
  readonly nv: boolean;
  readonly rocm: boolean;
  readonly shell?: string;
  readonly engine?: 'namespaces' | 'ptrace';
  readonly root?: 'pivot' | 'in-place' | 'chroot';
  readonly noEval: boolean;
  readonly hostname?: string;
}

export const DEFAULT_SPEC: Omit<IRunSpec, 'action' | 'command'> = {
  binds: [],
  environment: {},
  cleanEnvironment: false,
  noHome: false,
  noMount: [],
  contain: false,
  pid: false,
  ipc: false,
  uts: false,
  noUmask: false,
  scratch: [],
  dns: [],
  network: false,
  userNamespace: false,
  fakeroot: false,
  noPrivileges: false,
  keepPrivileges: false,
  addCapabilities: [],
  dropCapabilities: [],
  unsquash: false,
  writable: false,
  writableTmpfs: false,
  overlays: [],
  nv: false,
  rocm: false,
  noEval: false
};
