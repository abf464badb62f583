// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import type { IGpuFacts } from '../host/facts.ts';
import { askedDrivers, driverFiles } from './driver-mounts.ts';
import type { Mount } from './mounts.ts';
import type { INote } from './plan-types.ts';

const facts = (libraries: IGpuFacts['libraries'], others: Partial<IGpuFacts> = {}): IGpuFacts => ({
  libraries,
  binaries: [],
  devices: [],
  files: [],
  notes: [],
  ...others
});
const GPU = facts([{ source: '/usr/lib64-nvidia/libcuda.so.550', names: ['libcuda.so.550', 'libcuda.so.1'] }], {
  driverVersion: '550',
  binaries: ['/opt/bin/nvidia-smi']
});
const ROCM = facts([{ source: '/opt/rocm/lib/libamdhip64.so.6', names: ['libamdhip64.so.6'] }]);

function planned(nv: boolean, rocm: boolean, host: Parameters<typeof askedDrivers>[1]): [string[], string[]] {
  const mounts: Mount[] = [];
  const notes: INote[] = [];
  driverFiles(askedDrivers({ nv, rocm }, host), mounts, notes);
  return [mounts.map(mount => `${mount.kind} ${mount.target}`), notes.map(note => note.text)];
}

const LIBS = '/.singularity.d/libs';
const NVIDIA = [`bind ${LIBS}/libcuda.so.550`, `symlink ${LIBS}/libcuda.so.1`];
const AMD = [`bind ${LIBS}/libamdhip64.so.6`];
it.each([
  [false, false, { gpu: GPU, rocm: ROCM }, []],
  [true, false, { gpu: GPU, rocm: ROCM }, [`tmpfs ${LIBS}`, ...NVIDIA, `seal ${LIBS}`, 'bind /usr/bin/nvidia-smi']],
  [false, true, { gpu: GPU, rocm: ROCM }, [`tmpfs ${LIBS}`, ...AMD, `seal ${LIBS}`]],
  [
    true,
    true,
    { gpu: GPU, rocm: ROCM },
    [`tmpfs ${LIBS}`, ...NVIDIA, ...AMD, `seal ${LIBS}`, 'bind /usr/bin/nvidia-smi']
  ]
])('--nv %s, --rocm %s', (nv, rocm, host, mounts) => {
  expect(planned(nv, rocm, host)).toEqual([mounts, []]);
});

it('warns of each that is not there, and goes on with the other', () => {
  const [mounts, notes] = planned(true, true, { gpu: facts([]), rocm: ROCM });
  expect(mounts).toEqual([`tmpfs ${LIBS}`, ...AMD, `seal ${LIBS}`]);
  expect(notes).toEqual(['no NVIDIA driver libraries were found on this host: --nv has no effect']);
});
