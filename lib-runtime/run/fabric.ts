// SPDX-License-Identifier: BSD-3-Clause
/**
 * The network of a cluster under --contain: MPI talks to it through devices that a small /dev would hide, and falls back
 * to TCP without a word. They are brought along where the environment says that a launcher of MPI started us. Pure.
 */
import type { IHostFacts } from '../host/facts.ts';
import type { Mount } from './mounts.ts';

/** Set for each rank: Open MPI, PMIx, PMI (MPICH, Intel), MVAPICH, Slurm's srun --mpi, IBM/LSF, Cray PALS. */
const RANKS = [
  ...['OMPI_COMM_WORLD_RANK', 'PMIX_RANK', 'PMI_RANK', 'MPI_LOCALRANKID', 'MV2_COMM_WORLD_RANK'],
  ...['SLURM_MPI_TYPE', 'JSM_NAMESPACE_RANK', 'PALS_RANKID']
];

/** InfiniBand, RoCE and AWS EFA; copies between processes; Omni-Path and Slingshot, one for each card. */
const DEVICES = [
  ...['/dev/infiniband', '/dev/knem', '/dev/xpmem'],
  ...[0, 1, 2, 3].map(card => `/dev/hfi1_${card}`),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map(card => `/dev/cxi${card}`)
];

/** Host paths whose existence fabricDevices() needs: none where nothing asks for them. */
export function fabricPaths(
  contain: boolean,
  environment: Readonly<Record<string, string | undefined>>
): readonly string[] {
  const asked = RANKS.some(name => environment[name] !== undefined && environment[name] !== '');
  return contain && asked ? DEVICES : [];
}

/** The devices that are there, of those that were looked for. */
export function fabricDevices({ paths }: Pick<IHostFacts, 'paths'>): Mount[] {
  return DEVICES.flatMap(path => {
    const found = paths[path];
    return found === null || found === undefined
      ? []
      : [
          {
            kind: 'bind',
            source: path,
            target: path,
            type: found.type === 'directory' ? 'directory' : 'file',
            flags: found.type === 'directory' ? ['rec', 'nosuid'] : ['nosuid'],
            optional: true,
            purpose: 'dev',
            reason: 'a device of the fabric, for MPI'
          } satisfies Mount
        ];
  });
}
