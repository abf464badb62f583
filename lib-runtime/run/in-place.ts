// SPDX-License-Identifier: BSD-3-Clause
/**
 * The in-place root (docs/architecture.md): `/` and its /proc stay where they are and the image's top-level entries are
 * bound over the host's. For hosts that deny every mount that involves procfs. Pure.
 */
import type { IPlannedStep } from '../engines/steps.ts';
import type { IHostFacts, INode, Listings } from '../host/facts.ts';
import { findInImage, isWithin, normalise, parentOf } from './image-tree.ts';
import type { Mount } from './mounts.ts';
import type { IRefusal } from './plan-types.ts';
import { GENERATED } from './underlay.ts';

/** These stay the host's own, whatever the image has. */
const HOSTS_OWN = ['proc', 'sys', 'dev'];

export const PROCFS_POLICY =
  'this platform denies mounts of procfs on purpose, and nbcontainer mounts nothing that would carry it along';

export type InPlaceMounts =
  | {
      readonly kind: 'mounts';
      readonly mounts: readonly Mount[];
      /** Top-level names that are left as the host has them. */
      readonly kept: ReadonlySet<string>;
    }
  | { readonly kind: 'impossible'; readonly reason: string }
  | IRefusal;

/**
 * The mounts that have to be made: without /proc, /sys and the host's /dev, which are there already, and without
 * directories such as /content or /tmp that would only be bound over themselves.
 */
export function inPlaceMounts(mounts: readonly Mount[]): InPlaceMounts {
  const kept = new Set(HOSTS_OWN);
  const rest = mounts.filter(mount => mount.purpose !== 'proc' && mount.purpose !== 'sys');
  for (const mount of rest) {
    const refusal = procfsRefusal(mount);
    if (refusal !== undefined) {
      return refusal;
    }
  }
  // Its files are bound where they belong; the directory itself is of no use, unless the user put something there.
  if (!rest.some(({ target }) => isWithin(target, GENERATED))) {
    kept.add(GENERATED.slice(1));
  }
  const contained = rest.some(({ target, kind }) => target === '/dev' && kind === 'tmpfs');
  if (contained) {
    kept.delete('dev');
  }
  const needed = rest.filter((mount, index) => {
    const others = rest.filter((other, at) => at !== index && isWithin(other.target, mount.target));
    const itself = mount.kind === 'bind' && mount.source === mount.target && !mount.flags.includes('ro');
    const unchanged = itself && parentOf(mount.target) === '/' && others.length === 0 && mount.purpose !== 'system';
    if (unchanged) {
      kept.add(mount.target.slice(1));
    }
    return !unchanged;
  });
  const stuck = needed.find(({ target }) => HOSTS_OWN.some(name => kept.has(name) && isWithin(target, `/${name}`)));
  return stuck === undefined
    ? { kind: 'mounts', mounts: needed, kept }
    : { kind: 'impossible', reason: `${stuck.target} lies in a directory of the host that stays in place` };
}

function procfsRefusal(mount: Mount): IRefusal | undefined {
  const source = mount.kind === 'bind' ? mount.source : undefined;
  const touches = (path: string): boolean => isWithin(path, '/proc');
  const carries = source === '/' && mount.kind === 'bind' && mount.flags.includes('rec');
  if (!touches(mount.target) && (source === undefined || (!touches(source) && !carries))) {
    return undefined;
  }
  return {
    kind: 'refusal',
    code: 'refused',
    message: `${source ?? 'a mount'} cannot be bound to ${mount.target} here`,
    reason: PROCFS_POLICY,
    fix: carries
      ? 'Bind the directories that you need one by one'
      : 'Leave this bind out: /proc is visible inside as it is'
  };
}

/**
 * Directories of the image that its top-level symlinks lead to and that the host's symlinks of the same name would
 * miss: `/bin -> app/bin` in the image, `/bin -> usr/bin` on the host. Bound where the host's symlink leads, as long as
 * the image has nothing there.
 *
 * @param rootfs host path of the image's files.
 */
export function bridges(tree: Listings, hostRoot: readonly INode[], rootfs: string): Mount[] {
  return (tree['/'] ?? []).flatMap((node): Mount[] => {
    const there = hostRoot.find(({ name }) => name === node.name);
    if (node.type !== 'symlink' || there?.type !== 'symlink' || there.target === undefined) {
      return [];
    }
    const target = normalise(there.target);
    const found = findInImage(tree, `/${node.name}`);
    if (found.kind !== 'found' || found.type === 'other' || findInImage(tree, target).kind !== 'missing') {
      return [];
    }
    return [
      {
        kind: 'bind',
        source: `${rootfs}${found.path}`,
        target,
        type: found.type,
        flags: ['ro', 'nosuid', 'nodev'],
        optional: false,
        purpose: 'system',
        reason: `/${node.name} is a symlink to ${there.target} on the host: what the image has behind it goes there`
      }
    ];
  });
}

