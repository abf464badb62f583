// SPDX-License-Identifier: BSD-3-Clause
/**
 * What follows from a step that failed at launch although the probe had said that it works (a limit was reached, a
 * policy looks at the path, the kernel reads another squashfs): the fact that was wrong, so that the planner finds the
 * next way by itself. Pure.
 */
import type { Step } from '../engines/steps.ts';
import type { IHostFacts, ProbeName } from '../host/facts.ts';

/** Facts of the host that turned out otherwise. */
export interface IRestriction {
  readonly probes: readonly ProbeName[];
  /** Programs that do not do what they are there for. */
  readonly tools: readonly string[];
  readonly errno: string;
}

interface IRow {
  readonly op: Step['op'];
  readonly errno: readonly string[] | '*';
  readonly when?: (step: Step) => boolean;
  readonly probes?: readonly ProbeName[];
  readonly tools?: readonly string[];
}

const DENIED = ['EPERM', 'EACCES'];
const UNKNOWN = ['EINVAL', 'ENOSYS', 'ENODEV', 'EOPNOTSUPP'];
const hasUser = (step: Step): boolean => step.op === 'unshare' && step.namespaces.includes('user');
const hasHelpers = (step: Step): boolean => step.op === 'unshare' && step.mapHelpers !== undefined;
const isImage = (step: Step): boolean => step.op === 'fuse' && !step.wishes.includes('inside');
const bindsOf = (directory: string) => (step: Step) =>
  step.op === 'bind' && (step.source === directory || step.source.startsWith(`${directory}/`));

/** The first row that fits counts. */
const ROWS: readonly IRow[] = [
  { op: 'unshare', errno: '*', when: hasHelpers, tools: ['newuidmap', 'newgidmap'] },
  {
    op: 'unshare',
    errno: [...DENIED, ...UNKNOWN, 'ENOSPC', 'EUSERS'],
    when: hasUser,
    probes: ['user-namespace', 'user-mount-namespace']
  },
  { op: 'unshare', errno: [...DENIED, ...UNKNOWN, 'ENOSPC'], probes: ['mount-namespace'] },
  // No mount at all is permitted then.
  { op: 'private', errno: DENIED, probes: ['tmpfs', 'bind'] },
  { op: 'stage', errno: [...DENIED, ...UNKNOWN], probes: ['tmpfs'] },
  // No free loop device, a limit on them, a compression that this kernel was built without, a damaged file: our own
  // reader unpacks it, or says what is wrong with it.
  { op: 'squashfs', errno: '*', probes: ['loop-device'] },
  // No program of that name any more, one that was built without this compression, a damaged file: the same.
  { op: 'fuse', errno: '*', when: isImage, probes: ['fuse-mount'] },
  { op: 'overlay', errno: [...DENIED, ...UNKNOWN], probes: ['overlay', 'user-overlay'] },
  { op: 'procfs', errno: [...DENIED, ...UNKNOWN], probes: ['fresh-procfs'] },
  { op: 'bind', errno: [...DENIED, ...UNKNOWN], when: bindsOf('/proc'), probes: ['bind-procfs'] },
  { op: 'bind', errno: DENIED, when: bindsOf('/dev'), probes: ['bind'] },
  { op: 'bind', errno: DENIED, when: bindsOf('/sys'), probes: ['bind'] },
  { op: 'pivot', errno: [...DENIED, ...UNKNOWN], probes: ['pivot-root'] },
  { op: 'chroot', errno: DENIED, probes: ['chroot'] },
  { op: 'ledger', errno: [...DENIED, 'EROFS', 'ENOSPC'], probes: ['write-root'] },
  { op: 'entry', errno: [...DENIED, 'EROFS', 'ENOSPC'], probes: ['write-root'] },
  { op: 'place', errno: [...DENIED, ...UNKNOWN], probes: ['bind'] },
  { op: 'hide', errno: [...DENIED, ...UNKNOWN], probes: ['tmpfs'] },
  { op: 'without-system-calls', errno: [...DENIED, ...UNKNOWN], probes: ['seccomp-filter'] }
];

/** What the failure says about this machine; undefined when another plan would not help. */
export function nextStrategy(failed: Step, errno: string | undefined): IRestriction | undefined {
  const row = ROWS.find(
    ({ op, errno: known, when }) =>
      op === failed.op && (known === '*' || (errno !== undefined && known.includes(errno))) && (when?.(failed) ?? true)
  );
  return row && { probes: row.probes ?? [], tools: row.tools ?? [], errno: errno ?? 'EIO' };
}

/** The facts as they are now known to be; undefined when they were so already: the same plan would come out. */
export function restrict(host: IHostFacts, { probes, tools, errno }: IRestriction): IHostFacts | undefined {
  const wrong = probes.filter(name => host.probes[name].ok);
  const useless = tools.filter(name => host.tools[name] !== undefined);
  if (wrong.length + useless.length === 0) {
    return undefined;
  }
  const known = Object.fromEntries(wrong.map(name => [name, { ok: false, errno }]));
  const rest = Object.entries(host.tools).filter(([name]) => !useless.includes(name));
  return { ...host, probes: { ...host.probes, ...known }, tools: Object.fromEntries(rest) };
}
