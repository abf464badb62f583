// SPDX-License-Identifier: BSD-3-Clause
/** ImageFacts: what an image holds, plain data for the planner. */
import type { Listings } from '../host/facts.ts';

/** The `config` part of an OCI image configuration: what `oci-config.json` in a SIF holds. */
export interface IOciConfig {
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

/** How the root file system of an image can be had on this machine. */
export type RootfsSource =
  /** A squashfs partition in a file. */
  | {
      readonly kind: 'squashfs';
      readonly file: string;
      readonly offset: number;
      readonly size: number;
      readonly compression: string;
    }
  /** An unpacked tree, of the user (sandbox) or of the store. */
  | { readonly kind: 'directory'; readonly directory: string };

export interface IImageFacts {
  /** What the user wrote. */
  readonly name: string;
  /** Absolute path of the SIF, squashfs file or directory. */
  readonly path: string;
  /** Key of the image in the store (`sha256-...`): content of trees, locks. */
  readonly key: string;
  readonly source: RootfsSource;
  /** uname -m form of the architecture, undefined when unknown. */
  readonly machine?: string;
  readonly config?: IOciConfig;
  /** /.singularity.d/env/*.sh in glob order. */
  readonly environmentScripts: readonly { readonly name: string; readonly text: string }[];
  /** Text of /.singularity.d/runscript. */
  readonly runscript?: string;
  readonly passwd?: string;
  readonly group?: string;
  /** `/` and every directory on the way to a path of interest (symlinks followed inside the image). */
  readonly tree: Listings;
  /** Paths of the unpacked trees once they exist; where they would be, otherwise. */
  readonly trees: Readonly<Record<'plain' | 'merged' | 'read-only', string>>;
  /** The overlay partition of a SIF (`apptainer overlay create image.sif`). */
  readonly overlay?: { readonly fileSystem: 'ext3' | 'squashfs'; readonly offset: number; readonly size: number };
  /** The plain tree is there; looked at for each start (run/start.ts), as the rest may be remembered. */
  readonly unpacked?: boolean;
}
