// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { IHostFacts } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { formatPlan } from './dry-run.ts';
import type { IRunSpec } from './spec.ts';
import { type Denied, namespaces, plan, steps } from './plan-testing.ts';
import { BUSYBOX, DEBIAN, HELLO, hostFacts, imageFacts, listing, ROOT } from './testing.ts';

/** No mounts but what a test is about. */
const BARE: Partial<IRunSpec> = {
  noHome: true,
  noMount: ['dev', 'proc', 'sys', 'tmp', 'cwd', 'bind-paths', '/etc/resolv.conf']
};

describe('a pivot plan', () => {
  it('binds every entry of a squashfs for root', () => {
    expect(steps(plan(imageFacts(HELLO), BARE, {}, ROOT))).toEqual([
      'unshare mount',
      'private',
      'stage /run/nbc/stage 33554432',
      'squashfs /images/image.sif@4096 /run/nbc/stage/image',
      'file /hello',
      'bind /run/nbc/stage/image/hello /hello ro,nosuid,nodev',
      'remount / ro,nosuid,nodev',
      'pivot',
      'umask 0022',
      'no-new-privileges',
      'chdir /content or /root or /'
    ]);
  });

  it('needs a user namespace and a tree for an ordinary user', () => {
    const result = namespaces(plan(imageFacts(HELLO), BARE));
    expect(steps(result, /unshare|bind/)).toEqual([
      'unshare user,mount uid 1000 1000 1 gid 1000 1000 1',
      'bind /store/trees/plain/hello /hello ro,nosuid,nodev'
    ]);
    expect(result.rootfs).toEqual({ kind: 'tree', view: 'plain', directory: '/store/trees/plain' });
    expect(result.notes.map(({ text }) => text)).toEqual([
      'the image is used from a directory, unpacked once: mounting its squashfs needs root, and for FUSE there is no squashfuse_ll'
    ]);
  });

  it.each<[string, Partial<IHostFacts>, Denied, Partial<IImageFacts>, string]>([
    ['without loop devices', ROOT, { 'loop-device': 'ENOENT' }, {}, 'no loop device can be used here (ENOENT)'],
    [
      'for a codec the kernel has not got',
      ROOT,
      {},
      { source: { kind: 'squashfs', file: '/i', offset: 0, size: 1, compression: 'lzma' } },
      'the kernel does not read lzma squashfs'
    ],
    ['for root without CAP_SYS_ADMIN', { ...ROOT, capabilities: [] }, {}, {}, 'mounting its squashfs needs root']
  ])('takes a tree %s', (_, host, denied, image, why) => {
    const result = namespaces(plan(imageFacts(HELLO, image), BARE, denied, host));
    expect(result.rootfs.kind).toBe('tree');
    expect(result.notes[0]?.text).toBe(
      `the image is used from a directory, unpacked once: ${why}, and for FUSE there is no squashfuse_ll`
    );
  });

  it('uses a directory of the user as it is', () => {
    const image = imageFacts(HELLO, { source: { kind: 'directory', directory: '/sandbox' } });
    expect(steps(plan(image, BARE), /hello/)).toEqual(['file /hello', 'bind /sandbox/hello /hello ro,nosuid,nodev']);
  });

  it('opens only the directory that lacks an entry', () => {
    const tree = { ...DEBIAN, '/usr/share': listing('zoneinfo/', 'doc -> ../doc', 'x', 'pipe|') };
    const binds = [{ source: '/data', target: '/usr/share/mine/deep', readOnly: true }];
    const seen = steps(plan(imageFacts(tree), { ...BARE, binds }), /usr|data/);
    expect(seen).toEqual(
      [
        'symlink /bin -> usr/bin',
        'symlink /lib -> usr/lib',
        'symlink /lib64 -> usr/lib64',
        'symlink /sbin -> usr/sbin',
        'mkdir /usr 0755',
        'bind /store/trees/plain/usr /usr ro,nosuid,nodev',
        'tmpfs /usr/share mode=0755 nosuid,nodev',
        'mkdir /usr/share/zoneinfo 0755',
        'bind /store/trees/plain/usr/share/zoneinfo /usr/share/zoneinfo ro,nosuid,nodev',
        'symlink /usr/share/doc -> ../doc',
        'file /usr/share/x',
        'bind /store/trees/plain/usr/share/x /usr/share/x ro,nosuid,nodev',
        'file /usr/share/pipe',
        'bind /store/trees/plain/usr/share/pipe /usr/share/pipe ro,nosuid,nodev optional',
        'mkdir /usr/share/mine 0755',
        'mkdir /usr/share/mine/deep 0755',
        'remount /usr/share ro,nosuid,nodev',
        'bind /data /usr/share/mine/deep rec,nosuid,nodev,ro'
      ].filter(text => /usr|data/.test(text))
    );
  });

  it('makes mount points in / and in top-level directories without another tmpfs', () => {
    const seen = steps(
      plan(imageFacts(BUSYBOX), { ...BARE, noHome: false, binds: [{ source: '/d', target: '/d/e', readOnly: false }] }),
      /home|\/d|tmpfs/
    );
    expect(seen).toEqual([
      'mkdir /dev 0755',
      'bind /store/trees/plain/dev /dev ro,nosuid,nodev',
      'mkdir /home 0755',
      'mkdir /home/ada 0755',
      'mkdir /d 0755',
      'mkdir /d/e 0755',
      'bind /home/ada /home/ada rec,nosuid,nodev',
      'bind /d /d/e rec,nosuid,nodev',
      'chdir /home/ada/work or /home/ada or /'
    ]);
  });

  it('does not bind what will be covered at once', () => {
    const seen = steps(plan(imageFacts(DEBIAN)), / \/(dev|proc|sys|tmp)( |$)/);
    expect(seen).toEqual([
      'mkdir /dev 0755',
      'mkdir /proc 0755',
      'mkdir /sys 0755',
      'mkdir /tmp 1777',
      'bind /dev /dev rec,nosuid',
      'bind /proc /proc rec,nosuid,nodev,noexec',
      'bind /sys /sys rec,nosuid,nodev,noexec',
      'bind /tmp /tmp rec,nosuid,nodev'
    ]);
  });

  it('follows symlinks of the image, never out of it', () => {
    const binds = [{ source: '/d', target: '/var/run/x', readOnly: false }];
    const seen = steps(plan(imageFacts(DEBIAN), { ...BARE, binds }), /\/run\b(?!\/nbc)/);
    expect(seen).toEqual(['mkdir /run 0755', 'mkdir /run/x 0755', 'bind /d /run/x rec,nosuid,nodev']);
  });

  it('replaces a time zone link instead of writing through it', () => {
    const paths = {
      ...hostFacts().paths,
      '/etc/localtime': { real: '/usr/share/zoneinfo/Asia/Tokyo', type: 'file' as const }
    };
    const seen = steps(
      plan(
        imageFacts(DEBIAN),
        { ...BARE, noMount: ['dev', 'proc', 'sys', 'tmp', 'cwd', '/etc/hosts', '/etc/resolv.conf'] },
        {},
        { paths }
      ),
      /etc|zoneinfo/
    );
    expect(seen).toEqual([
      'mkdir /etc 0755',
      'file /etc/group',
      'bind /store/trees/plain/etc/group /etc/group ro,nosuid,nodev',
      'file /etc/hosts',
      'bind /store/trees/plain/etc/hosts /etc/hosts ro,nosuid,nodev',
      'file /etc/passwd',
      'bind /store/trees/plain/etc/passwd /etc/passwd ro,nosuid,nodev',
      'file /etc/resolv.conf',
      'bind /store/trees/plain/etc/resolv.conf /etc/resolv.conf ro,nosuid,nodev',
      'file /etc/localtime',
      'bind /etc/localtime /etc/localtime ro,nosuid,nodev optional'
    ]);
  });

  it('puts generated files beside the image and binds them', () => {
    const image = imageFacts(DEBIAN, { passwd: 'root:x:0:0:root:/root:/bin/sh\n' });
    expect(steps(plan(image, BARE), /passwd|nbcontainer/)).toEqual([
      'mkdir /.nbcontainer 0755',
      expect.stringMatching(/^file \/.nbcontainer\/etc-passwd \(\d+ characters\)$/),
      'bind /run/nbc/stage/root/.nbcontainer/etc-passwd /etc/passwd ro,nosuid,nodev'
    ]);
  });

  it('does not follow links of the image below a directory that a mount covers', () => {
    const listings = { ...DEBIAN, '/dev': listing('fd -> /proc/self/fd', 'stdin -> fd/0'), '/proc': [] };
    const made = steps(plan(imageFacts(listings), { contain: true }), /symlink .*proc.self/);
    expect(made).toContain('symlink /dev/fd -> /proc/self/fd');
    expect(made).toContain('symlink /dev/stdin -> /proc/self/fd/0');
  });

  it('makes mount points inside a tmpfs and leaves those inside a bind to the host', () => {
    const binds = [
      { source: '/a', target: '/data', readOnly: false },
      { source: '/b', target: '/data/sub', readOnly: false }
    ];
    const paths = {
      ...hostFacts().paths,
      '/a': { real: '/a', type: 'directory' as const },
      '/b': { real: '/b', type: 'directory' as const }
    };
    expect(steps(plan(imageFacts(HELLO), { ...BARE, binds }, {}, { paths }), /data/)).toEqual([
      'mkdir /data 0755',
      'bind /a /data rec,nosuid,nodev',
      'bind /b /data/sub rec,nosuid,nodev'
    ]);
    const refused = plan(imageFacts(HELLO), { ...BARE, binds }, {}, { paths: { ...paths, '/a/sub': null } });
    expect(refused).toMatchObject({ kind: 'refusal', reason: expect.stringContaining('which has no /a/sub') });
    const contained = steps(
      plan(imageFacts(HELLO), { contain: true, noMount: ['proc', 'sys'] }),
      /\/dev\/(null|shm|stdin)/
    );
    expect(contained).toEqual([
      'file /dev/null',
      'bind /dev/null /dev/null nosuid optional',
      'mkdir /dev/shm 0755',
      'tmpfs /dev/shm mode=1777 nosuid,nodev',
      'symlink /dev/stdin -> /proc/self/fd/0'
    ]);
  });

  it.each<[string, string, 'directory' | 'file', string]>([
    ['a directory on a file', '/etc/passwd', 'directory', '/etc/passwd of the image is no directory, /src is one'],
    ['a file on a directory', '/usr', 'file', '/usr of the image is a directory, /src is not'],
    ['below a file', '/etc/passwd/x', 'directory', '/etc/passwd of the image is no directory'],
    ['into a loop', '/loop/x', 'directory', '/loop of the image is no directory']
  ])('refuses %s', (_, target, type, reason) => {
    const tree = { ...DEBIAN, '/': [...(DEBIAN['/'] ?? []), ...listing('loop -> loop')] };
    const paths = { ...hostFacts().paths, '/src': { real: '/src', type } };
    const result = plan(
      imageFacts(tree),
      { ...BARE, binds: [{ source: '/src', target, readOnly: false }] },
      {},
      { paths }
    );
    expect(result).toMatchObject({ kind: 'refusal', reason });
  });

  it.each<[string, Partial<IHostFacts>, Denied, string]>([
    ['root', ROOT, {}, 'overlay /run/nbc/stage/image /run/nbc/stage/upper'],
    ['a user', {}, {}, 'overlay /store/trees/plain /run/nbc/stage/upper userxattr']
  ])('takes an overlay for --writable-tmpfs of %s', (_, host, denied, overlay) => {
    const seen = steps(
      plan(
        imageFacts(HELLO),
        { ...BARE, writableTmpfs: true, binds: [{ source: '/d', target: '/d/e', readOnly: false }] },
        denied,
        host
      ),
      /overlay|stage |\/d|remount/
    );
    expect(seen).toEqual([
      `stage /run/nbc/stage ${4 * 1024 ** 3}`,
      overlay,
      'mkdir /d 0755',
      'mkdir /d/e 0755',
      'bind /d /d/e rec,nosuid,nodev'
    ]);
  });

  it.each<[string, Partial<IHostFacts>, Denied]>([
    ['root', ROOT, { overlay: 'EPERM' }],
    ['a user', {}, { 'user-overlay': 'EPERM' }]
  ])('takes a copy for --writable-tmpfs of %s where overlay is denied, and says so', (_, host, denied) => {
    const spec = { ...BARE, writableTmpfs: true, binds: [{ source: '/d', target: '/d/e', readOnly: false }] };
    const result = namespaces(plan(imageFacts(HELLO), spec, denied, host));
    expect(result.rootfs).toEqual({ kind: 'copy', view: 'plain', directory: '/@copy@' });
    expect(steps(result, /overlay|squashfs|stage |@copy@|\/d|remount/)).toEqual([
      `stage /run/nbc/stage ${32 * 1024 ** 2}`,
      'bind /@copy@ / nosuid,nodev',
      'mkdir /d 0755',
      'mkdir /d/e 0755',
      'bind /d /d/e rec,nosuid,nodev'
    ]);
    expect(result.notes.map(({ text }) => text)).toContain(
      '--writable-tmpfs: this host denies overlay mounts (EPERM), so this container gets a copy of the image of its ' +
        'own on disk, removed at the end'
    );
  });

  it('names the host inside', () => {
    expect(steps(plan(imageFacts(HELLO), { hostname: 'box' }, {}, ROOT), /unshare|hostname/)).toEqual([
      'unshare mount,uts',
      'hostname box'
    ]);
  });

  it('falls back to chroot when pivot_root is denied', () => {
    const result = namespaces(plan(imageFacts(HELLO), {}, { 'pivot-root': 'EPERM' }));
    expect(steps(result, /pivot|chroot/)).toEqual(['chroot /run/nbc/stage/root']);
    expect(result.notes.map(({ text }) => text)).toContain('pivot_root is denied here (EPERM): chroot takes its place');
  });
});

