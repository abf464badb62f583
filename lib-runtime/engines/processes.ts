// SPDX-License-Identifier: BSD-3-Clause
/** Processes of this machine, from /proc (proc(5)). */
import { readdir, readFile } from 'node:fs/promises';

/** Pids of the direct children of a process; none when it has ended. */
export async function childrenOf(pid: number): Promise<number[]> {
  const listed = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => undefined);
  if (listed !== undefined) {
    return listed.trim().split(' ').filter(Boolean).map(Number);
  }
  // A kernel without CONFIG_PROC_CHILDREN.
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(Number);
  const parents = await Promise.all(
    pids.map(async child => ((await statFields(child))[1] === String(pid) ? [child] : []))
  );
  return parents.flat();
}

/** A process and all below it, the nearest first. */
export async function familyOf(pid: number): Promise<number[]> {
  const found = [pid];
  for (const parent of found) {
    found.push(...(await childrenOf(parent)));
  }
  return found;
}

/** The nearest process at or below `pid` that goes by this name (15 characters at most). */
export async function namedBelow(pid: number, name: string): Promise<number | undefined> {
  for (const candidate of await familyOf(pid)) {
    if ((await readFile(`/proc/${candidate}/comm`, 'utf8').catch(() => '')) === `${name}\n`) {
      return candidate;
    }
  }
  return undefined;
}

/** When a process started, in ticks since the machine did; undefined when there is none (or only its remains). */
export async function startOf(pid: number): Promise<string | undefined> {
  const [state, ...rest] = await statFields(pid);
  return state === undefined || state === 'Z' || state === 'X' ? undefined : rest[18];
}

/** What a process has used. */
export interface IUsage {
  /** Processor time, in ticks of 10 ms. */
  readonly ticks: number;
  /** Resident memory, in bytes. */
  readonly memoryBytes: number;
}

/** Ticks and pages are those of every machine that Node runs on: sysconf's 100 per second, and 4 KiB but on some ARM. */
export async function usageOf(pid: number): Promise<IUsage | undefined> {
  const fields = await statFields(pid);
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? '0';
  return fields.length < 13
    ? undefined
    : { ticks: Number(fields[11]) + Number(fields[12]), memoryBytes: Number(resident) * 1024 };
}

/** /proc/PID/stat from field 3 (the state) on: the name before it stands in parentheses and may hold anything. */
async function statFields(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat === ''
    ? []
    : stat
        .slice(stat.lastIndexOf(')') + 2)
        .trim()
        .split(' ');
}
