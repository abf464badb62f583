// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { IHostFacts } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { planRun } from './plan.ts';
import type { IRunSpec } from './spec.ts';
import { DEBIAN, execSpec, hostFacts, imageFacts, listing, ROOT } from './testing.ts';

const SANDBOX: Partial<IImageFacts> = { name: 'box/', source: { kind: 'directory', directory: '/boxes/box' } };

function plan(spec: Partial<IRunSpec>, host: Partial<IHostFacts> = ROOT, image = SANDBOX): ReturnType<typeof planRun> {
  return planRun(execSpec({ writable: true, ...spec }), hostFacts({}, host), imageFacts(DEBIAN, image), {});
}

/** `op target` of each step that makes or mounts something. */
function targets(result: ReturnType<typeof planRun>): string[] {
  return result.kind === 'plan'
    ? result.steps.flatMap(({ step }) => ('target' in step && step.op !== 'entry' ? [`${step.op} ${step.target}`] : []))
    : [`refused: ${result.message}`];
}

describe('--writable', () => {
  it('binds the directory as it is and makes nothing in it', () => {
    const result = plan({});
    expect(targets(result)[0]).toBe('bind /');
    expect(result.kind === 'plan' && result.steps.find(({ step }) => step.op === 'bind')?.step).toEqual({
      op: 'bind',
      source: '/boxes/box',
      target: '/',
      flags: ['rec', 'nosuid', 'nodev']
    });
    const made =
      result.kind === 'plan' ? result.steps.filter(({ step }) => /^(mkdir|file|symlink|tmpfs)$/.test(step.op)) : [];
    expect(made).toEqual([]);
  });

  it('passes over what has no place in it', () => {
    const small = { ...SANDBOX, tree: { '/': listing('usr/', 'etc/', 'proc/'), '/etc': listing('hosts') } };
    const result = plan({}, ROOT, small);
    expect(targets(result)).toEqual(['bind /', 'bind /etc/hosts', 'bind /proc']);
    expect(result.kind === 'plan' && result.notes.map(({ text }) => text)).toEqual(
      expect.arrayContaining([
        "Skipping mount /tmp [tmp]: /tmp doesn't exist in container",
        "Skipping mount /dev [dev]: /dev doesn't exist in container"
      ])
    );
  });

  it.each<[string, Partial<IRunSpec>, Partial<IImageFacts>, string]>([
    ['a SIF', {}, { name: 'a.sif' }, 'no SIF writable overlay partition found in a.sif'],
    ["the store's own tree", {}, { source: { kind: 'directory', directory: '/store/trees/plain' } }, 'no SIF writable'],
    [
      '--overlay',
      { overlays: [{ path: '/o', readOnly: true }] },
      SANDBOX,
      'cannot use --overlay in conjunction with --writable'
    ],
    [
      'a bind without a place',
      { binds: [{ source: '/tmp', target: '/nowhere', readOnly: false }] },
      SANDBOX,
      "destination /nowhere doesn't exist in container"
    ],
    ['--scratch without a place', { scratch: ['/nowhere'] }, SANDBOX, "destination /nowhere doesn't exist"]
  ])('refuses %s', (_, spec, image, message) => {
    expect(plan(spec, ROOT, image)).toMatchObject({ kind: 'refusal', message: expect.stringContaining(message) });
  });

  it('beats --writable-tmpfs', () => {
    const result = plan({ writableTmpfs: true });
    expect(result).toMatchObject({
      kind: 'plan',
      rootfs: { kind: 'directory', directory: '/boxes/box' },
      notes: expect.arrayContaining([
        { level: 'warning', text: 'Disabling --writable-tmpfs flag, mutually exclusive with --writable' }
      ])
    });
  });
});
