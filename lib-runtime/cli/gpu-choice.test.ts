// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { DEFAULT_SPEC, type IRunSpec } from '../run/spec.ts';
import { chooseGpus, withDevices } from './gpu-choice.ts';

const SPEC: IRunSpec = { ...DEFAULT_SPEC, action: 'exec', command: ['true'] };
const EDITS = {
  environment: { A: 'cdi', B: 'cdi' },
  mounts: [{ source: '/usr/lib/x.so', target: '/usr/lib/x.so', readOnly: true }],
  devices: [
    { source: '/dev/nvidia0', target: '/dev/nvidia0' },
    { source: '/dev/dri/card7', target: '/dev/dri/card1' }
  ],
  notes: []
};

it.each([
  [false, ['/usr/lib/x.so', '/dev/dri/card1', '/mine']],
  [true, ['/usr/lib/x.so', '/dev/nvidia0', '/dev/dri/card1', '/mine']]
])('binds what a device needs, --contain %s', (contain, targets) => {
  const binds = [{ source: '/host', target: '/mine', readOnly: false }];
  const spec = withDevices({ ...SPEC, contain, binds, environment: { A: 'given' } }, EDITS);
  expect(spec.binds.map(bind => bind.target)).toEqual(targets);
  expect(spec.environment).toEqual({ A: 'given', B: 'cdi' });
});

it('asks the host nothing when nothing is asked for', async () => {
  expect(await chooseGpus(SPEC, {}, {})).toEqual({ spec: SPEC, notes: [] });
});

it('gpu none beats --nv and --rocm, also from the environment', async () => {
  const spec = { ...SPEC, nv: true, rocm: true };
  expect((await chooseGpus(spec, { gpu: 'none' }, {})).spec).toEqual(SPEC);
  expect((await chooseGpus(spec, {}, { APPTAINER_GPU: 'none' })).spec).toEqual(SPEC);
});

it('gpu auto looks and takes what is there', async () => {
  const { spec, gpu, rocm } = await chooseGpus(SPEC, { gpu: 'auto' }, {});
  expect(gpu).toBeDefined();
  expect(spec.nv).toBe((gpu?.libraries.length ?? 0) > 0 && (gpu?.devices.length ?? 0) > 0);
  expect(spec.rocm).toBe(rocm?.devices.includes('/dev/kfd'));
});

it.each([
  [{ gpu: 'nvidia' }, '--gpu knows auto and none'],
  [{ device: ['nvidia.com/gpu'] }, 'is no name of a device'],
  [{ device: ['example.com/none=1'], cdiDirs: ['/nowhere'] }, 'there is no device example.com/none=1']
])('refuses %j', async (values, message) => {
  await expect(chooseGpus(SPEC, values, {})).rejects.toThrow(message);
});
