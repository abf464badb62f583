// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { ContainerError } from '../support/errors.ts';
import { cgroupFiles, type ILimitTexts, type ILimits, parseLimits } from './limits.ts';

describe('parseLimits', () => {
  it.each<[ILimitTexts, ILimits | undefined]>([
    [{}, undefined],
    [{ memory: '1024' }, { memory: 1024 }],
    [{ memory: '100M' }, { memory: 104857600 }],
    [{ memory: '1.5g' }, { memory: 1610612736 }],
    [{ memory: '2GiB' }, { memory: 2147483648 }],
    [{ memory: '10kb' }, { memory: 10240 }],
    [
      { memory: '1m', memorySwap: '-1' },
      { memory: 1048576, memorySwap: -1 }
    ],
    [{ memoryReservation: '1t' }, { memoryReservation: 1099511627776 }],
    [
      { cpus: '1.5', cpuShares: '512' },
      { cpus: 1.5, cpuShares: 512 }
    ],
    [
      { cpusetCpus: '0-3,5', cpusetMems: '0' },
      { cpuset: '0-3,5', cpusetMemory: '0' }
    ],
    [{ pidsLimit: '100' }, { processes: 100 }],
    [{ pidsLimit: '-1' }, { processes: -1 }]
  ])('%j', (texts, expected) => {
    expect(parseLimits(texts)).toEqual(expected);
  });

  it.each<[string, ILimitTexts]>([
    ['memory', { memory: 'bogus' }],
    ['memory', { memory: '0' }],
    ['memory', { memory: '-5m' }],
    ['memory-swap', { memory: '2m', memorySwap: '1m' }],
    ['cpus', { cpus: '-1' }],
    ['cpus', { cpus: 'two' }],
    ['cpu-shares', { cpuShares: '1' }],
    ['cpuset-cpus', { cpusetCpus: '../../x' }],
    ['pids-limit', { pidsLimit: 'x' }]
  ])('refuses --%s %j', (flag, texts) => {
    expect(() => parseLimits(texts)).toThrow(ContainerError);
    expect(() => parseLimits(texts)).toThrow(`invalid ${flag} value`);
  });
});

const written = (limits: ILimits, version: 1 | 2): string[] =>
  cgroupFiles(limits, version).map(({ controller, file, value }) => `${controller}/${file}=${value}`);

describe('cgroupFiles', () => {
  const all: ILimits = {
    memory: 1000,
    memorySwap: 3000,
    memoryReservation: 500,
    cpus: 1.5,
    cpuShares: 1024,
    processes: 9
  };

  it('of version 2', () => {
    expect(written(all, 2)).toEqual([
      'memory/memory.max=1000',
      'memory/memory.swap.max=2000',
      'memory/memory.low=500',
      'cpu/cpu.max=150000 100000',
      'cpu/cpu.weight=39',
      'pids/pids.max=9'
    ]);
    expect(written({ memory: 5, memorySwap: -1, processes: -1, cpuset: '0', cpusetMemory: '1' }, 2)).toEqual([
      'memory/memory.max=5',
      'memory/memory.swap.max=max',
      'cpuset/cpuset.cpus=0',
      'cpuset/cpuset.mems=1',
      'pids/pids.max=max'
    ]);
  });

  it('of version 1', () => {
    expect(written(all, 1)).toEqual([
      'memory/memory.limit_in_bytes=1000',
      'memory/memory.memsw.limit_in_bytes=3000',
      'memory/memory.soft_limit_in_bytes=500',
      'cpu/cpu.cfs_period_us=100000',
      'cpu/cpu.cfs_quota_us=150000',
      'cpu/cpu.shares=1024',
      'pids/pids.max=9'
    ]);
  });
});
