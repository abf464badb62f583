// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { IHostFacts } from '../host/facts.ts';
import { fabricDevices, fabricPaths } from './fabric.ts';
import { hostPaths } from './paths.ts';
import { plan, steps } from './plan-testing.ts';
import type { IRunSpec } from './spec.ts';
import { DEBIAN, execSpec, hostFacts, imageFacts } from './testing.ts';

type Variables = Readonly<Record<string, string>>;

/** What gatherHostFacts would say of the paths that the planner asks about on a machine with these devices. */
function machine(devices: readonly string[], environment: Variables, spec: Partial<IRunSpec>): Partial<IHostFacts> {
  const { paths } = hostFacts();
  const asked = hostPaths(execSpec(spec), environment, '/home/ada/work').filter(path => path.startsWith('/dev/'));
  const looked = asked.map(path => {
    const type = devices.includes(`${path}/`) ? 'directory' : devices.includes(path) ? 'other' : undefined;
    return [path, type === undefined ? null : ({ real: path, type } as const)] as const;
  });
  return { paths: { ...paths, ...Object.fromEntries(looked) } };
}

describe('the devices of the fabric', () => {
  const INFINIBAND = ['/dev/infiniband/', '/dev/knem'];
  const CONTAIN = { contain: true };
  const TABLE: readonly [string, readonly string[], Variables, Partial<IRunSpec>, readonly string[]][] = [
    [
      'Open MPI',
      INFINIBAND,
      { OMPI_COMM_WORLD_RANK: '0' },
      CONTAIN,
      ['/dev/infiniband rec,nosuid', '/dev/knem nosuid']
    ],
    ['srun', ['/dev/infiniband/'], { SLURM_MPI_TYPE: 'pmix' }, CONTAIN, ['/dev/infiniband rec,nosuid']],
    [
      'MPICH on Slingshot',
      ['/dev/cxi0', '/dev/cxi1'],
      { PMI_RANK: '3' },
      CONTAIN,
      ['/dev/cxi0 nosuid', '/dev/cxi1 nosuid']
    ],
    ['Omni-Path', ['/dev/hfi1_0'], { PMIX_RANK: '1' }, CONTAIN, ['/dev/hfi1_0 nosuid']],
    ['a machine without a fabric', [], { OMPI_COMM_WORLD_RANK: '0' }, CONTAIN, []],
    ['no MPI', INFINIBAND, { SLURM_JOB_ID: '7' }, CONTAIN, []],
    ['an empty variable', INFINIBAND, { PMI_RANK: '' }, CONTAIN, []],
    ['no --contain: the whole /dev is there', INFINIBAND, { OMPI_COMM_WORLD_RANK: '0' }, {}, []],
    ['--no-mount dev', INFINIBAND, { OMPI_COMM_WORLD_RANK: '0' }, { ...CONTAIN, noMount: ['dev'] }, []]
  ];
  it.each(TABLE)('%s', (_what, devices, environment, spec, expected) => {
    const result = plan(imageFacts(DEBIAN), spec, {}, machine(devices, environment, spec));
    expect(steps(result, /^bind \/dev\/(infiniband|knem|xpmem|hfi1|cxi)/)).toEqual(
      expected.map(text => {
        const [path = '', flags = ''] = text.split(' ');
        return `bind ${path} ${path} ${flags} optional`;
      })
    );
  });

  it('are looked for only where somebody asks', () => {
    expect(fabricPaths(true, {})).toEqual([]);
    expect(fabricPaths(false, { PMI_RANK: '0' })).toEqual([]);
    expect(fabricPaths(true, { PMI_RANK: '0' })).toContain('/dev/infiniband');
    expect(fabricDevices(hostFacts())).toEqual([]);
  });
});
