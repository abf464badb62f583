// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { Mount } from './mounts.ts';
import { listing } from './testing.ts';
import { underlaySteps } from './underlay.ts';

const bind = (source: string, target: string): Mount => ({
  ...{ kind: 'bind', source, target, type: 'directory', flags: ['rec'], optional: false, purpose: 'bind' },
  reason: 'a test'
});

describe('a directory of the image below a bind', () => {
  /** Whether the image's own /var is bound before the mounts. */
  const showsVar = (...mounts: Mount[]): boolean => {
    const tree = { '/': listing('var/'), '/var': listing('tmp/') };
    const result = underlaySteps({ tree, rootfs: '/img', stage: '/stage', mounts, hostPaths: {}, overlay: false });
    expect(result.kind).toBe('underlay');
    return (
      result.kind === 'underlay' && result.points.some(({ step }) => step.op === 'bind' && step.source === '/img/var')
    );
  };

  it.each<[string, Mount[], boolean]>([
    ['is left out', [bind('/data', '/var')], false],
    ['is there for what is mounted in it before', [bind('/var/tmp', '/var/tmp'), bind('/data', '/var')], true],
    ['is left out when all comes later', [bind('/data', '/var'), bind('/var/tmp', '/var/tmp')], false]
  ])('%s', (_, mounts, expected) => {
    expect(showsVar(...mounts)).toBe(expected);
  });
});
