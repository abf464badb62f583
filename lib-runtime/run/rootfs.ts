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

/** What of the rest of the plan decides where the files come from. */
export interface ICircumstances {
  /** Real root, with no user namespace. */
  readonly privileged: boolean;
  /** Identity's. */
  readonly severalIds: boolean;
  /** The view with /bin, /sbin and /lib* below /usr is needed, which only a tree can have. */
  readonly merged: boolean;
  /** A tree is wanted in any case. */
  readonly unsquash: boolean;
  /** Changes go to an overlay over the image: the kernel's, or that of fuse-overlayfs. */
  readonly writtenOver?: 'kernel' | 'fuse' | undefined;
}

/** Pure. The kernel's squashfs by a loop device, else a tree that is there, else squashfuse_ll, else a tree. */
export function chooseRootfs(image: IImageFacts, host: IHostFacts, stage: string, by: ICircumstances): IRootfs {
  const { source } = image;
  if (by.merged) {
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
  if (by.unsquash) {
    return tree(image, '--unsquash was asked for');
  }
  const { file, offset, size } = source;
  const mountpoint = `${stage}/image`;
  const denied = whyNotMounted(source.compression, host, by.privileged);
  if (denied === undefined) {
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
  const server = squashfuse(host);
  const unserved = by.writtenOver && whyNotWrittenOver(host, by.severalIds, by.writtenOver === 'kernel');
  if (server === undefined || unserved !== undefined) {
    return tree(image, `${denied}${server === undefined ? withoutServer(host) : `, and ${unserved ?? ''}`}`);
  }
  if (image.unpacked) {
    return tree(image, denied);
  }
  return {
    demand: { kind: 'mounted', server },
    path: mountpoint,
    step: {
      step: squashfuseStep(server, { file, offset }, mountpoint, by.severalIds),
      reason: `the image's squashfs partition by FUSE: ${denied}`
    },
    notes: [{ level: 'info', lasting: true, text: `squashfuse_ll (FUSE) serves the image: ${denied}` }]
  };
}

/**
 * The program that serves squashfs here. The one with many threads alone: the plain `squashfuse` is two to three times
 * slower at what Python does, and a tree is the better choice.
 */
export function squashfuse(host: IHostFacts): string | undefined {
  return host.probes['fuse-mount'].ok ? host.tools['squashfuse_ll'] : undefined;
}

/**
 * The mount of a squashfs at `offset` of a file. Where there is one id only, all files but the caller's belong to
 * nobody, and whoever runs the container may read what is his: modes are not checked then.
 */
export function squashfuseStep(
  program: string,
  { file, offset }: { readonly file: string; readonly offset: number },
  mountpoint: string,
  severalIds: boolean
): Step {
  return {
    op: 'fuse',
    program,
    options: offset === 0 ? '' : `offset=${offset}`,
    source: file,
    mountpoint,
    wishes: severalIds ? ['ro', 'modes'] : ['ro']
  };
}

/** The mount of a squashfs that cannot be unpacked instead: a layer of --overlay. */
export function squashfsLayer(
  source: { readonly file: string; readonly offset: number; readonly size: number },
  mountpoint: string,
  host: IHostFacts,
  { privileged, severalIds }: Pick<ICircumstances, 'privileged' | 'severalIds'>
): { readonly step: Step } | { readonly denied: string } {
  const denied = whyNotMounted('zstd', host, privileged);
  const server = squashfuse(host);
  if (denied === undefined) {
    const { file, offset, size } = source;
    return { step: { op: 'squashfs', image: file, offset, size, mountpoint } };
  }
  return server === undefined
    ? { denied: `${denied}${withoutServer(host)}` }
    : { step: squashfuseStep(server, source, mountpoint, severalIds) };
}

/** The second half of a sentence on what was denied. */
function withoutServer({ probes }: IHostFacts): string {
  return probes['fuse-mount'].ok ? ', and for FUSE there is no squashfuse_ll' : '';
}

function tree(image: IImageFacts, why: string): IRootfs {
  return {
    demand: { kind: 'tree', view: 'plain', directory: image.trees.plain },
    path: image.trees.plain,
    notes: [{ level: 'info', lasting: true, text: `the image is used from a directory, unpacked once: ${why}` }]
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

/** Why files served by FUSE cannot be changed by way of an overlay over them; undefined where they can. */
export function whyNotWrittenOver({ kernel }: IHostFacts, severalIds: boolean, byKernel: boolean): string | undefined {
  if (!severalIds) {
    return 'with one id, files that FUSE serves could not be changed';
  }
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  const release = major * 1000 + minor;
  // apptainer/apptainer#646: the mount succeeds and every change of a file fails, until commit 6a567e920fd0.
  return byKernel && release >= 5015 && release < 6005
    ? `Linux ${major}.${minor} cannot change files that FUSE serves below an overlay`
    : undefined;
}
