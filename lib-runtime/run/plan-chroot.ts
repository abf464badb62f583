// SPDX-License-Identifier: BSD-3-Clause
/**
 * `--root chroot`: real root without the right to mount (Kaggle, plain docker) in a copy of the image of its own, at the
 * speed of the machine and not of PRoot. Nothing of the host can be shown in it, so what binds would have brought is
 * made or copied, and what cannot be is refused or said. Only when asked for. Pure.
 */
import type { IPlannedStep, Step } from '../engines/steps.ts';
import type { IHostFacts } from '../host/facts.ts';
import { accountDrop, errnoText, insideAccount } from './identity.ts';
import { findInImage, join, parentOf } from './image-tree.ts';
import { wishesForNamespaces } from './isolation.ts';
import type { Mount } from './mounts.ts';
import { DEVICES } from './minimal-dev.ts';
import { type IPassedOver, type IPlanInput, passedOver } from './plan-namespaces.ts';
import type { INamespacesPlan, INote, IRefusal, RootfsDemand } from './plan-types.ts';
import { privilegeSteps } from './privileges.ts';
import type { IRunSpec } from './spec.ts';
import { COPY } from './writable.ts';

/** Numbers of the kernel's own devices (Documentation/admin-guide/devices.txt). */
const NUMBERS: Readonly<Record<(typeof DEVICES)[number], readonly [number, number]>> = {
  null: [1, 3],
  zero: [1, 5],
  full: [1, 7],
  random: [1, 8],
  urandom: [1, 9],
  tty: [5, 0]
};

export function chrootPlan(input: IPlanInput): INamespacesPlan | IRefusal | IPassedOver {
  const { spec, host, execution, mounts } = input;
  const denied = whyNot(host);
  if (denied !== undefined) {
    return passedOver('chroot', denied);
  }
  const refusal = wishRefusal(input);
  if (refusal !== undefined) {
    return refusal;
  }
  const drop = accountDrop(spec, host);
  if ('kind' in drop) {
    return drop;
  }
  const { demand, own } = tree(input);
  const uid = insideAccount(spec, host).uid;
  return {
    kind: 'plan',
    engine: 'namespaces',
    root: 'chroot',
    rootfs: demand,
    steps: [
      { step: { op: 'tree', directory: demand.directory }, reason: 'the root, as a directory: nothing is mounted' },
      ...(own ? filling(input) : []),
      { step: { op: 'chroot', root: demand.directory }, reason: '--root chroot was asked for' },
      { step: { op: 'umask', mask: host.umask }, reason: "the caller's umask" },
      ...drop.steps,
      ...privilegeSteps(spec, host, uid),
      { step: { op: 'chdir', candidates: places(spec, mounts) }, reason: 'where the command starts' }
    ],
    execution,
    notes: [...notes(input, own), ...drop.notes.filter(({ text }) => !text.includes('working directory'))]
  };
}

function whyNot({ account, probes }: IHostFacts): string | undefined {
  if (account.uid !== 0) {
    return `only real root may change its root without namespaces, and you are uid ${account.uid}`;
  }
  return probes.chroot.ok ? undefined : `root has no CAP_SYS_CHROOT here${errnoText(probes.chroot)}`;
}

/** Wishes that only a mount, or a namespace to enter, could meet. */
function wishRefusal({ spec }: IPlanInput): IRefusal | undefined {
  const asked = [
    ...spec.binds.map(({ source }) => `--bind ${source}`),
    ...(spec.home ? ['--home'] : []),
    ...(spec.workdir === undefined ? [] : ['--workdir']),
    ...spec.overlays.map(({ path }) => `--overlay ${path}`),
    ...(spec.nv ? ['--nv'] : []),
    ...(spec.rocm ? ['--rocm'] : [])
  ][0];
  const why = asked === undefined ? 'an instance needs namespaces that can be entered' : 'it needs a mount';
  const what = asked ?? (spec.instance === undefined ? undefined : 'an instance');
  return what === undefined
    ? undefined
    : {
        kind: 'refusal',
        code: 'refused',
        message: `${what} cannot be had with --root chroot`,
        reason: `${why}, and this root is made without any`,
        fix: 'Leave --root out: the way that is taken then can do it'
      };
}

