// SPDX-License-Identifier: BSD-3-Clause
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { gpuUsage, type IGpuUsages, parseGpuInformation, parseGpuUsage } from './gpu-usage.ts';

const MIB = 1 << 20;

const cases: [string, string, string, IGpuUsages][] = [
  [
    'two GPUs with programs on one',
    '0, NVIDIA H100 80GB HBM3, GPU-aa, 81559, 1024, 37, 580.65.06\n1, NVIDIA H100 80GB HBM3, GPU-bb, 81559, 1, 0, 580.65.06\n',
    'GPU-aa, 4711, /usr/bin/python3, 900\nGPU-aa, 4712, my, odd name, [N/A]\n',
    {
      driver: '580.65.06',
      gpus: [
        {
          index: 0,
          name: 'NVIDIA H100 80GB HBM3',
          uuid: 'GPU-aa',
          memoryTotalBytes: 81559 * MIB,
          memoryUsedBytes: 1024 * MIB,
          utilization: 37,
          processes: [
            { pid: 4711, name: '/usr/bin/python3', memoryBytes: 900 * MIB },
            { pid: 4712, name: 'my, odd name' }
          ]
        },
        {
          index: 1,
          name: 'NVIDIA H100 80GB HBM3',
          uuid: 'GPU-bb',
          memoryTotalBytes: 81559 * MIB,
          memoryUsedBytes: MIB,
          utilization: 0,
          processes: []
        }
      ]
    }
  ],
  [
    'MIG: no utilization, programs under the name of an instance',
    '0, NVIDIA A100-SXM4-40GB, GPU-aa, 40960, 20, [N/A], 550.54.15\n',
    'MIG-1f2e, 99, python, 4000\n',
    {
      driver: '550.54.15',
      gpus: [
        {
          index: 0,
          name: 'NVIDIA A100-SXM4-40GB',
          uuid: 'GPU-aa',
          memoryTotalBytes: 40960 * MIB,
          memoryUsedBytes: 20 * MIB,
          processes: [{ pid: 99, name: 'python', memoryBytes: 4000 * MIB }]
        }
      ]
    }
  ],
  [
    'an old card that tells little',
    '0, GeForce GT 710, [Not Supported], 2002, [Unknown Error], [Not Supported], 470.1\n',
    '',
    {
      driver: '470.1',
      gpus: [{ index: 0, name: 'GeForce GT 710', memoryTotalBytes: 2002 * MIB, memoryUsedBytes: 0, processes: [] }]
    }
  ],
  ['none', 'No devices were found\n', 'No running processes found\n', { gpus: [] }],
  ['nothing', '', '', { gpus: [] }]
];

describe('parseGpuUsage', () => {
  test.each(cases)('%s', (_what, gpus, apps, expected) => {
    expect(parseGpuUsage(gpus, apps)).toEqual(expected);
  });
});

test('what the driver shows in /proc', () => {
  const text = 'Model: \t\t Tesla T4\nIRQ:   \t\t 33\nGPU UUID: \t GPU-1234\nBus Type: \t PCIe\nDevice Minor: \t 2\n';
  expect(parseGpuInformation(text, 0)).toEqual({
    index: 2,
    name: 'Tesla T4',
    uuid: 'GPU-1234',
    memoryTotalBytes: 0,
    memoryUsedBytes: 0,
    processes: []
  });
  expect(parseGpuInformation('GPU UUID: GPU-????????\n', 3)).toMatchObject({ index: 3, name: 'NVIDIA GPU' });
});

describe('gpuUsage', () => {
  let root: string;
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'nbc-gpu-'))));
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function put(path: string, text: string): void {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  }

  test('asks the program where the host has it', async () => {
    const script =
      '#!/bin/sh\ncase $1 in *gpu=*) echo 0, Some GPU, GPU-1, 10, 1, 5, 1.2;; *) echo GPU-1, 7, a, 1;; esac\n';
    put('opt/bin/nvidia-smi', script);
    chmodSync(join(root, 'opt/bin/nvidia-smi'), 0o755);
    expect(await gpuUsage({}, root)).toMatchObject({
      driver: '1.2',
      gpus: [{ name: 'Some GPU', utilization: 5, processes: [{ pid: 7 }] }]
    });
  });

  test('without an answer of the program, what /proc shows; without that, none', async () => {
    expect(await gpuUsage({}, root)).toEqual({ gpus: [] });
    put('opt/bin/nvidia-smi', '#!/bin/sh\nexit 9\n');
    chmodSync(join(root, 'opt/bin/nvidia-smi'), 0o755);
    put('proc/driver/nvidia/gpus/0000:01:00.0/information', 'Model: Tesla T4\nDevice Minor: 0\n');
    expect(await gpuUsage({}, root)).toMatchObject({ gpus: [{ name: 'Tesla T4' }] });
  });
});
