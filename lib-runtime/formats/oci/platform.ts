// SPDX-License-Identifier: BSD-3-Clause
/** Which image of a multi-platform index runs on a machine (OCI image-index "platform"; Go's GOARCH names). */
import { ContainerError } from '../../support/errors.ts';
import type { IIndex, IIndexEntry, IPlatform } from './documents.ts';

export interface IHostPlatform {
  readonly os: 'linux';
  /** `uname -m`. */
  readonly machine: string;
  /** Exact variant (`v7`) when the user asks for one. */
  readonly variant?: string;
}

interface IGoPlatform {
  readonly architecture: string;
  /** Variants that run here, best first; '' = an entry that names none. */
  readonly variants: readonly string[];
}

const PLATFORMS: Readonly<Record<string, IGoPlatform>> = {
  x86_64: { architecture: 'amd64', variants: ['', 'v1', 'v2', 'v3'] },
  i686: { architecture: '386', variants: [''] },
  i586: { architecture: '386', variants: [''] },
  i386: { architecture: '386', variants: [''] },
  aarch64: { architecture: 'arm64', variants: ['v8', ''] },
  armv8l: { architecture: 'arm', variants: ['v7', 'v6', 'v5', '', 'v8'] },
  armv7l: { architecture: 'arm', variants: ['v7', '', 'v6', 'v5'] },
  armv6l: { architecture: 'arm', variants: ['v6', 'v5', ''] },
  ppc64: { architecture: 'ppc64', variants: [''] },
  ppc64le: { architecture: 'ppc64le', variants: [''] },
  mips: { architecture: 'mips', variants: [''] },
  mipsel: { architecture: 'mipsle', variants: [''] },
  mips64: { architecture: 'mips64', variants: [''] },
  mips64el: { architecture: 'mips64le', variants: [''] },
  s390x: { architecture: 's390x', variants: [''] },
  riscv64: { architecture: 'riscv64', variants: [''] },
  loongarch64: { architecture: 'loong64', variants: [''] }
};

/** `uname -m` -> Go's architecture name; the machine itself when unknown. */
export function goArchitecture(machine: string): string {
  return PLATFORMS[machine]?.architecture ?? machine;
}

/** Go's architecture name (and variant) -> `uname -m`; undefined when unknown. */
export function machineOfGo(architecture: string, variant?: string): string | undefined {
  if (architecture === 'arm') {
    return variant === 'v6' || variant === 'v5' ? 'armv6l' : 'armv7l';
  }
  return Object.entries(PLATFORMS).find(([, platform]) => platform.architecture === architecture)?.[0];
}

/**
 * The entry of an index for a machine. Entries without a platform are taken only when they are the index's only
 * image; attestations (`unknown/unknown`) never are.
 * @throws ContainerError `architecture` that names what the image is there for.
 */
export function selectPlatform(index: IIndex, host: IHostPlatform): IIndexEntry {
  const wanted = PLATFORMS[host.machine] ?? { architecture: host.machine, variants: [''] };
  const variants = host.variant === undefined ? wanted.variants : [host.variant];
  let best: { entry: IIndexEntry; rank: number } | undefined;
  for (const entry of index.manifests) {
    const { platform } = entry;
    if (platform?.os === host.os && platform.architecture === wanted.architecture) {
      const rank = variants.indexOf(platform.variant ?? '');
      if (rank >= 0 && (best === undefined || rank < best.rank)) {
        best = { entry, rank };
      }
    }
  }
  const [only, ...others] = index.manifests;
  if (best === undefined && only !== undefined && others.length === 0 && only.platform === undefined) {
    return only;
  }
  if (best === undefined) {
    throw noMatch(index, host, wanted.architecture);
  }
  return best.entry;
}

function noMatch(index: IIndex, host: IHostPlatform, architecture: string): ContainerError {
  const known = index.manifests
    .map(entry => entry.platform)
    .filter((platform): platform is IPlatform => platform !== undefined && platform.os !== 'unknown')
    .map(platform => [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/'));
  const wanted = [host.os, architecture, host.variant].filter(Boolean).join('/');
  return new ContainerError({
    code: 'architecture',
    step: 'read manifest',
    message: `the image is not made for ${wanted}`,
    reason: known.length > 0 ? `it is there for ${[...new Set(known)].join(', ')}` : 'it names no platform at all',
    fix: 'Choose another tag, or ask for another architecture with --arch'
  });
}
