// SPDX-License-Identifier: BSD-3-Clause
/** What a failed step or exec means and what to do about it (cases collected in reference/platforms.md 2.1). */
import { ContainerError, type IErrorDetails } from '../support/errors.ts';
import type { StatusRecord } from './protocol.ts';
import type { IExecution, IPlannedStep, Step } from './steps.ts';

interface IRemedy {
  readonly op: Step['op'] | '*';
  readonly errno: readonly string[] | '*';
  /** Narrows the case by the launcher's own words or by the step. */
  readonly when?: (text: string, step: Step | undefined) => boolean;
  readonly reason: string;
  readonly fix: string;
}

const DENIED = ['EPERM', 'EACCES'];
const PTRACE = 'Use --engine ptrace, which needs no mounts and no user namespaces';
const policy = (text: string): boolean => text.startsWith('policy:');

/** The first row that fits speaks. */
const REMEDIES: readonly IRemedy[] = [
  {
    op: '*',
    errno: ['EACCES'],
    when: policy,
    reason: 'this platform denies mounts that involve /proc, and nbcontainer keeps to that',
    fix: 'Leave out the --bind that carries /proc'
  },
  {
    op: 'unshare',
    errno: ['EPERM', 'EACCES', 'ENOSPC', 'EUSERS'],
    when: (_text, step) => step?.op === 'unshare' && step.namespaces.includes('user'),
    reason:
      'this machine does not let you create a user namespace (seccomp of a container, kernel.unprivileged_userns_clone, user.max_user_namespaces, or AppArmor of Ubuntu 24.04)',
    fix: `${PTRACE}, or ask the administrator to allow unprivileged user namespaces`
  },
  {
    op: 'unshare',
    errno: DENIED,
    reason: 'making a mount namespace needs CAP_SYS_ADMIN here',
    fix: PTRACE
  },
  {
    op: 'unshare',
    errno: ['EINVAL', 'ENOSYS'],
    reason: 'this kernel (or sandbox) does not know one of the namespaces',
    fix: PTRACE
  },
  {
    op: 'private',
    errno: DENIED,
    reason: 'an AppArmor or SELinux rule of the outer container denies every mount, as Kubernetes pods often do',
    fix: PTRACE
  },
  {
    op: 'procfs',
    errno: ['EPERM'],
    reason: 'parts of /proc are masked by the outer container, so the kernel refuses a new one',
    fix: 'Leave out --pid and --containall: the /proc of the host is used then'
  },
  {
    op: 'procfs',
    errno: ['EACCES'],
    reason: 'this platform denies mounting procfs on purpose',
    fix: 'Use the in-place root, which mounts nothing from /proc'
  },
  {
    op: 'squashfs',
    errno: ['ENOENT', 'EACCES', 'EPERM', 'ENXIO', 'ENODEV', 'EAGAIN'],
    when: text => text.startsWith('attach'),
    reason: 'there is no loop device that may be used',
    fix: 'Run it once more without the loop mount: the image is unpacked into the store then'
  },
  {
    op: 'squashfs',
    errno: ['EINVAL', 'EIO', 'EUCLEAN', 'EBADMSG', 'ENODEV'],
    when: text => text.startsWith('mount'),
    reason: 'the kernel cannot read this squashfs (damaged, or a compression that it was built without)',
    fix: 'Check the image with nbcontainer inspect, or convert it with --compression gzip'
  },
  {
    op: 'fuse',
    errno: '*',
    when: (_text, step) => step?.op === 'fuse' && step.wishes.includes('inside'),
    reason: 'fuse-overlayfs does not take these directories (a character of their paths, or their file system)',
    fix: 'Leave --overlay-driver out'
  },
  {
    op: 'fuse',
    errno: '*',
    reason: 'FUSE cannot be used here (see nbcontainer doctor), or the program that serves it does not read this file',
    fix: 'Add --unsquash: the image is unpacked into the store then'
  },
  {
    op: 'ext3',
    errno: ['EAGAIN', 'EWOULDBLOCK'],
    when: text => text.startsWith('lock'),
    reason: 'another container uses this overlay image',
    fix: 'Wait for its end, or add :ro to both'
  },
  {
    op: 'ext3',
    errno: '*',
    reason: 'an overlay image is mounted by a loop device, and this machine does not let us, or the image is damaged',
    fix: 'Use a directory for --overlay, or check the image with e2fsck -f'
  },
  {
    op: 'overlay',
    errno: ['EINVAL', ...DENIED, 'ENODEV', 'EOPNOTSUPP'],
    reason: 'overlayfs is not permitted here, or one of the directories lies on a file system that it does not accept',
    fix: 'Add --overlay-driver fuse (it needs fuse-overlayfs), or leave out --writable-tmpfs or --overlay'
  },
  {
    op: 'pivot',
    errno: DENIED,
    reason: 'pivot_root is denied by the outer container',
    fix: PTRACE
  },
  {
    op: 'bind',
    errno: ['ENOENT'],
    when: text => text.startsWith('source'),
    reason: 'there is no such file or directory on the host',
    fix: 'Check the path given to --bind'
  },
  {
    op: 'bind',
    errno: ['ENOENT', 'EROFS'],
    when: text => text.startsWith('target'),
    reason: 'the image has no such mount point and none can be made in it',
    fix: 'Bind to a path that exists in the image, or add --writable-tmpfs'
  },
  {
    op: 'bind',
    errno: ['ENOTDIR', 'EISDIR'],
    reason: 'a file can only be bound on a file, a directory only on a directory',
    fix: 'Check both sides of --bind'
  },
  {
    op: '*',
    errno: ['ELOOP', 'EXDEV'],
    reason: 'a symlink of the image runs in a circle or leads out of it',
    fix: 'Use the path that the symlink stands for'
  },
  {
    op: 'entry',
    errno: ['EROFS', ...DENIED],
    reason: 'the image needs a directory in / that this machine lacks and that cannot be made here',
    fix: PTRACE
  },
  {
    op: 'entry',
    errno: ['EEXIST'],
    reason: 'the machine has something else under that name',
    fix: PTRACE
  },
  {
    op: 'stage',
    errno: ['ENOSPC', 'ENOMEM'],
    reason: 'there is not enough memory for the working file system',
    fix: 'Free some memory'
  },
  {
    op: 'chdir',
    errno: '*',
    reason: 'the container has no such working directory, or it cannot be entered',
    fix: 'Give another one with --pwd'
  },
  {
    op: '*',
    errno: ['EPROTO', 'EPIPE'],
    reason: 'the launcher and the runtime do not understand each other',
    fix: 'Install nbcontainer again'
  },
  {
    op: '*',
    errno: ['ENOSPC', 'ENFILE', 'EMFILE', 'ENOMEM', 'EAGAIN'],
    reason: 'a limit of the machine is reached',
    fix: 'End other programs or containers and try again'
  },
  {
    op: '*',
    errno: DENIED,
    reason: 'the machine denies this step',
    fix: 'See nbcontainer doctor for what is permitted here'
  }
];

