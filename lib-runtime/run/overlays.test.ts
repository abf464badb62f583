// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { planRun } from './plan.ts';
import type { Plan } from './plan-types.ts';
import { BUSYBOX, COLAB, execSpec, hostFacts, imageFacts, ROOT } from './testing.ts';

const DIRECTORY = { type: 'directory' } as const;
const PATHS = {
  '/o/a': { real: '/o/a', ...DIRECTORY },
  '/o/b': { real: '/o/b', ...DIRECTORY },
  '/o/b/upper': { real: '/o/b/upper', ...DIRECTORY },
  '/o/plain': { real: '/o/plain', ...DIRECTORY },
  '/o/image.ext3': { real: '/o/image.ext3', type: 'file' }
} as const;

const rw = (path: string) => ({ path, readOnly: false });
const ro = (path: string) => ({ path, readOnly: true });

function planned(spec: object, denied = {}, more = {}) {
  const host = hostFacts(denied, more);
  return planRun(execSpec(spec), { ...host, paths: { ...host.paths, ...PATHS } }, imageFacts(BUSYBOX), {});
}

function overlay(plan: ReturnType<typeof planned>) {
  const steps = (plan as Plan).steps.map(({ step }) => step);
  return { steps, step: steps.find(({ op }) => op === 'overlay') };
}

describe('--overlay', () => {
  const [IMAGE, POINTS] = ['/store/trees/plain', '/run/nbc/stage/root'];
  it.each([
    ['one to write', [rw('/o/a')], {}, { lower: [IMAGE, POINTS], upper: '/o/a/upper', work: '/o/a/work' }],
    ['one to read', [ro('/o/b')], {}, { lower: ['/o/b/upper', IMAGE, POINTS] }],
    ['one without upper', [ro('/o/plain')], {}, { lower: ['/o/plain', IMAGE, POINTS] }],
    ['later over earlier', [ro('/o/b'), ro('/o/plain')], {}, { lower: ['/o/plain', '/o/b/upper', IMAGE, POINTS] }],
    ['both kinds', [ro('/o/b'), rw('/o/a')], {}, { lower: ['/o/b/upper', IMAGE, POINTS], upper: '/o/a/upper' }],
    ['in memory', [ro('/o/b')], { writableTmpfs: true }, { upper: '/run/nbc/stage/upper', work: '/run/nbc/stage/work' }]
  ])('%s', (_, overlays, spec, expected) => {
    const { step } = overlay(planned({ overlays, ...spec }));
    expect(step).toMatchObject({ op: 'overlay', userxattr: true, ...expected });
    if (!('upper' in expected)) {
      expect(step).not.toHaveProperty('upper');
    }
  });

  it('makes upper and work, and mount points in a layer of their own', () => {
    const plan = planned({ overlays: [rw('/o/a')] });
    expect(plan).toMatchObject({ hostDirectories: [{ path: '/o/a/upper' }, { path: '/o/a/work' }] });
    const { steps } = overlay(plan);
    const made = steps.flatMap((step, index) => (step.op === 'mkdir' || step.op === 'file' ? [index] : []));
    expect(made.length).toBeGreaterThan(0);
    expect(Math.max(...made)).toBeLessThan(steps.findIndex(({ op }) => op === 'overlay'));
    expect(steps.filter(({ op }) => op === 'remount')).toEqual([]);
    // The directory of a file comes first: the layer is empty.
    const file = steps.findIndex(step => step.op === 'file' && step.path === '/etc/hosts');
    expect(steps[file - 1]).toMatchObject({ op: 'mkdir', path: '/etc' });
  });

  it('works in place, too', () => {
    const plan = planned({ overlays: [rw('/o/a')] }, COLAB, { ...ROOT, workingDirectory: '/' });
    expect(plan).toMatchObject({ kind: 'plan', root: 'in-place' });
    expect(overlay(plan).step).toMatchObject({ upper: '/o/a/upper', userxattr: false });
  });

  it.each([
    ['missing', [rw('/o/none')], {}, {}, 'not-found', 'the host has no /o/none'],
    ['a file', [rw('/o/image.ext3')], {}, {}, 'usage', 'ext3'],
    ['two to write', [rw('/o/a'), rw('/o/b')], {}, {}, 'usage', 'only one overlay can'],
    ['with --writable-tmpfs', [rw('/o/a')], { writableTmpfs: true }, {}, 'usage', '--writable-tmpfs'],
    ['denied', [rw('/o/a')], {}, { 'user-overlay': 'EPERM' }, 'refused', 'denies overlay mounts (EPERM)'],
    ['ptrace', [ro('/o/b')], { engine: 'ptrace' }, {}, 'refused', 'the ptrace engine has no overlay']
  ])('refuses: %s', (_, overlays, spec, denied, code, reason) => {
    const plan = planned({ overlays, ...spec }, denied);
    expect(plan).toMatchObject({ kind: 'refusal', code });
    expect(plan.kind === 'refusal' ? plan.reason : '').toContain(reason);
  });
});

