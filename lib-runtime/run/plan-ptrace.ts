// SPDX-License-Identifier: BSD-3-Clause
/** Plans of the ptrace engine: what the mounts become as arguments of PRoot (runtimes.md 5.3). Pure. */
import type { IPlannedStep } from '../engines/steps.ts';
import type { IHostFacts } from '../host/facts.ts';
import { fakeRootMounts } from './fake-root.ts';
import { errnoText, insideAccount } from './identity.ts';
import { baseOf, findInImage } from './image-tree.ts';
import type { Mount } from './mounts.ts';
import { type IPassedOver, type IPlanInput, passedOver } from './plan-namespaces.ts';
import type { INote, IPtracePlan, IRefusal, RootfsDemand } from './plan-types.ts';
import { privilegeSteps } from './privileges.ts';
import { COPY, copyDemand } from './writable.ts';

/**
 * Calls with a path that PRoot 5.1 (2014) does not translate: they would look at the host's files instead of the
 * image's (`ls -l` and `test -r` of a current distribution do). Every C library falls back when they are missing.
 */
const OLD_CALLS: IPlannedStep = {
  step: {
    op: 'without-system-calls',
    names: (
      'statx execveat io_uring_setup open_tree openat2 faccessat2 fchmodat2 setxattrat getxattrat listxattrat ' +
      'removexattrat open_tree_attr file_getattr file_setattr'
    ).split(' ')
  },
  reason: 'PRoot does not know these calls and would let their paths through to the host'
};

/**
 * @param reasons why the engines before were passed over; they are said before the run.
 */
export function ptracePlan(input: IPlanInput, reasons: readonly IPassedOver[]): IPtracePlan | IRefusal | IPassedOver {
  const { host, mounts, execution } = input;
  const program = host.tools['proot'];
  if (program === undefined) {
    return passedOver('ptrace', 'PRoot is not installed');
  }
  if (!host.probes.ptrace.ok) {
    return passedOver('ptrace', `tracing a process is denied here${errnoText(host.probes.ptrace)}`);
  }
  const { rootfs, confinement, notes } = chooseTree(input);
  const pretended = pretence(input, rootfs);
  const binder = new Binder(input);
  for (const mount of [...mounts.mounts, ...pretended.mounts]) {
    const refusal = binder.add(mount);
    if (refusal !== undefined) {
      return refusal;
    }
  }
  return {
    kind: 'plan',
    engine: 'ptrace',
    root: 'proot',
    rootfs,
    program,
    arguments: ['-r', rootfs.directory, '-w', '/', ...pretended.words, ...binder.words],
    confinement,
    files: binder.files,
    directories: binder.directories,
    steps: [
      { step: { op: 'umask', mask: host.umask }, reason: "the caller's umask" },
      ...privilegeSteps(input.spec, host, insideAccount(input.spec, host).uid, host.probes['seccomp-filter'].ok),
      ...(host.probes['seccomp-filter'].ok ? [OLD_CALLS] : []),
      { step: { op: 'chdir', candidates: mounts.workingDirectories }, reason: 'where the command starts' }
    ],
    execution,
    notes: [...engineNotes(input, reasons), ...pretended.notes, ...notes, ...binder.notes, ...mounts.notes]
  };
}

/**
 * What lets root (or a program with its capabilities) write files of others, become their owner, or reach past the file
 * system. Reading stays: CAP_DAC_READ_SEARCH is kept where the caller has it.
 */
const GIVEN_UP: ReadonlySet<string> = new Set(
  (
    'CHOWN DAC_OVERRIDE FOWNER FSETID SETUID SETPCAP SETFCAP LINUX_IMMUTABLE MKNOD SYS_MODULE SYS_RAWIO SYS_PTRACE ' +
    'SYS_ADMIN MAC_OVERRIDE MAC_ADMIN PERFMON BPF CHECKPOINT_RESTORE'
  )
    .split(' ')
    .map(name => `CAP_${name}`)
);

interface IPretence {
  readonly words: readonly string[];
  readonly mounts: readonly Mount[];
  readonly notes: readonly INote[];
}

