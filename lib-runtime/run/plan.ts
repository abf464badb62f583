// SPDX-License-Identifier: BSD-3-Clause
/** planRun: from what was asked for, what the machine permits and what the image holds to a plan. Pure. */
import type { IPlannedStep } from '../engines/steps.ts';
import type { IHostFacts } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { containerCommand } from './command.ts';
import { askedDrivers } from './driver-mounts.ts';
import { containerEnvironment } from './environment.ts';
import { containerMounts } from './mounts.ts';
import { insideAccount } from './identity.ts';
import { isolationUnderPtrace } from './isolation.ts';
import { chooseOverlays, overlaysUnderPtrace } from './overlays.ts';
import { chrootPlan } from './plan-chroot.ts';
import { type IPassedOver, type IPlanInput, namespacesPlan } from './plan-namespaces.ts';
import { withOwnOverlay } from './own-overlay.ts';
import { privilegeNotes, privilegesRefusal } from './privileges.ts';
import { ptracePlan } from './plan-ptrace.ts';
import { hidePrivateDirectories } from './private-directories.ts';
import type { INote, IRefusal, Plan } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';
import { writableMounts, writableRefusal } from './writable-image.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * The plan, or why nothing can be started here. Engines in order: namespaces (pivot, then in-place), ptrace.
 * `spec.engine` and `spec.root` narrow the choice; every fallback leaves one note.
 *
 * @param environment the caller's variables (process.env).
 */
export function planRun(
  wishes: IRunSpec,
  machine: IHostFacts,
  image: IImageFacts,
  environment: Variables
): Plan | IRefusal {
  const settled = settle(wishes, machine);
  const known = settled.spec.noUmask ? { ...machine, umask: 0o022 } : machine;
  const { spec, host, notes: ownNotes } = withOwnOverlay(settled.spec, known, image);
  const wrong = architectureRefusal(host, image);
  if (wrong !== undefined) {
    return wrong;
  }
  const command = containerCommand(spec, image);
  if (command.kind === 'refusal') {
    return command;
  }
  const unprivileged = privilegesRefusal(spec, host);
  if (unprivileged !== undefined) {
    return unprivileged;
  }
  const unwritable = writableRefusal(spec, image);
  if (unwritable !== undefined) {
    return unwritable;
  }
  const asked = containerMounts(spec, host, image);
  if (asked.kind === 'refusal') {
    return asked;
  }
  const hidden = { ...asked, mounts: hidePrivateDirectories(asked.mounts, host, environment) };
  const mounts = spec.writable ? writableMounts(hidden, image) : hidden;
  if (mounts.kind === 'refusal') {
    return mounts;
  }
  const overlays = chooseOverlays(spec, host);
  if (overlays?.kind === 'refusal') {
    return overlays;
  }
  const inside = containerEnvironment({
    host: variablesFor(spec, host, environment),
    spec,
    image,
    account: insideAccount(spec, host),
    home: mounts.home,
    workingDirectory: mounts.workingDirectories[0] ?? '/',
    driverLibraries: askedDrivers(spec, host).some(({ facts }) => (facts?.libraries.length ?? 0) > 0),
    final: command.environment
  });
  const input: IPlanInput = {
    spec,
    host,
    image,
    mounts,
    ...(overlays !== undefined && { overlays }),
    ...(spec.instance?.keeps && { hold: hold(command.idle !== true) }),
    execution: { argv: [...inside.prefix, ...command.argv], environment: inside.variables }
  };
  const notes = [
    ...settled.notes,
    ...ownNotes,
    ...(overlays?.notes ?? []),
    ...command.notes,
    ...inside.notes,
    ...privilegeNotes(spec, insideAccount(spec, host).uid)
  ];
  const reasons: IPassedOver[] = [];
  if (spec.engine !== 'ptrace') {
    const result = spec.root === 'chroot' ? chrootPlan(input) : namespacesPlan(input);
    if (result.kind !== 'passed-over') {
      return completed(result, notes, input);
    }
    reasons.push(result);
  }
  const unlayered = overlaysUnderPtrace(spec);
  if (spec.engine !== 'namespaces' && spec.root === undefined && unlayered !== undefined) {
    return { ...unlayered, reason: [...reasons.map(passedOverText), unlayered.reason].join('; ') };
  }
  if (spec.engine !== 'namespaces' && spec.root === undefined) {
    const result = ptracePlan(input, reasons);
    if (result.kind !== 'passed-over') {
      return completed(result, [...isolationUnderPtrace(spec), ...notes], input);
    }
    reasons.push(result);
  }
  if (spec.root !== undefined) {
    return rootRefusal(spec.root, spec.engine, reasons);
  }
  return {
    kind: 'refusal',
    code: 'refused',
    message: 'no engine can start this container here',
    reason: reasons.map(passedOverText).join('; '),
    fix: 'See nbcontainer doctor for what this machine denies and what would help'
  };
}

