// SPDX-License-Identifier: BSD-3-Clause
/**
 * --memory, --cpus, --pids-limit and their kin as files of a control group (docs.kernel.org: cgroup-v1, cgroup-v2;
 * the values as Apptainer 1.4.5 reads them, which takes them from Docker). Pure.
 */
import { ContainerError } from '../support/errors.ts';

export interface ILimits {
  /** Bytes. */
  readonly memory?: number;
  /** Bytes of memory and swap together; -1 for no limit. */
  readonly memorySwap?: number;
  /** Bytes. */
  readonly memoryReservation?: number;
  /** Processors, a fraction is one. */
  readonly cpus?: number;
  /** Relative weight; 1024 is the usual one. */
  readonly cpuShares?: number;
  /** Lists such as `0-3,5`. */
  readonly cpuset?: string;
  readonly cpusetMemory?: string;
  /** Processes and threads; -1 for no limit. */
  readonly processes?: number;
}

/** The flags, in the notation of a property. */
export const LIMITS = [
  'memory',
  'memorySwap',
  'memoryReservation',
  'cpus',
  'cpuShares',
  'cpusetCpus',
  'cpusetMems',
  'pidsLimit'
] as const;

/** What the flags say, before it is understood. */
export type ILimitTexts = Readonly<Partial<Record<(typeof LIMITS)[number], string>>>;

/** One file to write. */
export interface ICgroupFile {
  readonly controller: 'memory' | 'cpu' | 'cpuset' | 'pids';
  readonly file: string;
  readonly value: string;
}

/** Microseconds over which a share of the processors is counted. */
const PERIOD = 100_000;
const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/**
 * The limits of a command line; undefined when none is asked for.
 *
 * @throws ContainerError `usage` for a value that cannot be understood.
 */
export function parseLimits(texts: ILimitTexts): ILimits | undefined {
  const { memory, memorySwap, memoryReservation, cpus, cpuShares, cpusetCpus, cpusetMems, pidsLimit } = texts;
  const limits: ILimits = {
    ...(memory !== undefined && { memory: bytes('memory', memory) }),
    ...(memorySwap !== undefined && { memorySwap: memorySwap === '-1' ? -1 : bytes('memory-swap', memorySwap) }),
    ...(memoryReservation !== undefined && { memoryReservation: bytes('memory-reservation', memoryReservation) }),
    ...(cpus !== undefined && { cpus: processors(cpus) }),
    ...(cpuShares !== undefined && { cpuShares: whole('cpu-shares', cpuShares, 2) }),
    ...(cpusetCpus !== undefined && { cpuset: list('cpuset-cpus', cpusetCpus) }),
    ...(cpusetMems !== undefined && { cpusetMemory: list('cpuset-mems', cpusetMems) }),
    ...(pidsLimit !== undefined && { processes: whole('pids-limit', pidsLimit, -1) })
  };
  if (limits.memorySwap !== undefined && limits.memorySwap !== -1 && limits.memorySwap < (limits.memory ?? 0)) {
    throw invalid(
      'memory-swap',
      String(memorySwap),
      'it counts memory and swap together, so it is no less than --memory'
    );
  }
  return Object.keys(limits).length === 0 ? undefined : limits;
}

/** The files below the group's directory, or below one for each controller in version 1, in the order to write them. */
export function cgroupFiles(limits: ILimits, version: 1 | 2): ICgroupFile[] {
  return version === 1 ? filesOf1(limits) : filesOf2(limits);
}

function filesOf2(limits: ILimits): ICgroupFile[] {
  const { memory, memorySwap, memoryReservation, cpus, cpuShares, cpuset, cpusetMemory, processes } = limits;
  const swap = memorySwap === undefined || memorySwap === -1 ? memorySwap : memorySwap - (memory ?? 0);
  // Docker's scale of 2..262144 on the kernel's of 1..10000.
  const weight =
    cpuShares === undefined ? undefined : 1 + Math.floor(((Math.min(cpuShares, 262144) - 2) * 9999) / 262142);
  return some([
    ['memory', 'memory.max', memory],
    ['memory', 'memory.swap.max', swap === -1 ? 'max' : swap],
    ['memory', 'memory.low', memoryReservation],
    ['cpu', 'cpu.max', cpus === undefined ? undefined : `${Math.round(cpus * PERIOD)} ${PERIOD}`],
    ['cpu', 'cpu.weight', weight],
    ['cpuset', 'cpuset.cpus', cpuset],
    ['cpuset', 'cpuset.mems', cpusetMemory],
    ['pids', 'pids.max', processes === -1 ? 'max' : processes]
  ]);
}

function filesOf1(limits: ILimits): ICgroupFile[] {
  const { memory, memorySwap, memoryReservation, cpus, cpuShares, cpuset, cpusetMemory, processes } = limits;
  return some([
    ['memory', 'memory.limit_in_bytes', memory],
    ['memory', 'memory.memsw.limit_in_bytes', memorySwap],
    ['memory', 'memory.soft_limit_in_bytes', memoryReservation],
    ['cpu', 'cpu.cfs_period_us', cpus === undefined ? undefined : PERIOD],
    ['cpu', 'cpu.cfs_quota_us', cpus === undefined ? undefined : Math.round(cpus * PERIOD)],
    ['cpu', 'cpu.shares', cpuShares],
    ['cpuset', 'cpuset.cpus', cpuset],
    ['cpuset', 'cpuset.mems', cpusetMemory],
    ['pids', 'pids.max', processes === -1 ? 'max' : processes]
  ]);
}

function some(
  rows: readonly (readonly [ICgroupFile['controller'], string, string | number | undefined])[]
): ICgroupFile[] {
  return rows.flatMap(([controller, file, value]) =>
    value === undefined ? [] : [{ controller, file, value: String(value) }]
  );
}

function bytes(flag: string, text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$/i.exec(text.trim()) ?? [];
  const size = Math.floor(Number(number) * (UNITS[unit.toLowerCase()] ?? 0));
  if (number === '' || size < 1 || !Number.isSafeInteger(size)) {
    throw invalid(flag, text, 'it is no size such as 512M or 2g');
  }
  return size;
}

function processors(text: string): number {
  const cpus = /^\d*\.?\d+$/.test(text) ? Number(text) : 0;
  if (cpus < 0.01 || cpus > 1e6) {
    throw invalid('cpus', text, 'it is no number of processors such as 1.5');
  }
  return cpus;
}

function whole(flag: string, text: string, least: number): number {
  const number = /^-?\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (!(number >= least)) {
    throw invalid(flag, text, `it is no whole number from ${least} on`);
  }
  return number;
}

function list(flag: string, text: string): string {
  if (!/^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/.test(text)) {
    throw invalid(flag, text, 'it is no list such as 0-3,5');
  }
  return text;
}

function invalid(flag: string, text: string, reason: string): ContainerError {
  return new ContainerError({
    code: 'usage',
    step: flag === 'pids-limit' || flag === 'cpu-shares' ? 'flag' : 'command line',
    message: `invalid ${flag} value: "${text}"`,
    reason,
    fix: `Correct --${flag} or leave it out`
  });
}
