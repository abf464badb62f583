// SPDX-License-Identifier: BSD-3-Clause
/** Where the image's files come from in a namespaces plan: a squashfs mounted by the launcher, a tree, a directory. */
import type { Step } from '../engines/steps.ts';
import type { IHostFacts } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { errnoText } from './identity.ts';
import type { INote, RootfsDemand } from './plan-types.ts';

export interface IRootfs {
  readonly demand: RootfsDemand;
  /** Host path below which the files are once the steps before the root's have been performed. */
  readonly path: string;
  readonly step?: { readonly step: Step; readonly reason: string };
  readonly notes: readonly INote[];
}

/** Host path of the directory where a root is assembled. */
export function stageOf(host: Pick<IHostFacts, 'runtimeDirectory'>): string {
  return `${host.runtimeDirectory}/stage`;
}

/** Compressions that the kernel's squashfs knows (fs/squashfs/decompressor.c). */
const KERNEL_COMPRESSIONS = new Set(['gzip', 'zlib', 'zstd', 'xz', 'lz4', 'lzo']);

/**
 * Pure. `merged` asks for the view with /bin, /sbin and /lib* below /usr, which only a tree can have; `unsquash` for a
 * tree in any case.
 */
export function chooseRootfs(
  image: IImageFacts,
  host: IHostFacts,
  stage: string,
  privileged: boolean,
  merged: boolean,
  unsquash = false
): IRootfs {
  const { source } = image;
  if (merged) {
    return {
      demand: { kind: 'tree', view: 'merged', directory: image.trees.merged },
      path: image.trees.merged,
      notes: [
        {
          level: 'info',
          lasting: true,
          text: 'the host keeps /bin and /lib in /usr and the image does not: a view of the image that does is made once'
        }
      ]
    };
  }
  if (source.kind === 'directory') {
    return { demand: { kind: 'directory', directory: source.directory }, path: source.directory, notes: [] };
  }
  const denied = unsquash ? '--unsquash was asked for' : whyNotMounted(source.compression, host, privileged);
  if (denied === undefined) {
    const { file, offset, size } = source;
    const mountpoint = `${stage}/image`;
    return {
      demand: { kind: 'mounted' },
      path: mountpoint,
      step: {
        step: { op: 'squashfs', image: file, offset, size, mountpoint },
        reason: "the image's squashfs partition"
      },
      notes: []
    };
  }
  return {
    demand: { kind: 'tree', view: 'plain', directory: image.trees.plain },
    path: image.trees.plain,
    notes: [{ level: 'info', lasting: true, text: `the image is used from a directory, unpacked once: ${denied}` }]
  };
}

function whyNotMounted(compression: string, host: IHostFacts, privileged: boolean): string | undefined {
  if (!privileged) {
    return 'mounting its squashfs needs root';
  }
  if (!host.probes['loop-device'].ok) {
    return `no loop device can be used here${errnoText(host.probes['loop-device'])}`;
  }
  return KERNEL_COMPRESSIONS.has(compression) ? undefined : `the kernel does not read ${compression} squashfs`;
}
