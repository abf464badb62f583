// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { IHostFacts } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { type Denied, plan, steps } from './plan-testing.ts';
import type { Plan } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';
import { HELLO, hostFacts, imageFacts, ROOT } from './testing.ts';

const EXT3 = { overlay: { fileSystem: 'ext3', offset: 8192, size: 65536 } } as const;
const SQUASHFS = { overlay: { fileSystem: 'squashfs', offset: 8192, size: 65536 } } as const;
const SERVED = { tools: { squashfuse_ll: '/usr/bin/squashfuse_ll' } };
const STAGE = '/run/nbc/stage';
const OVER = `overlay ${STAGE}/overlay-0/upper:${STAGE}/image:${STAGE}/root`;
const paths = { ...hostFacts().paths, '/o': { real: '/o', type: 'directory' as const } };

describe('the overlay partition of a SIF', () => {
  it.each<[string, Partial<IRunSpec>, Partial<IImageFacts>, Denied, Partial<IHostFacts>, string[]]>([
    ['is seen', {}, EXT3, {}, ROOT, [`ext3 /images/image.sif@8192 ${STAGE}/overlay-0 ro`, OVER]],
    [
      'gets the changes with --writable',
      { writable: true },
      EXT3,
      {},
      ROOT,
      [
        `ext3 /images/image.sif@8192 ${STAGE}/overlay-0`,
        `overlay ${STAGE}/image:${STAGE}/root ${STAGE}/overlay-0/upper`
      ]
    ],
    [
      'lies below --overlay',
      { overlays: [{ path: '/o', readOnly: false }] },
      EXT3,
      {},
      { ...ROOT, paths },
      [`ext3 /images/image.sif@8192 ${STAGE}/overlay-0 ro`, `${OVER} /o/upper`]
    ],
    [
      'of squashfs can be served',
      {},
      SQUASHFS,
      {},
      SERVED,
      [
        `fuse /usr/bin/squashfuse_ll offset=8192 /images/image.sif ${STAGE}/overlay-0 ro`,
        `overlay ${STAGE}/overlay-0:${STAGE}/image:${STAGE}/root userxattr`
      ]
    ]
  ])('%s', (_, spec, image, denied, host, expected) => {
    expect(steps(plan(imageFacts(HELLO, image), spec, denied, host), /overlay/)).toEqual(expected);
  });

  it.each<[string, Partial<IRunSpec>, Denied, Partial<IHostFacts>, string]>([
    ['a user', {}, {}, {}, 'mounting it needs root'],
    ['root without loop devices', {}, { 'loop-device': 'ENOENT' }, ROOT, 'no loop device can be used here (ENOENT)'],
    ['root without overlays', {}, { overlay: 'EPERM' }, ROOT, 'this host denies overlay mounts (EPERM)'],
    ['PRoot', { engine: 'ptrace' }, {}, { ...ROOT, tools: { proot: '/usr/bin/proot' } }, 'nothing can be mounted']
  ])('is left out for %s, which is said', (_, spec, denied, host, why) => {
    const result = plan(imageFacts(HELLO, EXT3), spec, denied, host) as Plan;
    expect(result.steps.some(({ step }) => step.op === 'ext3' || step.op === 'overlay')).toBe(false);
    expect(result.notes).toContainEqual({
      level: 'warning',
      lasting: true,
      text: `the overlay partition of image.sif is left out, and what it changes is not seen: ${why}`
    });
  });

  it.each<[string, Partial<IRunSpec>, Partial<IImageFacts>, Partial<IHostFacts>, string]>([
    ['a user who wants to write it', { writable: true }, EXT3, {}, 'mounting an image needs root'],
    ['one that cannot be written', { writable: true }, SQUASHFS, ROOT, 'only an image that is a directory'],
    [
      'two places for the changes',
      { writable: true, overlays: [{ path: '/o', readOnly: false }] },
      EXT3,
      ROOT,
      'one place only'
    ]
  ])('is refused to %s', (_, spec, image, host, reason) => {
    const result = plan(imageFacts(HELLO, image), spec, {}, host);
    expect(result).toMatchObject({ kind: 'refusal', reason: expect.stringContaining(reason) as string });
  });
});
