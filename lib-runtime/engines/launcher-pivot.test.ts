// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IS_ROOT, makeBench, makeBusyboxTree, PATH, pivotSteps, tryLauncher } from './test-support.ts';
import type { ITrial } from './test-support.ts';
import type { Step } from './steps.ts';

let launcher = '';
let base = '';
let tree = '';
let stage = '';
const USER = { uid: 1000, gid: 1000 };
const AS_USER = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups'];

beforeAll(() => {
  ({ launcher, base, tree, stage } = makeBench());
});
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

type Who = 'root' | 'user';
const run = (
  who: Who,
  argv: readonly string[],
  extra: readonly Step[] = [],
  before: readonly Step[] = []
): Promise<ITrial> =>
  tryLauncher(
    launcher,
    [...pivotSteps(tree, stage, who === 'user' ? USER : undefined), ...before, { op: 'pivot' }, ...extra],
    { argv, environment: PATH },
    who === 'user' ? { wrapper: AS_USER } : {}
  );

// Root can be both: as `user` it drops to another uid first, which a user could not take back.
// Only root can become the user, too.
describe.skipIf(!IS_ROOT).each<Who>(['root', 'user'])('pivot root as %s', who => {
  it('runs a command of the image and says nothing on the status stream', async () => {
    const trial = await run(who, ['cat', '/etc/os-release']);
    expect(trial).toEqual({ status: 0, stdout: 'NAME=Busy\n', stderr: '', records: [] });
  });

  it('keeps the identity', async () => {
    expect((await run(who, ['id', '-u'])).stdout).toBe(who === 'user' ? '1000\n' : '0\n');
  });

  it('gives the status of the command', async () => {
    expect((await run(who, ['sh', '-c', 'exit 7'])).status).toBe(7);
    expect((await run(who, ['sh', '-c', 'kill -TERM $$'])).status).toBe(143);
  });

  it('shows the host under no path', async () => {
    const trial = await run(who, ['sh', '-c', 'ls /; cat /proc/self/mountinfo | wc -l; ls /work /home']);
    expect(trial.stdout.split('\n').slice(0, 9)).toEqual([
      'bin',
      'data',
      'dev',
      'etc',
      'proc',
      'root',
      'sys',
      'tmp',
      'usr'
    ]);
    expect(trial.stderr).toContain('/work');
  });

  it('mounts the root read-only', async () => {
    const trial = await run(who, ['touch', '/etc/new']);
    expect(trial.status).toBe(1);
    expect(trial.stderr).toContain('Read-only file system');
  });

  it('leaves only standard streams open, no signal blocked or ignored', async () => {
    const fds = await run(who, ['ls', '/proc/self/fd']);
    expect(fds.stdout).toBe('0\n1\n2\n3\n'); // 3 is the directory that ls reads
    const signals = await run(who, ['grep', '-E', 'Sig(Blk|Ign|Pnd)|ShdPnd', '/proc/self/status']);
    expect(signals.stdout).toMatch(/^(\w+:\t0{16}\n){4}$/);
  });

  it('leaves no mount behind', async () => {
    await run(who, ['true']);
    expect(execFileSync('cat', ['/proc/self/mountinfo'], { encoding: 'utf8' })).not.toContain(base);
  });

  it('says that a command is missing', async () => {
    const trial = await run(who, ['no-such-program']);
    expect(trial.status).toBe(255);
    expect(trial.records).toEqual([{ kind: 'exec', errno: 'ENOENT' }]);
  });

  it('tells a missing interpreter from a missing file', async () => {
    const content = '#!/no/such/shell\n';
    const trial = await run(
      who,
      ['/tmp/script'],
      [],
      [
        { op: 'tmpfs', target: '/tmp', options: 'mode=1777', flags: ['nosuid'] },
        { op: 'file', path: '/tmp/script', mode: 0o755, content }
      ]
    );
    expect(trial.records).toEqual([{ kind: 'exec', errno: 'ENOENT', interpreter: '/no/such/shell' }]);
  });

  it('makes directories, files and symlinks with the given modes', async () => {
    const trial = await run(
      who,
      ['sh', '-c', 'stat -c "%a %F" /tmp/a/b /tmp/a/f; cat /tmp/l; umask'],
      [{ op: 'umask', mask: 0o027 }],
      [
        { op: 'tmpfs', target: '/tmp', options: 'mode=1777', flags: ['nosuid', 'nodev'] },
        { op: 'mkdir', path: '/tmp/a/b', mode: 0o2770 },
        { op: 'mkdir', path: '/tmp/a/b', mode: 0o700 },
        { op: 'file', path: '/tmp/a/f', mode: 0o640, content: 'text\n' },
        { op: 'symlink', path: '/tmp/l', target: 'a/f' }
      ]
    );
    expect(trial.records).toEqual([]);
    expect(trial.stdout).toBe('2770 directory\n640 regular file\ntext\n0027\n');
  });

  it('enters the first directory that can be entered and notes the others', async () => {
    const trial = await run(who, ['pwd'], [{ op: 'chdir', candidates: ['/nowhere', '/data', '/'] }]);
    expect(trial.stdout).toBe('/data\n');
    expect(trial.records).toEqual([{ kind: 'note', index: 7, errno: 'ENOENT', text: 'chdir /nowhere' }]);
  });

  it('notes an optional bind that fails, fails for one that is asked for', async () => {
    const bind = { op: 'bind', source: '/no/such', target: '/data', flags: [] } as const;
    const optional = await run(who, ['true'], [], [{ ...bind, optional: true }]);
    expect(optional.status).toBe(0);
    expect(optional.records).toEqual([{ kind: 'note', index: 6, errno: 'ENOENT', text: 'source /no/such' }]);
    const wanted = await run(who, ['true'], [], [bind]);
    expect(wanted.status).toBe(255);
    expect(wanted.records).toEqual([{ kind: 'failed', index: 6, errno: 'ENOENT', text: 'source /no/such' }]);
  });

  it('sets flags on every mount of a recursive bind', async () => {
    const trial = await run(who, ['cat', '/proc/self/mountinfo']);
    const proc = trial.stdout.split('\n').filter(line => / \/(proc|dev)[ /]/.test(line));
    expect(proc.length).toBeGreaterThan(1);
    expect(proc.filter(line => !line.split(' ')[5]?.includes('nosuid'))).toEqual([]);
  });

  it('gives a pid namespace with an init that reaps, and a fresh procfs', async () => {
    const steps = pivotSteps(tree, stage, who === 'user' ? USER : undefined).map(step =>
      step.op === 'unshare' ? { ...step, namespaces: [...step.namespaces, 'pid', 'ipc', 'uts'] as const } : step
    );
    const trial = await tryLauncher(
      launcher,
      [
        ...steps.filter(step => !(step.op === 'bind' && step.target === '/proc')),
        { op: 'procfs', target: '/proc' },
        { op: 'pivot' },
        { op: 'hostname', name: 'inner' }
      ],
      { argv: ['sh', '-c', 'echo $$; hostname; (sleep 0 &); ls /proc | grep -c "^[0-9]"; exit 9'], environment: PATH },
      who === 'user' ? { wrapper: AS_USER } : {}
    );
    expect(trial.records).toEqual([]);
    expect(trial.stdout.split('\n').slice(0, 2)).toEqual(['2', 'inner']);
    expect(trial.status).toBe(9);
  });

  it('sets no_new_privs', async () => {
    const trial = await run(who, ['grep', 'NoNewPrivs', '/proc/self/status'], [{ op: 'no-new-privileges' }]);
    expect(trial.stdout).toBe('NoNewPrivs:\t1\n');
  });
});

