// SPDX-License-Identifier: BSD-3-Clause
/** Which notebook platform this is, by the variables that it sets (reference: the Detect lines of each platform). */
import type { Platform } from './facts.ts';

type Environment = Readonly<Record<string, string | undefined>>;
const any =
  (...names: string[]) =>
  (env: Environment): boolean =>
    names.some(name => Boolean(env[name]));
const all =
  (...names: string[]) =>
  (env: Environment): boolean =>
    names.every(name => Boolean(env[name]));

/** In order: Kaggle's image is built on Colab's and may carry Colab's variables; a hub may run inside Slurm. */
const SIGNS: readonly (readonly [Platform, (env: Environment) => boolean])[] = [
  [
    'kaggle',
    any('KAGGLE_KERNEL_RUN_TYPE', 'KAGGLE_URL_BASE', 'KAGGLE_DATA_PROXY_TOKEN', 'KAGGLE_IS_COMPETITION_RERUN')
  ],
  ['colab', any('COLAB_RELEASE_TAG', 'COLAB_BACKEND_VERSION', 'COLAB_GPU', 'TBE_RUNTIME_ADDR', 'TBE_EPHEM_CREDS_ADDR')],
  [
    'lightning',
    any('LIGHTNING_CLOUD_SPACE_ID', 'LIGHTNING_CLOUD_PROJECT_ID', 'LIGHTNING_CLUSTER_ID', 'LIGHTNING_CLOUDSPACE_HOST')
  ],
  ['studio-lab', env => env['HOME'] === '/home/studio-lab-user' || env['USER'] === 'studio-lab-user'],
  ['codespaces', env => env['CODESPACES'] === 'true' || Boolean(env['CODESPACE_NAME'])],
  ['slurm', any('SLURM_JOB_ID', 'SLURM_JOBID')],
  ['hub-pod', all('KUBERNETES_SERVICE_HOST', 'JUPYTERHUB_SERVICE_PREFIX')],
  ['hub-pod', all('KUBERNETES_SERVICE_HOST', 'JUPYTERHUB_USER')]
];

/** Pure; `generic` when no sign is there. */
export function detectPlatform(env: Environment): Platform {
  return SIGNS.find(([, sign]) => sign(env))?.[0] ?? 'generic';
}
