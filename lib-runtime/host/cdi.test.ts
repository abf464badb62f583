// SPDX-License-Identifier: BSD-3-Clause
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findDevices } from './cdi.ts';

let root: string;
let directories: string[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nbc-cdi-'));
  directories = ['etc', 'run'].map(name => join(root, name));
  directories.forEach(directory => mkdirSync(directory));
});
afterEach(() => rmSync(root, { recursive: true }));

/** The form in which nvidia-ctk writes it, shortened. */
const NVIDIA = `---
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
    - path: /dev/dri/card1
      hostPath: /dev/dri/card7
- name: all
  containerEdits:
    deviceNodes: [{ path: /dev/nvidia0 }, { path: /dev/nvidia1 }]
containerEdits:
  env: [NVIDIA_VISIBLE_DEVICES=void, EMPTY=, "WITH=a=b"]
  deviceNodes:
  - path: /dev/nvidiactl
  hooks:
  - hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
  mounts:
  - hostPath: /usr/lib/libcuda.so.550.54.15
    containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15
    options: [ro, nosuid, nodev, bind]
  - hostPath: /var/cache
    containerPath: /cache
`;

const put = (at: number, name: string, text: string): void => writeFileSync(join(directories[at] ?? '', name), text);

it('takes the edits of the file and of the devices asked for', async () => {
  put(0, 'nvidia.yaml', NVIDIA);
  expect(await findDevices(['nvidia.com/gpu=0'], directories)).toEqual({
    environment: { NVIDIA_VISIBLE_DEVICES: 'void', EMPTY: '', WITH: 'a=b' },
    mounts: [
      {
        source: '/usr/lib/libcuda.so.550.54.15',
        target: '/usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15',
        readOnly: true
      },
      { source: '/var/cache', target: '/cache', readOnly: false }
    ],
    devices: [
      { source: '/dev/nvidiactl', target: '/dev/nvidiactl' },
      { source: '/dev/nvidia0', target: '/dev/nvidia0' },
      { source: '/dev/dri/card7', target: '/dev/dri/card1' }
    ],
    notes: [expect.stringContaining('hooks')]
  });
});

it('counts the edits of the file once, and prefers the later directory', async () => {
  put(0, 'nvidia.yaml', NVIDIA);
  const spec = {
    cdiVersion: '0.6.0',
    kind: 'vendor.com/net',
    devices: [{ name: 1, containerEdits: { env: ['NET=run'] } }]
  };
  put(0, 'net.json', JSON.stringify({ ...spec, devices: [{ name: '1', containerEdits: { env: ['NET=etc'] } }] }));
  put(1, 'net.json', JSON.stringify(spec));
  const found = await findDevices(['nvidia.com/gpu=0', 'nvidia.com/gpu=all', 'vendor.com/net=1'], directories);
  expect(found.devices.filter(device => device.target === '/dev/nvidiactl')).toHaveLength(1);
  expect(found.environment['NET']).toBe('run');
});

it.each([
  ['nvidia.com/gpu', 'is no name of a device'],
  ['nvidia.com/gpu=', 'is no name of a device'],
  ['nvidia.com/gpu=7', 'there is no device nvidia.com/gpu=7']
])('refuses %s', async (name, message) => {
  put(0, 'nvidia.yaml', NVIDIA);
  await expect(findDevices([name], directories)).rejects.toThrow(message);
});

it('says where it looked when nothing is described, and what is wrong with a file', async () => {
  await expect(findDevices(['a.b/c=d'], directories)).rejects.toMatchObject({
    code: 'not-found',
    reason: expect.stringContaining(directories[1] ?? '') as string
  });
  put(1, 'broken.yaml', 'cdiVersion: [');
  await expect(findDevices(['a.b/c=d'], directories)).rejects.toThrow('cannot read the device description');
  put(1, 'broken.yaml', 'cdiVersion: "1"\nkind: x\ndevices: []\n');
  await expect(findDevices(['a.b/c=d'], directories)).rejects.toThrow('cannot read the device description');
});