// Loop devices, owners and modes of others: rights that only root has.
// Without a user namespace only root may mount.
describe.skipIf(!IS_ROOT)('pivot root', () => {
  it('resolves bind targets inside the image, whatever its symlinks say', async () => {
    const hostile = makeBusyboxTree(join(base, 'hostile'));
    rmSync(join(hostile, 'data'), { recursive: true });
    symlinkSync('/etc', join(hostile, 'data')); // /etc of the image, not of the host
    symlinkSync('../../../../../../../etc', join(hostile, 'up'));
    symlinkSync('/proc/self/root/etc', join(hostile, 'magic'));
    const source = join(base, 'source');
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, 'mark'), 'bound\n');
    const attack = (target: string): Promise<ITrial> =>
      tryLauncher(
        launcher,
        [...pivotSteps(hostile, stage), { op: 'bind', source, target, flags: [] }, { op: 'pivot' }],
        { argv: ['sh', '-c', 'cat /etc/mark; ls /etc'], environment: PATH }
      );
    for (const target of ['/data', '/up', '/data/../up']) {
      const trial = await attack(target);
      expect(trial.records).toEqual([]);
      expect(trial.stdout).toBe('bound\nmark\n');
    }
    const magic = await attack('/magic');
    expect(magic.status).toBe(255);
    expect(magic.records[0]).toMatchObject({ kind: 'failed', errno: 'ELOOP' });
  });

  it('never makes a file of the host through a symlink of the image', async () => {
    const hostile = makeBusyboxTree(join(base, 'writer'));
    symlinkSync(base, join(hostile, 'out'));
    const trial = await tryLauncher(
      launcher,
      [
        { op: 'unshare', namespaces: ['mount'] },
        { op: 'private' },
        { op: 'stage', stage, sizeBytes: 1 << 20 },
        { op: 'bind', source: hostile, target: '/', flags: [] },
        { op: 'file', path: '/out/stolen', mode: 0o644, content: 'x' }
      ],
      { argv: ['true'], environment: PATH }
    );
    expect(trial.records[0]).toMatchObject({ kind: 'failed', index: 4, errno: 'ENOENT' });
    expect(execFileSync('ls', [base], { encoding: 'utf8' })).not.toContain('stolen');
  });

  it('writes into an overlay and leaves the tree as it was', async () => {
    const trial = await tryLauncher(
      launcher,
      [
        { op: 'unshare', namespaces: ['mount'] },
        { op: 'private' },
        { op: 'stage', stage, sizeBytes: 8 << 20 },
        { op: 'overlay', lower: [tree], upper: `${stage}/upper`, work: `${stage}/work`, userxattr: false },
        { op: 'mkdir', path: '/made', mode: 0o755 },
        { op: 'pivot' }
      ],
      { argv: ['sh', '-c', 'echo new > /etc/os-release; cat /etc/os-release; ls -d /made'], environment: PATH }
    );
    expect(trial).toEqual({ status: 0, stdout: 'new\n/made\n', stderr: '', records: [] });
    expect(execFileSync('cat', [join(tree, 'etc/os-release')], { encoding: 'utf8' })).toBe('NAME=Busy\n');
  });

  it('takes directories with separators of overlayfs in their names', async () => {
    const odd = makeBusyboxTree(join(base, 'odd:a,b\\c d'));
    const trial = await tryLauncher(
      launcher,
      [
        { op: 'unshare', namespaces: ['mount'] },
        { op: 'private' },
        { op: 'stage', stage, sizeBytes: 8 << 20 },
        { op: 'overlay', lower: [odd], upper: `${stage}/upper`, work: `${stage}/work`, userxattr: false },
        { op: 'pivot' }
      ],
      { argv: ['cat', '/etc/os-release'], environment: PATH }
    );
    expect(trial).toEqual({ status: 0, stdout: 'NAME=Busy\n', stderr: '', records: [] });
  });

  it('mounts a squashfs partition at an offset through a loop device and frees it', async () => {
    const file = join(base, 'image.sif');
    execFileSync('mksquashfs', [
      tree,
      file,
      '-quiet',
      '-no-progress',
      '-offset',
      '45056',
      '-noappend',
      '-comp',
      'gzip'
    ]);
    const size = Number(execFileSync('stat', ['-c', '%s', file], { encoding: 'utf8' })) - 45056;
    const trial = await tryLauncher(
      launcher,
      [
        { op: 'unshare', namespaces: ['mount'] },
        { op: 'private' },
        { op: 'stage', stage, sizeBytes: 1 << 20 },
        { op: 'squashfs', image: file, offset: 45056, size, mountpoint: `${stage}/image` },
        { op: 'bind', source: `${stage}/image`, target: '/', flags: ['nosuid', 'nodev', 'ro'] },
        { op: 'pivot' }
      ],
      { argv: ['cat', '/etc/os-release'], environment: PATH }
    );
    expect(trial).toEqual({ status: 0, stdout: 'NAME=Busy\n', stderr: '', records: [] });
    expect(execFileSync('losetup', ['-a'], { encoding: 'utf8' })).not.toContain('image.sif');
  });

  it('keeps the mounts of a payload that has left for a namespace of its own', async () => {
    const program = join(base, 'program');
    mkdirSync(program);
    copyFileSync(join(tree, 'bin', 'busybox'), join(program, 'busybox'));
    // The parent has unshared its mounts, too, and still runs the program from ours: what does the kernel call it?
    const script = 'sleep 0.2; readlink /proc/$PPID/exe';
    const trial = await tryLauncher(
      launcher,
      [
        ...pivotSteps(tree, stage),
        { op: 'bind', source: program, target: '/data', flags: ['nosuid', 'nodev'] },
        { op: 'pivot' }
      ],
      { argv: ['/data/busybox', 'unshare', '-m', '-f', '/data/busybox', 'sh', '-c', script], environment: PATH }
    );
    expect(trial).toEqual({ status: 0, stdout: '/data/busybox\n', stderr: '', records: [] });
  });

  it('maps every id when real root makes a user namespace', async () => {
    const steps = pivotSteps(tree, stage).map(step =>
      step.op === 'unshare'
        ? ({ ...step, namespaces: ['user', 'mount'], uidMap: '0 0 4294967295', gidMap: '0 0 4294967295' } as const)
        : step
    );
    const trial = await tryLauncher(
      launcher,
      [...steps, { op: 'tmpfs', target: '/tmp', options: '', flags: [] }, { op: 'pivot' }],
      {
        argv: ['sh', '-c', 'touch /tmp/x && chown 33:33 /tmp/x && stat -c %u:%g /tmp/x'],
        environment: PATH
      }
    );
    expect(trial).toEqual({ status: 0, stdout: '33:33\n', stderr: '', records: [] });
  });

  it('does not carry the stage along with a recursive bind of the directory that holds it', async () => {
    const trial = await run(
      'root',
      ['sh', '-c', `ls /data${stage}; grep -c "${stage}" /proc/self/mountinfo`],
      [],
      [{ op: 'bind', source: '/', target: '/data', flags: ['rec'] }]
    );
    expect(trial.stdout).toBe('0\n');
  });

  it('chroots without a mount', async () => {
    const trial = await tryLauncher(
      launcher,
      [
        { op: 'chroot', root: tree },
        { op: 'chdir', candidates: ['/data'] }
      ],
      {
        argv: ['sh', '-c', 'pwd; cat /etc/os-release'],
        environment: PATH
      }
    );
    expect(trial.stdout).toBe('/data\nNAME=Busy\n');
  });
});
