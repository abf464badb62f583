// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { capabilityNames, parseStatus } from './capabilities.ts';
import type { Platform } from './facts.ts';
import { detectPlatform } from './platform.ts';

describe('detectPlatform', () => {
  it.each<[Record<string, string>, Platform]>([
    [{}, 'generic'],
    [{ COLAB_RELEASE_TAG: 'release-colab_20260701' }, 'colab'],
    [{ COLAB_RELEASE_TAG: '' }, 'generic'],
    [{ COLAB_GPU: '1', KAGGLE_KERNEL_RUN_TYPE: 'Interactive' }, 'kaggle'],
    [{ LIGHTNING_CLOUD_SPACE_ID: 'x' }, 'lightning'],
    [{ HOME: '/home/studio-lab-user' }, 'studio-lab'],
    [{ CODESPACES: 'true' }, 'codespaces'],
    [{ SLURM_JOB_ID: '1', JUPYTERHUB_USER: 'ada' }, 'slurm'],
    [{ KUBERNETES_SERVICE_HOST: '10.0.0.1', JUPYTERHUB_SERVICE_PREFIX: '/user/ada/' }, 'hub-pod'],
    [{ JUPYTERHUB_SERVICE_PREFIX: '/user/ada/' }, 'generic']
  ])('%j is %s', (env, platform) => {
    expect(detectPlatform(env)).toBe(platform);
  });
});

describe('/proc/self/status', () => {
  it('names capabilities by bit', () => {
    expect(capabilityNames('0000000000200001')).toEqual(['CAP_CHOWN', 'CAP_SYS_ADMIN']);
    expect(capabilityNames('000001ffffffffff')).toHaveLength(41);
    expect(capabilityNames('')).toEqual([]);
  });

  it('reads umask and effective capabilities', () => {
    expect(parseStatus('Name:\tx\nNoNewPrivs:\t1\nUmask:\t0077\nCapPrm:\t1\nCapEff:\t0000000000000002\n')).toEqual({
      noNewPrivileges: true,
      umask: 0o77,
      capabilities: ['CAP_DAC_OVERRIDE']
    });
    expect(parseStatus('')).toEqual({ umask: 0o22, capabilities: [], noNewPrivileges: false });
  });
});
