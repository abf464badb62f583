// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { IHostFacts } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import type { IRefusal, Plan } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';
import { type Denied, namespaces, plan, steps } from './plan-testing.ts';
import { BUSYBOX, COLAB, DEBIAN, HELLO, hostFacts, imageFacts, listing, ROOT } from './testing.ts';

describe('an in-place plan', () => {
  const colab = (image: IImageFacts, spec: Partial<IRunSpec> = {}, host: Partial<IHostFacts> = {}): Plan | IRefusal =>
    plan(image, spec, COLAB, { ...ROOT, ...host });

  it('places a FROM-scratch image and hides the rest of the host', () => {
    const result = namespaces(colab(imageFacts(HELLO)));
    expect(result.root).toBe('in-place');
    expect(steps(result, /^(ledger|entry|place|hide|unstage|pivot)/)).toEqual([
      'ledger /run/nbc/ledger',
      'entry file /hello',
      'entry directory /etc',
      'entry directory /var',
      'place /hello /hello',
      'place /etc /etc',
      'place /var /var',
      'hide directory /home',
      'hide directory /opt',
      'hide directory /run',
      'hide directory /usr',
      'hide file /.dockerenv',
      'unstage'
    ]);
    expect(result.notes[0]?.text).toMatch(/^this host denies binding procfs \(EACCES\): /);
  });

  it('never mounts from, on or around procfs', () => {
    for (const tree of [HELLO, DEBIAN, BUSYBOX]) {
      expect(steps(colab(imageFacts(tree)), /proc/)).toEqual([]);
    }
  });

  it('takes the merged view of an image that keeps /bin apart', () => {
    const result = namespaces(colab(imageFacts(BUSYBOX)));
    expect(result.rootfs).toEqual({ kind: 'tree', view: 'merged', directory: '/store/trees/merged' });
    expect(steps(result, /entry|place/)).toEqual([
      'entry directory /etc',
      'entry directory /home',
      'entry directory /var',
      'entry symlink /bin -> usr/bin',
      'entry symlink /lib -> usr/lib',
      'entry directory /usr',
      'place /etc /etc',
      'place /home /home',
      'place /var /var',
      'place /usr /usr'
    ]);
  });

  it('puts what a link of the image leads to where the link of the host leads', () => {
    const app = {
      '/': listing('app/', 'bin -> app/bin', 'data -> /app/data'),
      '/app': listing('bin/', 'data/'),
      '/app/bin': listing('sh')
    };
    const result = colab(imageFacts(app));
    expect(steps(result, /^bind.*app\/bin/)).toEqual(['bind /store/trees/plain/app/bin /usr/bin ro,nosuid,nodev']);
    expect(steps(result, /place \/usr|entry symlink/)).toEqual(['entry symlink /data -> /app/data', 'place /usr /usr']);
  });

  it('places a bind wherever it is asked for', () => {
    const bind = { source: '/data', target: '/.nbcontainer/mine', readOnly: true };
    const result = colab(imageFacts(HELLO), { binds: [bind] });
    expect(steps(result, /\.nbcontainer/)).toContain('place /.nbcontainer /.nbcontainer');
    expect(steps(colab(imageFacts(HELLO)), /place .*nbcontainer/)).toEqual([]);
  });

  it('gives up where both the link of the image and that of the host lead to something', () => {
    const both = { '/': listing('app/', 'bin -> app/bin', 'usr/'), '/app': listing('bin/'), '/usr': listing('bin/') };
    expect(colab(imageFacts(both))).toMatchObject({
      kind: 'refusal',
      reason: expect.stringContaining('/bin is a symlink to usr/bin on the host and to app/bin in the image')
    });
  });

  it('keeps links that lead to the same place, and makes those that are missing', () => {
    const seen = steps(colab(imageFacts(DEBIAN)), /entry symlink/);
    expect(seen).toEqual([
      'entry symlink /bin -> usr/bin',
      'entry symlink /lib -> usr/lib',
      'entry symlink /lib64 -> usr/lib64',
      'entry symlink /sbin -> usr/sbin',
      'entry symlink /singularity -> .singularity.d/runscript'
    ]);
    const arch = {
      '/': listing('bin -> usr/bin', 'sbin -> usr/bin', 'usr/'),
      '/usr': listing('bin/', 'sbin -> bin'),
      '/usr/bin': []
    };
    expect(steps(colab(imageFacts(arch)), /sbin/)).toEqual(['symlink /sbin -> usr/bin']);
  });

  it("puts a link's target over the host's directory", () => {
    const [usr] = listing('usr/');
    const tree = {
      '/': [...listing('opt -> usr/local', 'srv -> /nowhere'), ...(usr ? [usr] : [])],
      '/usr': listing('local/'),
      '/usr/local': []
    };
    const root = [...hostFacts().root, ...listing('srv/')];
    expect(steps(colab(imageFacts(tree), {}, { root }), /^(entry|place|hide).*(opt|srv|usr)/)).toEqual([
      'entry directory /opt',
      'entry directory /usr',
      'place /usr/local /opt',
      'hide directory /srv',
      'place /usr /usr'
    ]);
  });

  it('leaves directories alone that would only cover themselves, and covers them when they hold more', () => {
    const seen = steps(colab(imageFacts(DEBIAN)), /^(entry|place|hide|bind \/(content|root|tmp) )/);
    expect(seen.filter(text => /\/(content|root|tmp)$/.test(text))).toEqual([]);
    const binds = [{ source: '/data', target: '/content/data', readOnly: true }];
    const paths = { ...ROOT.paths, '/content/data': { real: '/content/data', type: 'directory' as const } };
    expect(steps(colab(imageFacts(HELLO), { binds }, { paths }), /content/)).toEqual([
      'mkdir /content 0755',
      'bind /content /content rec,nosuid,nodev',
      'bind /data /content/data rec,nosuid,nodev,ro',
      'entry directory /content',
      'place /content /content',
      'chdir /content or /root or /'
    ]);
  });

  it.each([
    ['/proc', '/host-proc', 'Leave this bind out: /proc is visible inside as it is'],
    ['/proc/self/mountinfo', '/x', 'Leave this bind out: /proc is visible inside as it is'],
    ['/data', '/proc/x', 'Leave this bind out: /proc is visible inside as it is'],
    ['/', '/host', 'Bind the directories that you need one by one']
  ])('refuses --bind %s:%s with the policy', (source, target, fix) => {
    expect(colab(imageFacts(DEBIAN), { binds: [{ source, target, readOnly: false }] })).toMatchObject({
      kind: 'refusal',
      code: 'refused',
      reason: expect.stringContaining('denies mounts of procfs on purpose'),
      fix
    });
  });

  it.each<[string, Partial<IHostFacts>, Denied, string]>([
    ['an ordinary user', {}, {}, 'the host has no /hello, which the container needs, and only real root can make it'],
    [
      'a read-only /',
      ROOT,
      { 'write-root': 'EROFS' },
      'the host has no /hello, which the container needs, and / cannot be written to (EROFS)'
    ],
    [
      'a host directory in the way',
      { ...ROOT, root: listing('hello/') },
      {},
      '/hello is a directory on the host and a file in the image'
    ],
    [
      'a host link in the way',
      { ...ROOT, root: listing('hello -> x') },
      {},
      '/hello is a symlink on the host and a file in the image'
    ]
  ])('is given up for %s', (_, host, denied, reason) => {
    expect(plan(imageFacts(HELLO), {}, { ...COLAB, ...denied }, host)).toMatchObject({
      kind: 'refusal',
      reason: expect.stringContaining(`in-place: ${reason}`)
    });
  });

  it('needs no right to write in / when nothing is new there', () => {
    const tree = {
      '/': listing('etc/', 'usr/', 'var/'),
      '/etc': listing('hosts', 'resolv.conf'),
      '/var': listing('tmp/'),
      '/usr': []
    };
    const result = namespaces(
      plan(imageFacts(tree), { noHome: true, noMount: ['cwd'] }, { ...COLAB, 'write-root': 'EACCES' })
    );
    expect(result.root).toBe('in-place');
  });

  it('does as it is told', () => {
    expect(namespaces(plan(imageFacts(HELLO), { root: 'in-place' }, {}, ROOT)).root).toBe('in-place');
    expect(plan(imageFacts(HELLO), { root: 'pivot' }, COLAB, ROOT)).toMatchObject({
      kind: 'refusal',
      reason: expect.stringContaining('this host denies binding procfs (EACCES)')
    });
  });
});