/**
 * Who PRoot says that the caller is. --fakeroot (-0): with real root a chown is really done where it may be; to become
 * somebody else is pretended in any case, as the files of the image may lie where nobody else can go. For the same
 * reason `--as user` (-i) is a pretence, too: PRoot has no mounts to show a store in /root to another account.
 */
function pretence({ spec, host, image }: IPlanInput, rootfs: RootfsDemand): IPretence {
  const { account, capabilities, unprivileged } = host;
  if (spec.security !== undefined && account.uid === 0) {
    const { uid = 0, gids: [gid] = [0] } = spec.security;
    const text = `--security: PRoot pretends that root is uid ${uid}; what it writes belongs to root outside`;
    return { words: ['-i', `${uid}:${gid ?? 0}`], mounts: [], notes: [{ level: 'info', text }] };
  }
  if (spec.as === 'user' && account.uid === 0 && unprivileged !== undefined) {
    const { uid, gid, name } = unprivileged.account;
    const real = host.probes.chroot.ok ? '; --root chroot makes it real, without what is bound' : '';
    const text = `--as user: PRoot pretends that root is uid ${uid} (${name}); what it writes belongs to root outside${real}`;
    return { words: ['-i', `${uid}:${gid}`], mounts: [], notes: [{ level: 'info', text }] };
  }
  // Root with a copy to write to: apt's downloads run as _apt, which could not walk to the copy either.
  const writes = account.uid === 0 && rootfs.kind === 'copy';
  if (!spec.fakeroot && !writes) {
    return { words: [], mounts: [], notes: [] };
  }
  const keeps = writes && capabilities.includes('CAP_CHOWN');
  const text = 'PRoot pretends that you are root; who files are given to is not kept';
  return { words: ['-0'], mounts: fakeRootMounts(image.tree), notes: keeps ? [] : [{ level: 'info', text }] };
}

interface IChosenTree {
  readonly rootfs: Extract<RootfsDemand, { readonly directory: string }>;
  readonly confinement: readonly string[];
  readonly notes: readonly INote[];
}

/** PRoot cannot make anything read-only: the tree has to be one that the container may not write, or its own. */
function chooseTree({ spec, host, image }: IPlanInput): IChosenTree {
  const { source, trees } = image;
  const ofUser = source.kind === 'directory' && source.directory !== trees.plain;
  if (spec.writableTmpfs) {
    const { note } = copyDemand({ kind: 'tree', view: 'plain', directory: trees.plain }, 'PRoot has no overlay');
    return { rootfs: { kind: 'copy', view: 'plain', directory: COPY }, confinement: [], notes: [note] };
  }
  if (ofUser) {
    const { directory } = source;
    if (spec.writable) {
      return { rootfs: { kind: 'directory', directory }, confinement: [], notes: [] };
    }
    const text = `PRoot cannot make ${directory} read-only: what may write it outside may write it inside; --writable-tmpfs uses a copy`;
    return { rootfs: { kind: 'directory', directory }, confinement: [], notes: [{ level: 'warning', text }] };
  }
  if (spec.fakeroot && !isSealed(host)) {
    const text =
      '--fakeroot: the root that PRoot pretends may write every file of yours, so this container gets a copy of the ' +
      'image of its own, removed at the end';
    return {
      rootfs: { kind: 'copy', view: 'plain', directory: COPY },
      confinement: [],
      notes: [{ level: 'info', text }]
    };
  }
  const rootfs = { kind: 'tree', view: 'read-only', directory: trees['read-only'] } as const;
  const confinement = host.capabilities.filter(name => GIVEN_UP.has(name));
  return { rootfs, confinement, notes: [readOnlyNote(host)] };
}

/** The files of the store's tree belong to an id that nobody has: only real root can give them away. */
function isSealed({ account, capabilities }: IHostFacts): boolean {
  return account.uid === 0 && capabilities.includes('CAP_CHOWN');
}

