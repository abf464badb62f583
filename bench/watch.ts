// SPDX-License-Identifier: BSD-3-Clause
/** Runs a program and watches, ten times a second, the memory of its process tree and the use of a file system. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, statfsSync } from 'node:fs';
import { cpus } from 'node:os';
import type { ICommandLine } from '../platforms/standin.ts';
import type { ISample } from './ratios.ts';

export interface IWatched extends ISample {
  readonly status: number;
  readonly stderr: string;
  /** Most that the whole process tree held at a time: sum of the proportional set sizes, bytes. */
  readonly memory: number;
  /** Most that the file system held at a time beyond what it held before, bytes. */
  readonly disk: number;
}

const INTERVAL_MS = 100;
const TICKS = 100;

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise; // the process ended meanwhile
  }
}

/** The process and all that descend from it. */
function treeOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name)) {
      const stat = readOr(`/proc/${name}/stat`, '');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    }
  }
  const tree = new Set([root]);
  for (let size = 0; size !== tree.size;) {
    size = tree.size;
    for (const [pid, parent] of parents) {
      if (tree.has(parent)) {
        tree.add(pid);
      }
    }
  }
  return [...tree];
}

function memoryOf(pids: readonly number[]): number {
  const kilobytes = pids.map(pid => /^Pss:\s*(\d+)/m.exec(readOr(`/proc/${pid}/smaps_rollup`, ''))?.[1] ?? '0');
  return kilobytes.reduce((sum, value) => sum + Number(value) * 1024, 0);
}

function usedBytes(directory: string): number {
  const { bsize, blocks, bfree } = statfsSync(directory);
  return bsize * (blocks - bfree);
}

function stealTicks(): number {
  return Number(/^cpu +(?:\d+ +){7}(\d+)/.exec(readOr('/proc/stat', ''))?.[1] ?? '0');
}

/** Runs the command line to its end; `directory` lies on the file system to watch. */
export async function watch(line: ICommandLine, directory: string): Promise<IWatched> {
  const before = usedBytes(directory);
  const [stolen, begin] = [stealTicks(), performance.now()];
  const child = spawn(line.program, line.arguments, { env: line.environment, stdio: ['ignore', 'ignore', 'pipe'] });
  const peak = { memory: 0, disk: 0 };
  const sample = (): void => {
    if (child.pid !== undefined) {
      peak.memory = Math.max(peak.memory, memoryOf(treeOf(child.pid)));
    }
    peak.disk = Math.max(peak.disk, usedBytes(directory) - before);
  };
  const timer = setInterval(sample, INTERVAL_MS);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.once('error', reject).once('close', (code, signal) => resolve(code ?? (signal === null ? 0 : 128)));
    });
    const milliseconds = performance.now() - begin;
    peak.disk = Math.max(peak.disk, usedBytes(directory) - before);
    const fraction = ((stealTicks() - stolen) * 1000) / TICKS / cpus().length / milliseconds;
    return { status, stderr, milliseconds, stolen: fraction, ...peak };
  } finally {
    clearInterval(timer);
  }
}
