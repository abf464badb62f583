// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { IHostFacts, ProbeName } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { formatPlan } from './dry-run.ts';
import { planRun } from './plan.ts';
import type { IPtracePlan, IRefusal, Plan } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';
import { COLAB, DEBIAN, execSpec, HELLO, hostFacts, imageFacts, listing, ROOT } from './testing.ts';

const PROOT = { tools: { proot: '/usr/bin/proot' } };
/** Kaggle: docker's default seccomp and AppArmor. */
const KAGGLE = { 'user-namespace': 'EPERM', 'user-mount-namespace': 'EPERM', 'mount-namespace': 'EPERM' };

function plan(
  spec: Partial<IRunSpec>,
  host: Partial<IHostFacts> = {},
  denied: Partial<Record<ProbeName, string>> = KAGGLE,
  image: IImageFacts = imageFacts(DEBIAN)
): Plan | IRefusal {
  return planRun(execSpec(spec), hostFacts(denied, { ...PROOT, ...host }), image, {});
}

function ptrace(result: Plan | IRefusal): IPtracePlan {
  if (result.kind === 'refusal' || result.engine !== 'ptrace') {
    throw new Error(`no ptrace plan: ${JSON.stringify(result)}`);
  }
  return result;
}

describe('a ptrace plan', () => {
  it('is taken where there are no namespaces, and says why', () => {
    const result = ptrace(plan({ noHome: true, noMount: ['cwd'] }));
    expect(result.program).toBe('/usr/bin/proot');
    expect(result.rootfs).toEqual({ kind: 'tree', view: 'read-only', directory: '/store/trees/read-only' });
    expect(result.arguments.join(' ')).toBe(
      '-r /store/trees/read-only -w / -b /dev:/dev -b /etc/hosts:/etc/hosts -b /etc/resolv.conf:/etc/resolv.conf ' +
        '-b /proc:/proc -b /sys:/sys -b /tmp:/tmp -b /var/tmp:/var/tmp'
    );
    expect(result.notes[0]).toEqual({
      level: 'warning',
      lasting: true,
      text: 'the ptrace engine (PRoot) is used (namespaces: no user namespace can be made (EPERM)): system calls are slower than with namespaces'
    });
    expect(result.notes[1]).toMatchObject({ level: 'warning' });
    expect(result.notes[1]?.text).toContain('PRoot cannot make the image read-only: its files lack write permission');
  });

  it('is taken where an in-place root is impossible', () => {
    const result = ptrace(plan({}, { ...ROOT, ...PROOT }, { ...COLAB, 'write-root': 'EROFS' }, imageFacts(HELLO)));
    expect(result.notes[0]?.text).toContain(
      'in-place: the host has no /hello, which the container needs, and / cannot be written to (EROFS)'
    );
  });

  it('generates accounts and private directories', () => {
    const image = imageFacts(DEBIAN, { passwd: 'root:x:0:0::/root:/bin/sh\n', group: 'root:x:0:\n' });
    const result = ptrace(plan({ contain: true }, {}, KAGGLE, image));
    expect(result.files).toEqual({
      'file-0': 'root:x:0:0::/root:/bin/sh\nada:x:1000:1000:Ada:/home/ada:/bin/bash\n',
      'file-1': 'root:x:0:\nada:x:1000:ada\n'
    });
    expect(result.directories).toEqual(['directory-0', 'directory-1', 'directory-2']);
    expect(result.arguments.join(' ')).toContain(
      '-b @directory-0@:/home/ada -b @directory-1@:/tmp -b @directory-2@:/var/tmp -b @file-0@:/etc/passwd -b @file-1@:/etc/group'
    );
    expect(result.arguments.filter(word => word.includes('/dev'))).toEqual(['/dev:/dev']);
  });

  it("shows the driver's libraries one by one", () => {
    const gpu = {
      libraries: [{ source: '/n/libcuda.so.5', names: ['libcuda.so.5', 'libcuda.so.1'] }],
      binaries: [],
      devices: [],
      files: [],
      notes: []
    };
    const words = ptrace(plan({ nv: true }, { gpu })).arguments;
    expect(words).toContain('/n/libcuda.so.5:/.singularity.d/libs/libcuda.so.5');
    expect(words).toContain('/n/libcuda.so.5:/.singularity.d/libs/libcuda.so.1');
  });

  it('does not promise what PRoot cannot do', () => {
    const binds = [{ source: '/data', target: '/data', readOnly: true }];
    const { notes } = ptrace(plan({ binds, hostname: 'box' }));
    expect(notes.map(({ text }) => text)).toEqual(
      expect.arrayContaining([
        'PRoot cannot make /data read-only: it can be written to',
        '--hostname has no effect with the ptrace engine'
      ])
    );
  });

  it.each<[string, Partial<IRunSpec>, Partial<IHostFacts>, Partial<Record<ProbeName, string>>, string]>([
    [
      'a path with a colon',
      { binds: [{ source: '/a:b', target: '/x', readOnly: false }] },
      {},
      KAGGLE,
      'PRoot cannot be given a path with a colon or an exclamation mark'
    ],
    [
      'no PRoot',
      {},
      { tools: {} },
      KAGGLE,
      'namespaces: no user namespace can be made (EPERM); ptrace: PRoot is not installed'
    ],
    [
      'no ptrace',
      {},
      {},
      { ...KAGGLE, ptrace: 'EPERM' },
      'namespaces: no user namespace can be made (EPERM); ptrace: tracing a process is denied here (EPERM)'
    ],
    ['--engine namespaces', { engine: 'namespaces' }, {}, KAGGLE, 'namespaces: no user namespace can be made (EPERM)'],
    ['--root pivot', { root: 'pivot' }, {}, KAGGLE, 'no user namespace can be made (EPERM)']
  ])('is refused with the reason: %s', (_, spec, host, denied, reason) => {
    expect(plan(spec, host, denied)).toMatchObject({ kind: 'refusal', code: 'refused', reason });
  });

  const DOCKER = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_SETGID', 'CAP_SETUID', 'CAP_NET_RAW'];
  const OWN = { source: { kind: 'directory', directory: '/my/sandbox' } } as const;
  const STORED = { source: { kind: 'directory', directory: '/store/trees/plain' } } as const;
  const NOBODYS = "the image is read-only: its files belong to nobody's id";
  const YOURS = 'PRoot cannot make the image read-only: its files lack write permission, but they are yours';
  const OWN_COPY =
    '--fakeroot: the root that PRoot pretends may write every file of yours, so this container gets a copy';
  const COPIED = '--writable-tmpfs: PRoot has no overlay, so this container gets a copy of the image of its own';

  it.each<[string, Partial<IRunSpec>, readonly string[] | undefined, Partial<IImageFacts>, string, string[], string]>([
    ['of root', {}, DOCKER, {}, 'read-only', ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETUID'], NOBODYS],
    ['of root without capabilities', {}, [], {}, 'read-only', [], YOURS],
    ['of a user', {}, undefined, {}, 'read-only', [], YOURS],
    ['unpacked at the pull', {}, DOCKER, STORED, 'read-only', ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETUID'], NOBODYS],
    ["of the user's directory", {}, DOCKER, OWN, '/my/sandbox', [], 'PRoot cannot make /my/sandbox read-only'],
    ['of root, --writable-tmpfs', { writableTmpfs: true }, DOCKER, {}, 'copy', [], COPIED],
    ['of a user, --writable-tmpfs', { writableTmpfs: true }, undefined, {}, 'copy', [], COPIED],
    [
      'of root, --fakeroot',
      { fakeroot: true },
      DOCKER,
      {},
      'read-only',
      ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETUID'],
      NOBODYS
    ],
    ['of root without capabilities, --fakeroot', { fakeroot: true }, [], {}, 'copy', [], OWN_COPY],
    ['of a user, --fakeroot', { fakeroot: true }, undefined, {}, 'copy', [], OWN_COPY],
    ["of the user's directory, --writable-tmpfs", { writableTmpfs: true }, DOCKER, OWN, 'copy', [], COPIED]
  ])('keeps the tree from being written: %s', (_, spec, capabilities, image, tree, givenUp, note) => {
    const host = capabilities === undefined ? {} : { ...ROOT, ...PROOT, capabilities };
    const result = ptrace(plan({ engine: 'ptrace', ...spec }, host, KAGGLE, imageFacts(DEBIAN, image)));
    const { rootfs } = result;
    expect(rootfs.kind === 'tree' ? rootfs.view : rootfs.kind === 'directory' ? rootfs.directory : rootfs.kind).toBe(
      tree
    );
    expect(result.arguments.slice(0, 2)).toEqual(['-r', rootfs.kind === 'mounted' ? '' : rootfs.directory]);
    expect(result.confinement).toEqual(givenUp.map(name => `CAP_${name}`));
    const said = result.notes.filter(({ text }) => /read-only|writable|a copy of the image/.test(text));
    expect(said).toHaveLength(1);
    expect(said[0]?.text).toContain(note);
    expect(said[0]?.level).toBe(note === YOURS || tree === '/my/sandbox' ? 'warning' : 'info');
    expect(formatPlan(result).includes('without CAP_CHOWN')).toBe(givenUp.length > 0);
  });

  const FAKED = 'PRoot pretends that you are root; who files are given to is not kept';
  it.each<[string, Partial<IRunSpec>, readonly string[] | undefined, boolean]>([
    ['a user', {}, undefined, true],
    ['a user with a copy', { writableTmpfs: true }, undefined, true],
    ['root, who may not give away files of the store', {}, DOCKER, true],
    ['root with a copy, where a chown is a real one', { writableTmpfs: true }, DOCKER, false]
  ])('pretends to be root with --fakeroot: %s', (_, spec, capabilities, said) => {
    const host = capabilities === undefined ? {} : { ...ROOT, ...PROOT, capabilities };
    const apt = { ...DEBIAN, '/etc': [...(DEBIAN['/etc'] ?? []), ...listing('apt/')] };
    const tree = { ...apt, '/etc/apt': listing('apt.conf.d/'), '/etc/apt/apt.conf.d': [] };
    const result = ptrace(plan({ fakeroot: true, ...spec }, host, KAGGLE, imageFacts(tree)));
    expect(result.arguments[4]).toBe('-0');
    expect(Object.values(result.files)).toContain('APT::Sandbox::User "root";\n');
    expect(result.notes.some(({ text }) => text === FAKED)).toBe(said);
    expect(result.execution.environment['HOME']).toBe('/root');
  });

  it.each([
    ['with a copy, where somebody else could not reach it', true, ['-0']],
    ['with the read-only tree, where it may become nobody else anyway', false, []]
  ] as const)('lets root become somebody else in pretence only: %s', (_, writableTmpfs, words) => {
    const result = ptrace(plan({ writableTmpfs }, { ...ROOT, ...PROOT, capabilities: [...DOCKER] }));
    expect(result.arguments.slice(4).filter(word => word === '-0')).toEqual(words);
    expect(result.notes.some(({ text }) => text === FAKED)).toBe(false);
  });

  it('pretends an account with --as user, which gets an empty home', () => {
    const account = { uid: 1002, gid: 1002, name: 'user', gecos: '', home: '/home/user', shell: '/bin/sh' };
    const unprivileged = {
      account: { ...account, groups: [{ gid: 1002, name: 'user' }] },
      origin: 'an id that nobody has here',
      hasHome: false,
      workingDirectory: { enter: true, write: false }
    };
    const host = { ...ROOT, ...PROOT, capabilities: [...DOCKER], unprivileged };
    const result = ptrace(plan({ as: 'user' }, host));
    expect(result.arguments.slice(4, 6)).toEqual(['-i', '1002:1002']);
    expect(result.confinement).toEqual(['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_SETUID']);
    expect(result.steps.some(({ step }) => step.op === 'account')).toBe(false);
    expect(result.arguments.join(' ')).toContain('-b @directory-0@:/home/user');
    expect(result.notes.map(({ text }) => text).join()).toContain('pretends that root is uid 1002 (user)');
  });

  it('is taken when asked for', () => {
    const result = ptrace(plan({ engine: 'ptrace' }, {}, {}));
    expect(result.notes[0]?.text).toBe(
      'the ptrace engine (PRoot) is used as asked: system calls are slower than with namespaces'
    );
    expect(formatPlan(result)).toContain('/usr/bin/proot -r /store/trees/read-only -w / -b /dev:/dev');
  });
});