/** A step that failed, with the step itself: what else can be tried depends on it. */
export class StepError extends ContainerError {
  readonly failed: Step | undefined;

  constructor(details: IErrorDetails, failed: Step | undefined) {
    super(details);
    this.failed = failed;
  }
}

/** The error of what the launcher reported of a plan. */
export function launchError(
  record: StatusRecord,
  { steps, execution }: { readonly steps: readonly IPlannedStep[]; readonly execution: IExecution }
): ContainerError {
  return record.kind === 'exec' ? execError(record, execution) : stepError(record, steps[record.index]);
}

/** The error of a step that failed. `planned` is undefined when the launcher failed before its first step. */
export function stepError(
  record: Extract<StatusRecord, { kind: 'note' | 'failed' }>,
  planned: IPlannedStep | undefined
): StepError {
  const step = planned?.step;
  const remedy = REMEDIES.find(
    row =>
      (row.op === '*' || row.op === step?.op) &&
      (row.errno === '*' || row.errno.includes(record.errno)) &&
      (row.when?.(record.text, step) ?? true)
  );
  const purpose = planned?.reason ? ` (${planned.reason})` : '';
  return new StepError(
    {
      code: 'launch',
      step: step ? `launch: ${step.op}` : 'launch',
      errno: record.errno,
      message: `cannot start the container: ${record.text}${purpose}`,
      ...(remedy && { reason: remedy.reason, fix: remedy.fix })
    },
    step
  );
}

/** The error of an execve that failed; the wording of a missing command is Apptainer's. */
export function execError(record: Extract<StatusRecord, { kind: 'exec' }>, execution: IExecution): ContainerError {
  const program = execution.argv[0] ?? '';
  const common = { code: 'exec', step: 'exec', errno: record.errno } as const;
  if (record.interpreter !== undefined) {
    const named = record.interpreter === '' ? 'its interpreter' : `its interpreter ${record.interpreter}`;
    return new ContainerError({
      ...common,
      message: `cannot execute "${program}"`,
      reason: `the file is there, but ${named} is not in the image (a script for another shell, or a program for another C library)`,
      fix: 'Call it with an interpreter that the image has, or use the image that the program was built for'
    });
  }
  switch (record.errno) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new ContainerError({
        ...common,
        message: program.includes('/')
          ? `stat ${program}: no such file or directory`
          : `"${program}": executable file not found in $PATH`,
        reason: 'the image holds no such program',
        fix: 'Check the name, or look into the image with nbcontainer shell'
      });
    case 'EACCES':
      return new ContainerError({
        ...common,
        message: `"${program}": permission denied`,
        reason: 'it is not an executable file, or it lies on a file system without exec',
        fix: 'Make it executable (chmod +x), or call its interpreter with it'
      });
    case 'ENOEXEC':
      return new ContainerError({
        ...common,
        message: `"${program}": exec format error`,
        reason: 'it is a program for another architecture, or not a program',
        fix: 'Use an image for this machine (nbcontainer inspect shows its architecture)'
      });
    case 'E2BIG':
      return new ContainerError({
        ...common,
        message: `"${program}": argument list too long`,
        reason: 'arguments and environment are larger than the kernel accepts',
        fix: 'Pass large values as files'
      });
    default:
      return new ContainerError({ ...common, message: `cannot execute "${program}"` });
  }
}
