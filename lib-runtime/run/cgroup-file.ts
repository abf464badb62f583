// SPDX-License-Identifier: BSD-3-Clause
/**
 * `--apply-cgroups FILE.toml` (Apptainer's etc/apptainer/cgroups/cgroups.toml; the tables are the OCI runtime
 * specification's `linux.resources`). What our limits can express is taken; a setting that would be lost is refused, as
 * no limit is ever left out silently. Loaded only when the flag is given.
 */
import { parse, TomlDate, type TomlTable, type TomlValue } from 'smol-toml';
import { ContainerError } from '../support/errors.ts';
import type { ILimits } from './limits.ts';

/** Microseconds over which `cpu.quota` is counted when the file does not say. */
const PERIOD = 100_000;
/** The kernel's "no limit" is 2^63 - 1 rounded down to pages, of whatever size those are. */
const UNLIMITED = 2 ** 62;

/**
 * The limits that the file asks for; none is an empty object. Pure.
 *
 * @param path for messages.
 * @throws ContainerError `usage` for text that is no TOML or a value of the wrong kind, `unsupported` for a setting that
 *   has no limit of ours.
 */
export function parseCgroupFile(text: string, path: string): ILimits {
  const file = new Settings(readToml(text, path), path);
  const cpu = file.table('cpu');
  const quota = cpu.number('quota');
  const period = cpu.number('period') ?? PERIOD;
  const memory = file.table('memory');
  const limit = memory.bytes('limit');
  const swap = memory.bytes('swap', -1);
  const reservation = memory.bytes('reservation');
  const shares = cpu.number('shares');
  const cpuset = cpu.list('cpus');
  const cpusetMemory = cpu.list('mems');
  const pids = file.table('pids');
  const processes = pids.number('limit');
  memory.harmless('disableOOMKiller', value => value === false);
  file.harmless(
    'devices',
    value => Array.isArray(value) && value.every(rule => isTable(rule) && rule['allow'] === true)
  );
  file.harmless('hugepageLimits', value => Array.isArray(value) && value.every(isUnlimited));
  file.harmless('blockIO', isEmpty);
  file.harmless('network', isEmpty);
  file.harmless('rdma', isEmpty);
  file.harmless('unified', isEmpty);
  [cpu, memory, pids, file].forEach(table => {
    table.refuseRest();
  });
  return {
    ...(limit !== undefined && { memory: limit }),
    ...(swap !== undefined && { memorySwap: swap }),
    ...(reservation !== undefined && { memoryReservation: reservation }),
    ...(quota !== undefined && quota > 0 && { cpus: quota / period }),
    ...(shares !== undefined && shares > 0 && { cpuShares: shares }),
    ...(cpuset !== undefined && { cpuset }),
    ...(cpusetMemory !== undefined && { cpusetMemory }),
    ...(processes !== undefined && processes !== 0 && { processes: Math.max(processes, -1) })
  };
}

function readToml(text: string, path: string): TomlTable {
  try {
    return parse(text, { integersAsBigInt: 'asNeeded' });
  } catch (error) {
    const [reason = ''] = error instanceof Error ? error.message.split('\n') : [];
    throw new ContainerError({
      code: 'usage',
      step: 'command line',
      message: `${path} is no TOML file`,
      reason,
      fix: 'Correct the file given with --apply-cgroups',
      cause: error
    });
  }
}

/** One table of the file; what has been asked for is not refused afterwards. */
class Settings {
  private readonly values: TomlTable;
  private readonly path: string;
  private readonly name: string;
  private readonly known = new Set<string>();

  constructor(values: TomlTable, path: string, name = '') {
    this.values = values;
    this.path = path;
    this.name = name;
  }

  table(key: string): Settings {
    const value = this.take(key) ?? {};
    if (!isTable(value)) {
      throw this.invalid(key, 'it is no table');
    }
    return new Settings(value, this.path, `${key}.`);
  }

  number(key: string): number | undefined {
    const value = this.take(key);
    if (value !== undefined && (typeof value !== 'number' || !Number.isInteger(value)) && typeof value !== 'bigint') {
      throw this.invalid(key, 'it is no whole number');
    }
    return value === undefined ? undefined : Number(value);
  }

  /** Bytes; undefined for none, 0, less (but for `minus`, where that is a wish) and what the kernel calls unlimited. */
  bytes(key: string, minus?: -1): number | undefined {
    const value = this.number(key);
    if (value !== undefined && value < 0) {
      return minus;
    }
    return value === undefined || value === 0 || value >= UNLIMITED ? undefined : value;
  }

  /** A list of processors or memory nodes; an empty text is none. */
  list(key: string): string | undefined {
    const value = this.take(key);
    if (value === undefined || value === '') {
      return undefined;
    }
    if (typeof value !== 'string' || !/^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/.test(value)) {
      throw this.invalid(key, 'it is no list such as "0-3,5"');
    }
    return value;
  }

  /** A setting that we do not make, and that changes nothing as it is. */
  harmless(key: string, isSo: (value: TomlValue) => boolean): void {
    const value = this.values[key];
    if (value !== undefined && isSo(value)) {
      this.known.add(key);
    }
  }

  refuseRest(): void {
    const rest = Object.keys(this.values).find(key => !this.known.has(key));
    if (rest !== undefined) {
      throw new ContainerError({
        code: 'unsupported',
        step: 'limits',
        message: `${this.path}: ${this.name}${rest} cannot be honoured`,
        reason: 'of such a file nbcontainer sets cpu, memory (limit, reservation, swap) and pids',
        fix: 'Take the setting out of the file'
      });
    }
  }

  private take(key: string): TomlValue | undefined {
    this.known.add(key);
    return this.values[key];
  }

  private invalid(key: string, reason: string): ContainerError {
    return new ContainerError({
      code: 'usage',
      step: 'command line',
      message: `${this.path}: ${this.name}${key} is not understood`,
      reason,
      fix: 'Correct the file given with --apply-cgroups'
    });
  }
}

function isTable(value: TomlValue): value is TomlTable {
  return typeof value === 'object' && !Array.isArray(value) && !(value instanceof TomlDate);
}

function isEmpty(value: TomlValue): boolean {
  return isTable(value) && Object.keys(value).length === 0;
}

function isUnlimited(value: TomlValue): boolean {
  return isTable(value) && Number(value['limit']) >= UNLIMITED;
}
