// SPDX-License-Identifier: BSD-3-Clause
/**
 * The vocabulary of a plan: what the launcher (lib-runtime/launcher/) performs, in order.
 * A plan is data; engines/protocol.ts encodes it, launcher/main.c decodes it.
 *
 * Two kinds of path:
 * - `source`, `image`, `stage`, `lower` ...: absolute paths of the host, as seen in the new mount namespace.
 * - `target`, `path`: absolute paths *inside the container*; the launcher resolves them below the root under
 *   construction (openat2 RESOLVE_IN_ROOT), so that a symlink of the image never leads out to the host.
 */

export type Namespace = 'user' | 'mount' | 'pid' | 'ipc' | 'uts';
export type BindFlag = 'rec' | 'ro' | 'nosuid' | 'nodev' | 'noexec';

export type Step =
  /** New namespaces. The id maps go with 'user' and are written from outside by the parent. */
  | {
      readonly op: 'unshare';
      readonly namespaces: readonly Namespace[];
      /** Lines of /proc/PID/uid_map and gid_map (`inside outside count`), when `user` is among the namespaces. */
      readonly uidMap?: string;
      readonly gidMap?: string;
      /** Paths of newuidmap and newgidmap, which write maps that an ordinary user may not write himself. */
      readonly mapHelpers?: readonly [string, string];
    }
  /** Makes every mount a private copy: nothing we do is seen outside. */
  | { readonly op: 'private' }
  /**
   * Mounts an unbindable tmpfs on `stage` (a directory; made when missing) with `stage/root`, a second tmpfs of
   * `sizeBytes`, as the root under construction, and the empty directories `stage/image`, `stage/upper`, `stage/work`.
   */
  | { readonly op: 'stage'; readonly stage: string; readonly sizeBytes: number }
  /** Mounts a squashfs partition of a file through a loop device, read-only, on `mountpoint` (host path, made). */
  | {
      readonly op: 'squashfs';
      readonly image: string;
      readonly offset: number;
      readonly size: number;
      readonly mountpoint: string;
    }
  /**
   * Mounts an ext3 (or ext4) file system in a file through a loop device on `mountpoint` (host path, made), with the
   * directories `upper` and `work` in it when it can be written to. EWOULDBLOCK when another container writes it.
   */
  | {
      readonly op: 'ext3';
      readonly image: string;
      readonly offset: number;
      /** 0: up to the end of the file. */
      readonly size: number;
      readonly mountpoint: string;
      readonly readOnly: boolean;
    }
  /**
   * Mounts a FUSE file system on `mountpoint` (host path, made). `program -f -o OPTIONS SOURCE` serves it: started by
   * the supervisor, outside of the container but for the wish `inside` (in its user namespace, with the mounts made
   * before), and ended with it. `modes`: the kernel checks permission bits, which the program does not.
   */
  | {
      readonly op: 'fuse';
      readonly program: string;
      readonly options: string;
      readonly source: string;
      readonly mountpoint: string;
      readonly wishes: readonly ('ro' | 'modes' | 'inside')[];
    }
  /** Mounts overlayfs on the root under construction. */
  | {
      readonly op: 'overlay';
      readonly lower: readonly string[];
      readonly upper?: string;
      readonly work?: string;
      /** Pass `userxattr` (overlay inside a user namespace). */
      readonly userxattr: boolean;
    }
  /** mkdir -p of the last component; existing directories are fine. */
  | { readonly op: 'mkdir'; readonly path: string; readonly mode: number }
  /** A small file (passwd, group, resolv.conf ...), or an empty bind point. Replaces nothing: EEXIST is an error. */
  | { readonly op: 'file'; readonly path: string; readonly mode: number; readonly content: string }
  | { readonly op: 'symlink'; readonly path: string; readonly target: string }
  /** Bind mount of a host path. A file on a file, a directory on a directory; `optional`: a failure is only noted. */
  | {
      readonly op: 'bind';
      readonly source: string;
      readonly target: string;
      readonly flags: readonly BindFlag[];
      readonly optional?: boolean;
    }
  /** A fresh tmpfs at a container path; `options` such as `mode=1777,size=64m`. */
  | {
      readonly op: 'tmpfs';
      readonly target: string;
      readonly options: string;
      readonly flags: readonly BindFlag[];
    }
  /** A fresh procfs; only valid after a pid namespace. Never planned where the host denies procfs mounts. */
  | { readonly op: 'procfs'; readonly target: string }
  | { readonly op: 'remount'; readonly target: string; readonly flags: readonly BindFlag[] }
  /** pivot_root into the root under construction and detach the old one. */
  | { readonly op: 'pivot' }
  /** chroot into the root under construction (no mount rights needed). */
  | { readonly op: 'chroot'; readonly root: string }
  /** The directory (host path) becomes the root under construction as it is, with no mount. For a root of one's own. */
  | { readonly op: 'tree'; readonly directory: string }
  /** As `file`, but in the place of what is there. */
  | { readonly op: 'write'; readonly path: string; readonly mode: number; readonly content: string }
  /** A copy of a small regular file of the host, in the place of what is there; one that cannot be read is noted. */
  | { readonly op: 'take'; readonly source: string; readonly path: string }
  /** A character device. One that nobody may open here (nodev, a control group) is taken away again and noted. */
  | {
      readonly op: 'device';
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    }
  | { readonly op: 'own'; readonly path: string; readonly uid: number; readonly gid: number }
  /** Opens the ledger of in-place mount points (one per host); sweeps what dead containers left. */
  | { readonly op: 'ledger'; readonly directory: string }
  /**
   * In-place: makes sure that `/name` exists on the host as this kind, writing the ledger first when it has to be
   * made (or when another container made it). `target` is the text of a symlink.
   */
  | {
      readonly op: 'entry';
      readonly kind: 'directory' | 'file' | 'symlink';
      readonly name: string;
      readonly target?: string;
    }
  /** In-place: binds `from` (container path below the root under construction) recursively over the host's `/name`. */
  | { readonly op: 'place'; readonly name: string; readonly from: string }
  /** In-place: hides the host's `/name` behind an empty read-only tmpfs (directory) or an empty file. */
  | { readonly op: 'hide'; readonly name: string; readonly kind: 'directory' | 'file' }
  /** In-place: detaches the stage; from here on container paths are paths of `/`. */
  | { readonly op: 'unstage' }
  | { readonly op: 'hostname'; readonly name: string }
  | { readonly op: 'umask'; readonly mask: number }
  /** Becomes another account for good: groups, gid, uid. Gives it the pipes among the standard streams. */
  | { readonly op: 'account'; readonly uid: number; readonly gid: number; readonly groups: readonly number[] }
  /**
   * The kernel answers 0 and does nothing from here on to chown, set*id, mknod of devices, and to setxattr where file
   * capabilities are refused (launcher/fakeroot.c), so that package managers are content with a single id.
   * Needs `no-new-privileges` before.
   */
  | { readonly op: 'fake-root' }
  | { readonly op: 'no-new-privileges' }
  /** The payload and all below it go without these: numbers of linux/capability.h. */
  | { readonly op: 'drop-capabilities'; readonly numbers: readonly number[] }
  /**
   * The kernel answers ENOSYS to these calls (names of launcher/syscalls.c) from here on, as one that has not got them:
   * libraries fall back to older calls. For PRoot, which does not know them and would let their paths through as they
   * are, to the host. Needs `no-new-privileges` before.
   */
  | { readonly op: 'without-system-calls'; readonly names: readonly string[] }
  /** Tries each directory in order; the first that can be entered wins, the others are noted. */
  | { readonly op: 'chdir'; readonly candidates: readonly string[] }
  /**
   * Last: a process stays when the command has ended, so that others can enter the container (an instance); `command`
   * false: nothing is executed at all. A note says when the command runs.
   */
  | { readonly op: 'hold'; readonly command: boolean }
  /** First: the namespaces and the root of a running process (pid of ours) are entered. */
  | { readonly op: 'join'; readonly pid: number; readonly namespaces: readonly Namespace[] };

/** What is executed after the steps. `argv[0]` is searched on the PATH of `environment` when it holds no slash. */
export interface IExecution {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** A step with the reason that `--dry-run` prints and that an error message quotes. */
export interface IPlannedStep {
  readonly step: Step;
  readonly reason: string;
}
