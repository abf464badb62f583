// SPDX-License-Identifier: BSD-3-Clause
/** Plans of the namespaces engine: pivot, and in-place where procfs may not be mounted. Pure. */
import type { IExecution, IPlannedStep } from '../engines/steps.ts';
import type { IHostFacts } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { fakeRootMounts } from './fake-root.ts';
import { accountDrop, callerIdentity, errnoText, FAKE_ROOT, type Identity, insideAccount } from './identity.ts';
import { isMerged, mergedListings, needsMerging } from './image-tree.ts';
import { type IIsolation, isolation } from './isolation.ts';
import { bridges, inPlaceMounts, inPlaceSteps } from './in-place.ts';
import type { IMounts, Mount } from './mounts.ts';
import { type IOverlays, overlaysDenied } from './overlays.ts';
import type { INamespacesPlan, INote, IRefusal } from './plan-types.ts';
import { privilegeSteps } from './privileges.ts';
import { chooseRootfs, type ICircumstances, stageOf } from './rootfs.ts';
import type { IRunSpec } from './spec.ts';
import { type IFreshProc, underlaySteps } from './underlay.ts';
import { chooseWritable, stageBytes, withLayers } from './writable.ts';

/** An engine or root that was passed over, and why. */
export interface IPassedOver {
  readonly kind: 'passed-over';
  readonly what: string;
  readonly reason: string;
}

export interface IPlanInput {
  readonly spec: IRunSpec;
  readonly host: IHostFacts;
  readonly image: IImageFacts;
  readonly mounts: IMounts;
  readonly overlays?: IOverlays;
  readonly execution: IExecution;
  /** The last step of an instance. */
  readonly hold?: IPlannedStep;
}

/** The caller's identity with the steps that end in the payload's. */
interface IGranted extends Extract<Identity, { ok: true }> {
  readonly drop: readonly IPlannedStep[];
}

/** A pivot plan, an in-place plan, a refusal of a wish, or why there is neither plan. */
export function namespacesPlan(asked: IPlanInput): INamespacesPlan | IRefusal | IPassedOver {
  const { spec, host } = asked;
  const caller = callerIdentity(host, spec);
  if (!caller.ok) {
    return passedOver('namespaces', caller.reason);
  }
  const drop = accountDrop(spec, host);
  if ('kind' in drop) {
    return drop;
  }
  const identity: IGranted = { ...caller, drop: drop.steps, notes: [...caller.notes, ...drop.notes] };
  // newuidmap may yet refuse its range at the launch, and then there is one id only.
  const mayFake = identity.fakes || identity.unshare.mapHelpers !== undefined;
  const extra = mayFake ? fakeRootMounts(asked.image.tree) : [];
  const mounts = { ...asked.mounts, mounts: [...asked.mounts.mounts, ...extra] };
  const input = { ...asked, mounts };
  const { tmpfs, bind } = host.probes;
  if (!tmpfs.ok || !bind.ok) {
    const [what, probe] = tmpfs.ok ? (['bind mounts are', bind] as const) : (['mounts are', tmpfs] as const);
    return passedOver('namespaces', `${what} denied here${errnoText(probe)}`);
  }
  if (spec.root === 'in-place') {
    return inPlacePlan(input, identity, '--root in-place was asked for');
  }
  const wantsProc = mounts.mounts.some(({ purpose }) => purpose === 'proc');
  const proc = host.probes['bind-procfs'];
  if (!wantsProc || proc.ok) {
    const pivot = host.probes['pivot-root'];
    if (pivot.ok || host.probes.chroot.ok) {
      return pivotPlan(input, identity);
    }
    return passedOver('namespaces', `the root cannot be changed: pivot_root${errnoText(pivot)} and chroot are denied`);
  }
  const why = `this host denies binding procfs${errnoText(proc)}`;
  return spec.root === 'pivot' ? passedOver('pivot', why) : inPlacePlan(input, identity, why);
}

function pivotPlan(input: IPlanInput, identity: IGranted): INamespacesPlan | IRefusal {
  const { spec, host, image, execution } = input;
  const stage = stageOf(host);
  const showsProc = input.mounts.mounts.some(({ purpose }) => purpose === 'proc');
  const isolated = isolation(spec, host, 'pivot', showsProc);
  const mounts = isolated.freshProc ? { ...input.mounts, mounts: input.mounts.mounts.map(freshProc) } : input.mounts;
  const denied = overlaysDenied(input.overlays, spec, host, identity);
  if (denied !== undefined) {
    return denied;
  }
  const writable = chooseWritable(spec, host, identity.privileged);
  const chosen = chooseRootfs(image, host, stage, circumstances(input, identity, false));
  const rootfs = withLayers(chosen, writable, input.overlays, spec, host, identity);
  const underlay = underlaySteps({
    tree: image.tree,
    rootfs: rootfs.path,
    stage,
    mounts: mounts.mounts,
    hostPaths: host.paths,
    overlay: writable !== undefined || input.overlays !== undefined,
    apart: input.overlays !== undefined
  });
  if (underlay.kind === 'refusal') {
    return underlay;
  }
  const pivots = host.probes['pivot-root'].ok;
  const notes: INote[] = [...identity.notes, ...isolated.notes, ...rootfs.notes, ...underlay.notes, ...mounts.notes];
  if (!pivots) {
    const text = `pivot_root is denied here${errnoText(host.probes['pivot-root'])}: chroot takes its place`;
    notes.push({ level: 'info', text, lasting: true });
  }
  return {
    kind: 'plan',
    engine: 'namespaces',
    root: 'pivot',
    rootfs: rootfs.demand,
    steps: [
      ...opening(identity, isolated, stage, stageBytes(writable)),
      ...(input.overlays ? [...underlay.points, ...rootfs.steps] : [...rootfs.steps, ...underlay.points]),
      ...underlay.steps,
      pivots
        ? { step: { op: 'pivot' }, reason: 'the assembled root becomes /' }
        : { step: { op: 'chroot', root: `${stage}/root` }, reason: 'the assembled root becomes /' },
      ...closing(spec, host, mounts, identity)
    ],
    execution,
    notes
  };
}