describe('--overlay of an ext3 image', () => {
  const image = (readOnly: boolean, offset = 0, size = 0) => ({
    path: '/o/image.ext3',
    readOnly,
    image: { fileSystem: 'ext3' as const, offset, size }
  });
  const MOUNT = '/run/nbc/stage/overlay-1';

  it('is mounted first and gets the changes', () => {
    const { steps, step } = overlay(planned({ overlays: [ro('/o/b'), image(false)] }, {}, ROOT));
    expect(steps).toContainEqual({
      op: 'ext3',
      image: '/o/image.ext3',
      offset: 0,
      size: 0,
      mountpoint: MOUNT,
      readOnly: false
    });
    expect(step).toMatchObject({ upper: `${MOUNT}/upper`, work: `${MOUNT}/work`, userxattr: false });
    expect(steps.findIndex(({ op }) => op === 'ext3')).toBeLessThan(steps.findIndex(({ op }) => op === 'overlay'));
  });

  it('shows its upper directory when it is only read', () => {
    const plan = planned({ overlays: [ro('/o/b'), image(true)] }, {}, ROOT);
    expect(overlay(plan).step).toMatchObject({
      lower: [`${MOUNT}/upper`, '/o/b/upper', expect.any(String), expect.any(String)]
    });
    expect(plan).not.toHaveProperty('hostDirectories');
  });

  it.each([
    ['a user', {}, {}, 'mounting an image needs root'],
    ['root without loop devices', { 'loop-device': 'ENOENT' }, ROOT, 'no loop device can be used here (ENOENT)']
  ])('is refused for %s', (_, denied, more, reason) => {
    expect(planned({ overlays: [image(false)] }, denied, more)).toMatchObject({
      kind: 'refusal',
      code: 'refused',
      reason
    });
  });
});

describe('--overlay of a squashfs image', () => {
  const layer = (readOnly: boolean, more = {}) => ({
    path: '/o/image.ext3',
    readOnly,
    image: { fileSystem: 'squashfs' as const, offset: 4096, size: 8192, ...more }
  });
  const MOUNT = '/run/nbc/stage/overlay-0';
  const SERVED = { tools: { squashfuse_ll: '/usr/bin/squashfuse_ll' } };
  const POINTS = '/run/nbc/stage/root';
  const find = (plan: ReturnType<typeof planned>) =>
    overlay(plan).steps.find(step => 'mountpoint' in step && step.mountpoint === MOUNT);

  it('is a layer itself, and only read', () => {
    const plan = planned({ overlays: [layer(false), rw('/o/a')] }, {}, ROOT);
    expect(find(plan)).toEqual({ op: 'squashfs', image: '/o/image.ext3', offset: 4096, size: 8192, mountpoint: MOUNT });
    expect(overlay(plan).step).toMatchObject({
      lower: [MOUNT, '/run/nbc/stage/image', POINTS],
      upper: '/o/a/upper'
    });
    expect((plan as Plan).notes).toContainEqual({
      level: 'warning',
      text: 'Overlay image /o/image.ext3 is not writable, proceeding with read-only'
    });
    const quiet = planned({ overlays: [layer(true)] }, {}, ROOT) as Plan;
    expect(quiet.notes.map(({ text }) => text).join()).not.toContain('Overlay image');
  });

  it('is served where it cannot be mounted', () => {
    const plan = planned({ overlays: [layer(true)] }, {}, SERVED);
    expect(find(plan)).toMatchObject({ op: 'fuse', options: 'offset=4096', source: '/o/image.ext3', wishes: ['ro'] });
    expect(overlay(plan).step).toMatchObject({ lower: [MOUNT, '/run/nbc/stage/image', POINTS] });
  });

  it('says when changes cannot reach its files', () => {
    const plan = planned({ overlays: [layer(true), rw('/o/a')] }, {}, { ...SERVED, kernel: '6.8.0' });
    expect((plan as Plan).notes.map(({ text }) => text)).toContain(
      '--overlay /o/image.ext3: its own files stay as they are: with one id, files that FUSE serves could not be changed'
    );
  });

  it.each([
    ['a user', {}, {}, 'mounting its squashfs needs root, and for FUSE there is no squashfuse_ll'],
    ['a user without FUSE', { 'fuse-mount': 'ENOENT' }, SERVED, 'mounting its squashfs needs root'],
    [
      'root without loop devices',
      { 'loop-device': 'EPERM', 'fuse-mount': 'EPERM' },
      ROOT,
      'no loop device can be used here (EPERM)'
    ]
  ])('is refused for %s', (_, denied, more, reason) => {
    expect(planned({ overlays: [layer(true)] }, denied, more)).toMatchObject({
      kind: 'refusal',
      code: 'refused',
      reason
    });
  });
});