export type InPlaceSteps =
  | { readonly kind: 'steps'; readonly steps: readonly IPlannedStep[] }
  | { readonly kind: 'impossible'; readonly reason: string };

/**
 * The steps that bring a finished root under construction into place.
 *
 * @param tree listings of the image as it will be used (the merged view where that is taken).
 * @param entries top-level entries of the finished root.
 * @param mayCreate the caller may make new entries in the host's `/`.
 * @param why why not, for the reason.
 */
export function inPlaceSteps(
  tree: Listings,
  entries: readonly INode[],
  kept: ReadonlySet<string>,
  host: Pick<IHostFacts, 'root' | 'runtimeDirectory'>,
  mayCreate: boolean,
  why: string
): InPlaceSteps {
  const announce: IPlannedStep[] = [];
  const place: IPlannedStep[] = [];
  const wanted = entries.filter(({ name }) => !kept.has(name));
  for (const node of wanted) {
    const there = host.root.find(({ name }) => name === node.name);
    if (there === undefined && !mayCreate) {
      return { kind: 'impossible', reason: `the host has no /${node.name}, which the container needs, and ${why}` };
    }
    const problem =
      node.type === 'symlink' ? link(node, there, tree, announce, place) : entry(node, there, announce, place);
    if (problem !== undefined) {
      return { kind: 'impossible', reason: problem };
    }
  }
  const names = new Set(wanted.map(({ name }) => name));
  for (const { name, type } of host.root) {
    if (!names.has(name) && !kept.has(name) && (type === 'directory' || type === 'file')) {
      place.push({ step: { op: 'hide', name, kind: type }, reason: `the image has no /${name}` });
    }
  }
  return {
    kind: 'steps',
    steps: [
      {
        step: { op: 'ledger', directory: `${host.runtimeDirectory}/ledger` },
        reason: 'entries made in / are written down first and removed by the last container that uses them'
      },
      ...announce,
      ...place,
      { step: { op: 'unstage' }, reason: 'what was assembled is in place' }
    ]
  };
}

/** A directory or file of the container over the host's of the same name. */
function entry(
  node: INode,
  there: INode | undefined,
  announce: IPlannedStep[],
  place: IPlannedStep[]
): string | undefined {
  const { name } = node;
  const kind = node.type === 'directory' ? 'directory' : 'file';
  if (there !== undefined && there.type !== node.type) {
    return `/${name} is a ${there.type} on the host and a ${node.type} in the image`;
  }
  const reason = there === undefined ? `the host has no /${name}` : `/${name} of the image over the host's`;
  announce.push({ step: { op: 'entry', kind, name }, reason });
  place.push({ step: { op: 'place', name, from: `/${name}` }, reason });
  return undefined;
}

/** A symlink of the image: made, found to be the same, or its target put over what the host has. */
function link(
  node: INode,
  there: INode | undefined,
  tree: Listings,
  announce: IPlannedStep[],
  place: IPlannedStep[]
): string | undefined {
  const { name, target = '' } = node;
  if (there === undefined || (there.type === 'symlink' && there.target === target)) {
    const reason = there === undefined ? `the host has no /${name}` : `the host has the same /${name}`;
    announce.push({ step: { op: 'entry', kind: 'symlink', name, target }, reason });
    return undefined;
  }
  const found = findInImage(tree, `/${name}`);
  if (there.type === 'symlink') {
    const same = findInImage(tree, there.target ?? '');
    const equal = found.kind === 'found' && same.kind === 'found' && found.path === same.path;
    const bridged = found.kind === 'found' && same.kind === 'missing';
    return equal || bridged
      ? undefined
      : `/${name} is a symlink to ${there.target ?? '?'} on the host and to ${target} in the image`;
  }
  if (there.type !== 'directory' && there.type !== 'file') {
    return `/${name} is a ${there.type} on the host and a symlink in the image`;
  }
  if (found.kind === 'found' && found.type === there.type && found.path !== '/') {
    const reason = `/${name} is a symlink in the image: its target over the host's ${there.type}`;
    announce.push({ step: { op: 'entry', kind: there.type, name }, reason });
    place.push({ step: { op: 'place', name, from: found.path }, reason });
    return undefined;
  }
  if (found.kind === 'missing') {
    place.push({
      step: { op: 'hide', name, kind: there.type },
      reason: `/${name} of the image is a symlink to nothing`
    });
    return undefined;
  }
  return `/${name} is a ${there.type} on the host and a symlink to ${target} in the image`;
}
