// SPDX-License-Identifier: BSD-3-Clause
/** Plans of the ptrace engine: what the mounts become as arguments of PRoot (runtimes.md 5.3). Pure. */
import { errnoText } from './identity.ts';
import { baseOf, findInImage } from './image-tree.ts';
import type { Mount } from './mounts.ts';
import { type IPassedOver, type IPlanInput, passedOver } from './plan-namespaces.ts';
import type { INote, IPtracePlan, IRefusal, RootfsDemand } from './plan-types.ts';

/**
 * @param reasons why the engines before were passed over; they are said before the run.
 */
export function ptracePlan(input: IPlanInput, reasons: readonly IPassedOver[]): IPtracePlan | IRefusal | IPassedOver {
  const { spec, host, image, mounts, execution } = input;
  const program = host.tools['proot'];
  if (program === undefined) {
    return passedOver('ptrace', 'PRoot is not installed');
  }
  if (!host.probes.ptrace.ok) {
    return passedOver('ptrace', `tracing a process is denied here${errnoText(host.probes.ptrace)}`);
  }
  if (spec.writableTmpfs) {
    return {
      kind: 'refusal',
      code: 'refused',
      message: '--writable-tmpfs cannot be honoured with the ptrace engine',
      reason: 'PRoot has no overlay, and the unpacked image in the store must not be written to',
      fix: 'Leave --writable-tmpfs out and bind a writable directory instead'
    };
  }
  const rootfs: RootfsDemand =
    image.source.kind === 'directory'
      ? { kind: 'directory', directory: image.source.directory }
      : { kind: 'tree', view: 'plain', directory: image.trees.plain };
  const binder = new Binder(input);
  for (const mount of mounts.mounts) {
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
    // PRoot's own user id emulation (-0, -i) is left out: the caller is who he is.
    arguments: ['-r', rootfs.directory, '-w', '/', ...binder.words],
    files: binder.files,
    directories: binder.directories,
    steps: [
      { step: { op: 'umask', mask: host.umask }, reason: "the caller's umask" },
      { step: { op: 'no-new-privileges' }, reason: 'setuid programs of the image give no rights' },
      { step: { op: 'chdir', candidates: mounts.workingDirectories }, reason: 'where the command starts' }
    ],
    execution,
    notes: [...engineNotes(input, reasons), ...binder.notes, ...mounts.notes]
  };
}

function engineNotes({ spec, image }: IPlanInput, reasons: readonly IPassedOver[]): INote[] {
  const why = reasons.map(({ what, reason }) => `${what}: ${reason}`).join('; ');
  const slow = 'system calls are slower than with namespaces';
  const notes: INote[] = [
    {
      level: 'warning',
      text:
        why === ''
          ? `the ptrace engine (PRoot) is used as asked: ${slow}`
          : `the ptrace engine (PRoot) is used (${why}): ${slow}`
    }
  ];
  if (image.source.kind === 'squashfs') {
    notes.push({
      level: 'warning',
      text: 'PRoot cannot make the image read-only: whoever owns its unpacked tree can change it; write to home, /tmp or a bind'
    });
  }
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