describe('refusals', () => {
  it.each<[string, string, Partial<IHostFacts>]>([
    ['aarch64', "the image's architecture (arm64) cannot run on this host (amd64)", {}],
    ['x86_64', "the image's architecture (amd64) cannot run on this host (arm64)", { machine: 'aarch64' }],
    ['sparc', "the image's architecture (sparc) cannot run on this host (amd64)", {}]
  ])('of an image for %s', (machine, message, host) => {
    expect(plan(imageFacts(HELLO, { machine }), {}, {}, host)).toMatchObject({
      kind: 'refusal',
      code: 'architecture',
      message
    });
  });

  it('lists every engine with its reason', () => {
    expect(plan(imageFacts(HELLO), {}, { 'user-namespace': 'EPERM', 'user-mount-namespace': 'EPERM' })).toMatchObject({
      code: 'refused',
      reason: 'namespaces: no user namespace can be made (EPERM); ptrace: PRoot is not installed'
    });
    expect(plan(imageFacts(HELLO), {}, { tmpfs: 'EACCES' })).toMatchObject({
      reason: expect.stringContaining('namespaces: mounts are denied here (EACCES)')
    });
  });

  it.each<[Partial<IRunSpec>, string]>([
    [{ command: [] }, 'there is no command to execute'],
    [{ action: 'shell', command: [] }, 'image.sif has no shell: /bin/sh does not exist in container'],
    [{ action: 'run', command: [] }, 'image.sif has no runscript, no entrypoint and no /bin/sh']
  ])('of %o', (spec, message) => {
    expect(plan(imageFacts(HELLO), spec)).toMatchObject({ kind: 'refusal', message });
  });
});

describe('--as root', () => {
  it('is fakeroot for one who is not root', () => {
    const result = namespaces(plan(imageFacts(DEBIAN), { as: 'root' }));
    expect(result.steps[0]?.step).toMatchObject({ op: 'unshare', uidMap: '0 1000 1' });
  });

  it('needs nothing for root', () => {
    const result = namespaces(plan(imageFacts(DEBIAN), { as: 'root' }, {}, ROOT));
    expect(result.steps[0]?.step).toMatchObject({ op: 'unshare', namespaces: ['mount'] });
  });
});

describe('formatPlan', () => {
  it('gives every step its reason in one line each', () => {
    const result = namespaces(plan(imageFacts(DEBIAN), { command: ['sh', '-c', 'echo "a b"\nx'] }));
    const lines = formatPlan(result).split('\n');
    expect(lines[0]).toBe('engine  namespaces, root pivot');
    expect(lines.filter(line => /^ +\d+ /.test(line))).toHaveLength(result.steps.length);
    expect(lines.at(-1)).toBe(`command sh -c 'echo "a b"\\nx'`);
    expect(result.steps.every(({ reason }) => reason.length > 5)).toBe(true);
  });
});