function readOnlyNote(host: IHostFacts): INote {
  if (isSealed(host)) {
    return {
      level: 'info',
      lasting: true,
      text:
        "the image is read-only: its files belong to nobody's id, and root inside has no rights over files of others " +
        '(no chown, no setuid); --writable-tmpfs gives a copy and the whole rights'
    };
  }
  return {
    level: 'warning',
    lasting: true,
    text:
      'PRoot cannot make the image read-only: its files lack write permission, but they are yours and a chmod in the ' +
      'container would bring it back; --writable-tmpfs uses a copy'
  };
}

function engineNotes({ spec }: IPlanInput, reasons: readonly IPassedOver[]): INote[] {
  const why = reasons.map(({ what, reason }) => `${what}: ${reason}`).join('; ');
  const slow = 'system calls are slower than with namespaces';
  const notes: INote[] = [
    {
      level: 'warning',
      lasting: true,
      text:
        why === ''
          ? `the ptrace engine (PRoot) is used as asked: ${slow}`
          : `the ptrace engine (PRoot) is used (${why}): ${slow}`
    }
  ];
  if (spec.hostname !== undefined) {
    notes.push({ level: 'warning', text: '--hostname has no effect with the ptrace engine' });
  }
  return notes;
}

/** Collects `-b` arguments; later ones win as mounts do. */
class Binder {
  readonly words: string[] = [];
  readonly files: Record<string, string> = {};
  readonly directories: string[] = [];
  readonly notes: INote[] = [];
  private readonly input: IPlanInput;
  /** Driver libraries by the name that they were bound under. */
  private readonly libraries = new Map<string, string>();
  private wholeDev = false;

  constructor(input: IPlanInput) {
    this.input = input;
  }

  add(mount: Mount): IRefusal | undefined {
    if (mount.purpose === 'dev' && this.input.spec.contain) {
      this.bindWholeDev();
      return undefined;
    }
    switch (mount.kind) {
      case 'bind':
        return this.bind(mount);
      case 'content': {
        const name = `file-${Object.keys(this.files).length}`;
        this.files[name] = mount.content;
        this.push(`@${name}@`, mount.target);
        return undefined;
      }
      case 'tmpfs': {
        // A directory for the driver's libraries needs none: PRoot shows what is bound below it.
        if (mount.purpose !== 'gpu') {
          const name = `directory-${this.directories.length}`;
          this.directories.push(name);
          this.push(`@${name}@`, mount.target);
        }
        return undefined;
      }
      case 'symlink': {
        // There is no directory to make a symlink in: the library is bound under its other name, too.
        const source = this.libraries.get(mount.text);
        if (source !== undefined) {
          this.push(source, mount.target);
        }
        return undefined;
      }
      case 'seal':
        return undefined;
    }
  }

  private bind(mount: Extract<Mount, { kind: 'bind' }>): IRefusal | undefined {
    const { source, target, optional, flags, purpose, replace } = mount;
    if (/[:!]/.test(source) || /[:!]/.test(target)) {
      if (optional) {
        return undefined;
      }
      return {
        kind: 'refusal',
        code: 'refused',
        message: `${source} cannot be bound to ${target} with the ptrace engine`,
        reason: 'PRoot cannot be given a path with a colon or an exclamation mark',
        fix: 'Make a symlink with another name and bind that'
      };
    }
    const found = findInImage(this.input.image.tree, target);
    if (optional && found.kind === 'blocked') {
      return undefined;
    }
    if (purpose === 'bind' && flags.includes('ro')) {
      this.notes.push({ level: 'warning', text: `PRoot cannot make ${target} read-only: it can be written to` });
    }
    if (purpose === 'gpu') {
      this.libraries.set(baseOf(target), source);
    }
    this.push(source, replace ? `${target}!` : target);
    return undefined;
  }

  private bindWholeDev(): void {
    if (!this.wholeDev) {
      this.wholeDev = true;
      this.push('/dev', '/dev');
      this.notes.push({ level: 'info', text: "--contain keeps the host's /dev with the ptrace engine" });
    }
  }

  private push(source: string, target: string): void {
    this.words.push('-b', `${source}:${target}`);
  }
}
