// SPDX-License-Identifier: BSD-3-Clause
/** instance stats: what an instance uses, added up over its processes (Apptainer reads a control group). */
import { totalmem } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { familyOf, usageOf } from '../../engines/processes.ts';
import type { IInstance } from '../../run/instances.ts';
import { formatBytes, print } from '../output.ts';
import { columns, requireOne } from './instance.ts';

/** Milliseconds between two looks. */
const INTERVAL = 1000;

interface IStats {
  readonly instance: string;
  /** Of one processor. */
  readonly cpuPercent: number;
  readonly memoryBytes: number;
  readonly memoryLimitBytes: number;
  readonly pids: number;
}

/** Prints a table every second until the instance ends or Ctrl-C; once with --no-stream or --json. */
export async function instanceStatsCommand(
  name: string,
  values: { readonly json?: boolean; readonly stream?: boolean }
): Promise<number> {
  const instance = await requireOne(name);
  for (let before = await look(instance); ;) {
    await setTimeout(INTERVAL);
    const now = await look(instance);
    if (now.pids === 0) {
      return 0;
    }
    const stats: IStats = {
      instance: instance.name,
      cpuPercent: Math.max(0, (100 * (now.ticks - before.ticks) * 10) / (now.at - before.at)),
      memoryBytes: now.memoryBytes,
      memoryLimitBytes: instance.spec.limits?.memory ?? totalmem(),
      pids: now.pids
    };
    print(values.json ? JSON.stringify(stats, null, '\t') : table(stats));
    if (values.json || values.stream === false) {
      return 0;
    }
    before = now;
  }
}

function table({ instance, cpuPercent, memoryBytes, memoryLimitBytes, pids }: IStats): string {
  const memory = `${formatBytes(memoryBytes)} / ${formatBytes(memoryLimitBytes)}`;
  const share = `${((100 * memoryBytes) / memoryLimitBytes).toFixed(2)}%`;
  return columns([
    ['INSTANCE NAME', 'CPU USAGE', 'MEM USAGE / LIMIT', 'MEM %', 'PIDS'],
    [instance, `${cpuPercent.toFixed(2)}%`, memory, share, String(pids)]
  ]);
}

/** Processes that entered it are children of those who entered, and not counted. */
async function look({ pid }: IInstance): Promise<{ at: number; ticks: number; memoryBytes: number; pids: number }> {
  const used = (await Promise.all((await familyOf(pid)).map(usageOf))).filter(usage => usage !== undefined);
  return {
    at: performance.now(),
    ticks: used.reduce((sum, { ticks }) => sum + ticks, 0),
    memoryBytes: used.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
    pids: used.length
  };
}