/** A root that was asked for by name, and is not to be had: another one would be another container. */
function rootRefusal(root: string, engine: IRunSpec['engine'], reasons: readonly IPassedOver[]): IRefusal {
  const ptrace = engine === 'ptrace';
  const asked = ptrace ? 'PRoot makes its root itself, so --root and --engine ptrace are different wishes' : undefined;
  return {
    kind: 'refusal',
    code: 'refused',
    message: ptrace
      ? `--root ${root} is no root of the ptrace engine`
      : `--root ${root} is not possible on this machine`,
    reason: asked ?? reasons.map(({ reason }) => reason).join('; '),
    fix: 'Leave --root out: the way that works here is chosen then (nbcontainer doctor says what this machine denies)'
  };
}

/** Wishes that depend on who asks, or on each other. */
function settle(wishes: IRunSpec, { account }: IHostFacts): { spec: IRunSpec; notes: readonly INote[] } {
  const both = wishes.writable && wishes.writableTmpfs;
  const spec = both ? { ...wishes, writableTmpfs: false } : wishes;
  const text = 'Disabling --writable-tmpfs flag, mutually exclusive with --writable';
  return { spec: settleAccount(spec, account), notes: both ? [{ level: 'warning', text }] : [] };
}

/** `--as root` asks for root in whatever way there is: root himself has it already. */
function settleAccount(spec: IRunSpec, account: IHostFacts['account']): IRunSpec {
  return spec.as === 'root' && account.uid !== 0 ? { ...spec, as: 'fakeroot', fakeroot: true } : spec;
}

/** USER and LOGNAME follow the account when that is not the caller's. */
function variablesFor(spec: IRunSpec, host: IHostFacts, environment: Variables): Variables {
  const { name } = insideAccount(spec, host);
  return spec.as === 'user' && host.account.uid === 0 ? { ...environment, USER: name, LOGNAME: name } : environment;
}

function passedOverText({ what, reason }: IPassedOver): string {
  return `${what}: ${reason}`;
}

function completed(result: Plan | IRefusal, notes: readonly INote[], input: IPlanInput): Plan | IRefusal {
  if (result.kind === 'refusal') {
    return result;
  }
  const hostDirectories = [...input.mounts.hostDirectories, ...(input.overlays?.hostDirectories ?? [])];
  return {
    ...result,
    steps: input.hold === undefined ? result.steps : [...result.steps, input.hold],
    notes: [...result.notes, ...notes],
    ...(hostDirectories.length > 0 && { hostDirectories }),
    ...(input.spec.limits && { limits: input.spec.limits })
  };
}

function hold(command: boolean): IPlannedStep {
  return { step: { op: 'hold', command }, reason: 'the instance stays until it is stopped' };
}

/** Names of OCI and Go, which users know from tags, for those of uname -m. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  aarch64: 'arm64',
  i386: '386',
  i686: '386',
  armv7l: 'arm',
  ppc64le: 'ppc64le',
  riscv64: 'riscv64',
  s390x: 's390x'
};

function architectureRefusal(host: IHostFacts, image: IImageFacts): IRefusal | undefined {
  const { machine } = image;
  const runs = machine === undefined || machine === host.machine;
  if (runs || (host.machine === 'x86_64' && /^i[3-6]86$/.test(machine))) {
    return undefined;
  }
  const [wanted, here] = [machine, host.machine].map(name => ARCHITECTURES[name] ?? name);
  return {
    kind: 'refusal',
    code: 'architecture',
    message: `the image's architecture (${wanted}) cannot run on this host (${here})`,
    reason: `${image.name} was built for ${wanted}`,
    fix: `Pull the image for ${here}, or run it on a machine with ${wanted}`
  };
}