/** A sandbox that is changed in place stays as it is; everything else is a copy, which gets what the binds would bring. */
function tree({ spec, image }: IPlanInput): {
  readonly demand: Extract<RootfsDemand, { readonly directory: string }>;
  readonly own: boolean;
} {
  const { source } = image;
  return spec.writable && source.kind === 'directory'
    ? { demand: { kind: 'directory', directory: source.directory }, own: false }
    : { demand: { kind: 'copy', view: 'plain', directory: COPY }, own: true };
}

/** What the mounts would have shown, made in the copy. */
function filling({ spec, host, image, mounts }: IPlanInput): IPlannedStep[] {
  const account = insideAccount(spec, host);
  const steps: IPlannedStep[] = [];
  const made = new Set<string>();
  const directory = (path: string, mode: number, reason: string): void => {
    if (!made.has(path)) {
      made.add(path);
      steps.push({ step: { op: 'mkdir', path, mode }, reason });
    }
  };
  for (const mount of mounts.mounts) {
    const { target, purpose, reason } = mount;
    const found = findInImage(image.tree, target);
    switch (purpose) {
      case 'tmp':
      case 'scratch':
        directory(target, purpose === 'tmp' ? 0o1777 : 0o755, 'a place to write, gone at the end');
        break;
      case 'home':
        directory(target, 0o700, 'a home that is gone at the end');
        if (account.uid !== 0) {
          steps.push({ step: { op: 'own', path: target, uid: account.uid, gid: account.gid }, reason: '--as user' });
        }
        break;
      case 'system':
      case 'account':
        if (found.kind !== 'blocked') {
          directory(parentOf(target), 0o755, `for ${target}`);
          steps.push(...file(mount, reason));
        }
        break;
      default:
    }
  }
  return [...steps, ...(mounts.mounts.some(({ purpose }) => purpose === 'dev') ? devices(host) : [])];
}

function file(mount: Mount, reason: string): IPlannedStep[] {
  if (mount.kind === 'content') {
    const { target: path, mode, content } = mount;
    return [{ step: { op: 'write', path, mode, content }, reason }];
  }
  return mount.kind === 'bind'
    ? [{ step: { op: 'take', source: mount.source, path: mount.target }, reason: `${reason} (a copy)` }]
    : [];
}

function devices({ probes }: IHostFacts): IPlannedStep[] {
  const device = (name: (typeof DEVICES)[number]): Step => {
    const [major, minor] = NUMBERS[name];
    return { op: 'device', path: join('/dev', name), mode: 0o666, major, minor };
  };
  return [
    { step: { op: 'mkdir', path: '/dev/shm', mode: 0o1777 }, reason: 'shared memory of its own, on disk' },
    ...(probes.mknod.ok ? DEVICES.map(name => ({ step: device(name), reason: 'a device that programs expect' })) : [])
  ];
}

/** The caller's working directory is not to be seen: the home, unless another place was named. */
function places(spec: IRunSpec, { home, workingDirectories }: IPlanInput['mounts']): readonly string[] {
  return spec.workingDirectory === undefined ? [...new Set([home, '/'])] : workingDirectories;
}

function notes({ spec, host }: IPlanInput, own: boolean): INote[] {
  const missing = own ? 'there is neither /proc nor /sys inside' : 'there is no /proc, /sys or /dev inside';
  const list: INote[] = [
    {
      level: 'warning',
      text:
        `--root chroot: ${missing}, and nothing of this machine is seen: not your home, not the working directory; ` +
        'what a command writes there is not found again'
    }
  ];
  if (own) {
    const text = 'this container gets a copy of the image of its own on disk, with all changes removed at the end';
    list.push({ level: 'info', text });
  }
  if (own && !host.probes.mknod.ok) {
    const text = `no device can be made here${errnoText(host.probes.mknod)}: there is no /dev/null inside`;
    list.push({ level: 'warning', text });
  }
  const vain = [...wishesForNamespaces(spec), ...(spec.hostname === undefined ? [] : ['--hostname'])];
  if (vain.length > 0) {
    const text = `--root chroot makes no namespaces: ${vain.join(', ')} ${vain.length > 1 ? 'have' : 'has'} no effect`;
    list.push({ level: 'warning', text });
  }
  return list;
}
