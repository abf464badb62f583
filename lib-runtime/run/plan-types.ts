// SPDX-License-Identifier: BSD-3-Clause
/** The result of planning: plain data that `--dry-run` prints and `launch` performs. */
import type { IExecution, IPlannedStep } from '../engines/steps.ts';
import type { ILimits } from './limits.ts';

/** What must be true of the disk before the launch: the planner asks, images/ provides. */
export type RootfsDemand =
  /** The squashfs partition is mounted by the launcher, with a program that serves it or without: nothing to prepare. */
  | { readonly kind: 'mounted'; readonly server?: string }
  /** An unpacked tree in the store, in the view (store/layout.ts) that the engine needs. */
  | { readonly kind: 'tree'; readonly view: 'plain' | 'merged' | 'read-only'; readonly directory: string }
  /** A tree of this container's own, made at the launch and removed at the end; `directory` stands for its path. */
  | { readonly kind: 'copy'; readonly view: 'plain' | 'merged'; readonly directory: string }
  /** The image is a directory of the user's. */
  | { readonly kind: 'directory'; readonly directory: string };

export interface INote {
  readonly level: 'info' | 'warning';
  readonly text: string;
  /** True of the machine and the image, whatever was asked for: saying it once until the next boot is enough. */
  readonly lasting?: true;
}

/** A directory of the host that is made before the start when it is not there (its parent exists). */
export interface IHostDirectory {
  readonly path: string;
  /** Permission bits, without regard to the umask. */
  readonly mode: number;
}

export interface INamespacesPlan {
  readonly kind: 'plan';
  readonly engine: 'namespaces';
  readonly root: 'pivot' | 'in-place' | 'chroot';
  readonly rootfs: RootfsDemand;
  /** Parents first. */
  readonly hostDirectories?: readonly IHostDirectory[];
  /** Set by a control group of the container's own. */
  readonly limits?: ILimits;
  readonly steps: readonly IPlannedStep[];
  readonly execution: IExecution;
  /** Said once, before the run: every fallback with its reason. */
  readonly notes: readonly INote[];
}

export interface IPtracePlan {
  readonly kind: 'plan';
  readonly engine: 'ptrace';
  readonly root: 'proot';
  readonly rootfs: RootfsDemand;
  /** Parents first. */
  readonly hostDirectories?: readonly IHostDirectory[];
  /** Set by a control group of the container's own. */
  readonly limits?: ILimits;
  /** Absolute path of PRoot and its arguments up to the command. */
  readonly program: string;
  readonly arguments: readonly string[];
  /** Capabilities that PRoot and all below it give up first, so that nobody inside can write what is not his. */
  readonly confinement: readonly string[];
  /** Files to be written to a private temporary directory first; `@NAME@` in arguments stands for their path. */
  readonly files: Readonly<Record<string, string>>;
  /** Empty private directories, removed afterwards; `@NAME@` likewise. */
  readonly directories: readonly string[];
  /** What the launcher does inside, under PRoot, before the command: umask, no-new-privileges, chdir. */
  readonly steps: readonly IPlannedStep[];
  readonly execution: IExecution;
  readonly notes: readonly INote[];
}

export type Plan = INamespacesPlan | IPtracePlan;

/** No way to start here; becomes a ContainerError with code `refused` or the given one. */
export interface IRefusal {
  readonly kind: 'refusal';
  readonly code: 'refused' | 'architecture' | 'usage' | 'not-found';
  /** ContainerError's step when that is not `plan`. */
  readonly step?: string;
  readonly message: string;
  readonly reason: string;
  readonly fix: string;
}