function inPlacePlan(input: IPlanInput, identity: IGranted, why: string): INamespacesPlan | IRefusal | IPassedOver {
  const { spec, host, image, mounts, execution } = input;
  const stage = stageOf(host);
  const isolated = isolation(spec, host, 'in-place', true);
  const needed = inPlaceMounts(mounts.mounts);
  if (needed.kind === 'refusal') {
    return needed;
  }
  if (needed.kind === 'impossible') {
    return passedOver('in-place', needed.reason);
  }
  const denied = overlaysDenied(input.overlays, spec, host, identity);
  if (denied !== undefined) {
    return denied;
  }
  const writable = chooseWritable(spec, host, identity.privileged);
  const merged = isMerged(host.root) && needsMerging(image.tree);
  if (merged && spec.writable) {
    return passedOver('in-place', '/bin and /lib of the image lie elsewhere than those of the host, and stay there');
  }
  const tree = merged ? mergedListings(image.tree) : image.tree;
  const chosen = chooseRootfs(image, host, stage, circumstances(input, identity, merged));
  const rootfs = withLayers(chosen, writable, input.overlays, spec, host, identity);
  const underlay = underlaySteps({
    tree,
    rootfs: rootfs.path,
    stage,
    mounts: [...bridges(tree, host.root, rootfs.path), ...needed.mounts],
    hostPaths: host.paths,
    overlay: writable !== undefined || input.overlays !== undefined,
    apart: input.overlays !== undefined,
    omitted: needed.kept
  });
  if (underlay.kind === 'refusal') {
    return underlay;
  }
  // The supervisor makes the entries, which stays outside of a user namespace.
  const mayWrite = host.account.uid === 0 && host.probes['write-root'].ok;
  const whyNot =
    host.account.uid === 0
      ? `/ cannot be written to${errnoText(host.probes['write-root'])}`
      : 'only real root can make it';
  const placed = inPlaceSteps(tree, underlay.entries, needed.kept, host, mayWrite, whyNot);
  if (placed.kind === 'impossible') {
    return passedOver('in-place', placed.reason);
  }
  const text = `${why}: the image's directories are bound over the host's, /proc stays in place, and a file made in / itself would be the host's`;
  return {
    kind: 'plan',
    engine: 'namespaces',
    root: 'in-place',
    rootfs: rootfs.demand,
    steps: [
      ...opening(identity, isolated, stage, stageBytes(writable)),
      ...(input.overlays ? [...underlay.points, ...rootfs.steps] : [...rootfs.steps, ...underlay.points]),
      ...underlay.steps,
      ...placed.steps,
      ...closing(spec, host, mounts, identity)
    ],
    execution,
    notes: [
      { level: 'info', text, lasting: true },
      ...identity.notes,
      ...isolated.notes,
      ...rootfs.notes,
      ...underlay.notes,
      ...mounts.notes
    ]
  };
}

function circumstances({ spec, overlays }: IPlanInput, identity: IGranted, merged: boolean): ICircumstances {
  const { privileged, severalIds } = identity;
  const changes = spec.writableTmpfs || overlays?.upper !== undefined;
  const writtenOver = changes ? (spec.overlayDriver === 'fuse' ? 'fuse' : 'kernel') : undefined;
  return { privileged, severalIds, merged, unsquash: spec.unsquash, writtenOver };
}

function opening(identity: IGranted, isolated: IIsolation, stage: string, sizeBytes: number): IPlannedStep[] {
  const { unshare } = identity;
  const namespaces = [...unshare.namespaces, ...isolated.namespaces];
  return [
    { step: { ...unshare, namespaces }, reason: identity.reason },
    { step: { op: 'private' }, reason: 'nothing that is mounted from here on is seen outside' },
    { step: { op: 'stage', stage, sizeBytes }, reason: 'the root is assembled here' }
  ];
}

function freshProc(mount: Mount): Mount | IFreshProc {
  return mount.purpose === 'proc'
    ? { kind: 'procfs', target: mount.target, purpose: 'proc', reason: 'the processes of the pid namespace' }
    : mount;
}

function closing(
  spec: IRunSpec,
  host: IHostFacts,
  mounts: Pick<IMounts, 'workingDirectories'>,
  identity: IGranted
): IPlannedStep[] {
  const hostname: IPlannedStep[] =
    spec.hostname === undefined ? [] : [{ step: { op: 'hostname', name: spec.hostname }, reason: '--hostname' }];
  return [
    ...hostname,
    { step: { op: 'umask', mask: host.umask }, reason: "the caller's umask" },
    ...identity.drop,
    ...privilegeSteps(spec, host, insideAccount(spec, host).uid, identity.fakes),
    ...(identity.fakes ? [FAKE_ROOT] : []),
    { step: { op: 'chdir', candidates: mounts.workingDirectories }, reason: 'where the command starts' }
  ];
}

export function passedOver(what: string, reason: string): IPassedOver {
  return { kind: 'passed-over', what, reason };
}
