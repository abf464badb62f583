// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { parseCgroupFile } from './cgroup-file.ts';
import type { ILimits } from './limits.ts';

const parse = (text: string): ILimits => parseCgroupFile(text, 'limits.toml');

/** What Apptainer 1.4.5 ships as an example, without its comments. */
const EXAMPLE = `
[cpu]
  cpus = "0"
  mems = "0"
  shares = 1024
[[devices]]
  access = "rwm"
  allow = true
  major = 0
  minor = 0
  type = "a"
[[hugepageLimits]]
  limit = 9223372036854771712
  pageSize = "2MB"
[pids]
  limit = 1024
`;

describe('a file for --apply-cgroups', () => {
  const TABLE: readonly [string, string, ILimits][] = [
    ['nothing', '# empty\n', {}],
    ['the example of Apptainer', EXAMPLE, { cpuset: '0', cpusetMemory: '0', cpuShares: 1024, processes: 1024 }],
    [
      'memory',
      '[memory]\nlimit = 1073741824\nreservation = 536870912\nswap = 2147483648\ndisableOOMKiller = false\n',
      { memory: 1073741824, memoryReservation: 536870912, memorySwap: 2147483648 }
    ],
    [
      'no limits in words of the kernel',
      '[memory]\nlimit = 9223372036854771712\nreservation = -1\nswap = -1\n[pids]\nlimit = -1\n',
      {
        memorySwap: -1,
        processes: -1
      }
    ],
    ['a quota', '[cpu]\nquota = 150000\n', { cpus: 1.5 }],
    ['a quota of a period', '[cpu]\nquota = 20000\nperiod = 40000\n', { cpus: 0.5 }],
    ['zeros', '[cpu]\nquota = 0\nshares = 0\ncpus = ""\n[memory]\nlimit = 0\n[pids]\nlimit = 0\n[blockIO]\n', {}]
  ];
  it.each(TABLE)('is read: %s', (_what, text, limits) => {
    expect(parse(text)).toEqual(limits);
  });

  const REFUSED: readonly [string, string][] = [
    ['memory.swappiness', '[memory]\nswappiness = 10\n'],
    ['memory.disableOOMKiller', '[memory]\ndisableOOMKiller = true\n'],
    ['cpu.realtimeRuntime', '[cpu]\nrealtimeRuntime = 1\n'],
    ['blockIO', '[blockIO]\nweight = 10\n'],
    ['devices', '[[devices]]\nallow = false\naccess = "rwm"\n'],
    ['hugepageLimits', '[[hugepageLimits]]\nlimit = 4096\npageSize = "2MB"\n'],
    ['unified', '[unified]\n"memory.high" = "1"\n'],
    ['memry', '[memry]\nlimit = 1\n']
  ];
  it.each(REFUSED)('is refused where a limit would be lost: %s', (setting, text) => {
    expect(() => parse(text)).toThrow(`limits.toml: ${setting} cannot be honoured`);
  });

  const WRONG: readonly [string, string][] = [
    ['cpu = 3\n', 'cpu is not understood'],
    ['[cpu]\nshares = "many"\n', 'cpu.shares is not understood'],
    ['[cpu]\nquota = 1.5\n', 'cpu.quota is not understood'],
    ['[cpu]\ncpus = "a-b"\n', 'cpu.cpus is not understood'],
    ['[cpu\n', 'limits.toml is no TOML file'],
    ['1979-05-27', 'limits.toml is no TOML file']
  ];
  it.each(WRONG)('is refused when it makes no sense: %j', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });
});
