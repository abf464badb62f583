// SPDX-License-Identifier: BSD-3-Clause
/** --pid, --ipc, --uts and --net: which namespaces a container gets beside its own mounts. Pure. */
import type { Namespace } from '../engines/steps.ts';
import type { IHostFacts } from '../host/facts.ts';
import { errnoText } from './identity.ts';
import type { INote } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';

export interface IIsolation {
  readonly namespaces: readonly Namespace[];
  /** /proc is a new procfs, which shows the container's processes only. */
  readonly freshProc: boolean;
  readonly notes: readonly INote[];
}

/**
 * What can be had of the namespaces asked for. A pid namespace is worth having only with a procfs of its own: with the
 * host's, /proc/self is somebody else. Where that is denied, the container shares the host's process ids, said once.
 *
 * @param showsProc /proc is to be mounted at all (`--no-mount proc`).
 */
export function isolation(
  spec: IRunSpec,
  host: IHostFacts,
  root: 'pivot' | 'in-place',
  showsProc: boolean
): IIsolation {
  const notes: INote[] = [];
  let pid = spec.pid;
  if (pid && root === 'in-place') {
    pid = false;
    notes.push(shared("the host's /proc stays in place"));
  } else if (pid && showsProc && !host.probes['fresh-procfs'].ok) {
    pid = false;
    notes.push(shared(`this host denies a fresh procfs${errnoText(host.probes['fresh-procfs'])}`));
  }
  const namespaces: Namespace[] = [];
  if (pid) {
    namespaces.push('pid');
  }
  if (spec.ipc) {
    namespaces.push('ipc');
  }
  if (spec.uts || spec.hostname !== undefined) {
    namespaces.push('uts');
  }
  return { namespaces, freshProc: pid && showsProc, notes };
}

/** The flags that ask for namespaces beside that of mounts. */
export function wishesForNamespaces(spec: IRunSpec): string[] {
  const flags = [spec.pid && '--pid', spec.ipc && '--ipc', spec.uts && '--uts', spec.userNamespace && '--userns'];
  return flags.filter(flag => flag !== false);
}

/** What the ptrace engine says of the same wishes: it makes no namespaces. */
export function isolationUnderPtrace(spec: IRunSpec): INote[] {
  const flags = wishesForNamespaces(spec);
  const text = `the ptrace engine makes no namespaces: ${flags.join(', ')} ${flags.length > 1 ? 'have' : 'has'} no effect`;
  return flags.length === 0 ? [] : [{ level: 'warning', text }];
}

function shared(why: string): INote {
  return { level: 'warning', text: `no pid namespace: ${why}; the container shares the host's process ids` };
}
