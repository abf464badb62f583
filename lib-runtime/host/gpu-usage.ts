// SPDX-License-Identifier: BSD-3-Clause
/** What the GPUs of this machine are doing, from nvidia-smi; without it, from what the driver shows in /proc. */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findNvidiaSmi } from './gpu.ts';

export interface IGpuUsage {
  readonly index: number;
  readonly name: string;
  readonly uuid?: string;
  /** 0 when unknown. */
  readonly memoryTotalBytes: number;
  readonly memoryUsedBytes: number;
  /** Percent; absent where the GPU does not tell (MIG, vGPU). */
  readonly utilization?: number;
  readonly processes: { readonly pid: number; readonly name: string; readonly memoryBytes?: number }[];
}

export interface IGpuUsages {
  /** Empty where there is none. */
  readonly gpus: IGpuUsage[];
  readonly driver?: string;
}

const GPU_FIELDS = 'index,name,uuid,memory.total,memory.used,utilization.gpu,driver_version';
const APP_FIELDS = 'gpu_uuid,pid,process_name,used_memory';
const FORMAT = '--format=csv,noheader,nounits';
/** Milliseconds: a driver that wakes up its GPUs takes seconds. */
const TIMEOUT = 10_000;
const MIB = 1 << 20;

/**
 * Asks once. Never throws: a driver that does not answer shows no GPU.
 * @param env PATH is read
 * @param root another place for `/`, for tests
 */
export async function gpuUsage(
  env: Readonly<Record<string, string | undefined>>,
  root: string = '/'
): Promise<IGpuUsages> {
  const program = await findNvidiaSmi(env, root);
  if (program !== undefined) {
    const [gpus, apps] = await Promise.all([
      ask(join(root, program), [`--query-gpu=${GPU_FIELDS}`, FORMAT]),
      ask(join(root, program), [`--query-compute-apps=${APP_FIELDS}`, FORMAT])
    ]);
    const usages = parseGpuUsage(gpus, apps);
    if (usages.gpus.length > 0) {
      return usages;
    }
  }
  const directory = join(root, 'proc/driver/nvidia/gpus');
  const names = (await readdir(directory).catch(() => [])).sort();
  const texts = await Promise.all(
    names.map(name => readFile(join(directory, name, 'information'), 'utf8').catch(() => ''))
  );
  return { gpus: texts.filter(text => text !== '').map(parseGpuInformation) };
}

/**
 * Output of `nvidia-smi --query-gpu` and `--query-compute-apps` as CSV without units (memory in MiB). A value that the
 * GPU does not tell is `[N/A]`, `[Not Supported]` or another word in brackets. Lines that are none are passed over
 * ("No devices were found"). Pure.
 */
export function parseGpuUsage(gpuText: string, appText: string): IGpuUsages {
  const processes = rows(appText).flatMap(fields => {
    const pid = number(fields[1]);
    if (fields.length < 4 || pid === undefined) {
      return [];
    }
    // A program's name may have commas in it.
    const name = fields.slice(2, -1).join(', ');
    return [{ gpu: fields[0] ?? '', process: { pid, name, ...bytes('memoryBytes', fields.at(-1)) } }];
  });
  let driver: string | undefined;
  const found = rows(gpuText).flatMap((fields): IGpuUsage[] => {
    const index = number(fields[0]);
    if (fields.length < 7 || index === undefined) {
      return [];
    }
    const [uuid, total, used, utilization, version] = fields.slice(-5);
    driver ??= known(version);
    const percent = number(utilization);
    const id = known(uuid);
    return [
      {
        index,
        name: fields.slice(1, -5).join(', '),
        ...(id !== undefined && { uuid: id }),
        memoryTotalBytes: (number(total) ?? 0) * MIB,
        memoryUsedBytes: (number(used) ?? 0) * MIB,
        ...(percent !== undefined && { utilization: percent }),
        processes: []
      }
    ];
  });
  // A MIG instance has an id of its own; with one GPU there is no doubt to which it belongs.
  const [only] = found.length === 1 ? found : [];
  const gpus = found.map(gpu => ({
    ...gpu,
    processes: processes.filter(each => each.gpu === gpu.uuid || gpu === only).map(each => each.process)
  }));
  return { gpus, ...(driver !== undefined && { driver }) };
}

/** /proc/driver/nvidia/gpus/ADDRESS/information. Pure. */
export function parseGpuInformation(text: string, index: number): IGpuUsage {
  const value = (key: string): string | undefined => new RegExp(`^${key}:\\s*(.+?)\\s*$`, 'm').exec(text)?.[1];
  const uuid = value('GPU UUID');
  return {
    index: number(value('Device Minor')) ?? index,
    name: value('Model') ?? 'NVIDIA GPU',
    ...(uuid !== undefined && !uuid.includes('?') && { uuid }),
    memoryTotalBytes: 0,
    memoryUsedBytes: 0,
    processes: []
  };
}

function rows(text: string): string[][] {
  return text.split('\n').map(line => line.split(',').map(field => field.trim()));
}

function known(field: string | undefined): string | undefined {
  return field === undefined || field === '' || /^\[.*\]$|^N\/A$/.test(field) ? undefined : field;
}

function number(field: string | undefined): number | undefined {
  return field !== undefined && /^\d+(\.\d+)?$/.test(field) ? Number(field) : undefined;
}

function bytes(key: 'memoryBytes', field: string | undefined): { memoryBytes?: number } {
  const mib = number(field);
  return mib === undefined ? {} : { [key]: mib * MIB };
}

function ask(program: string, args: readonly string[]): Promise<string> {
  return new Promise(resolve => {
    execFile(program, args, { timeout: TIMEOUT, maxBuffer: 1 << 20 }, (error, stdout) => resolve(error ? '' : stdout));
  });
}
