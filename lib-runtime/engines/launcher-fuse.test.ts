// SPDX-License-Identifier: BSD-3-Clause
/** Images served by squashfuse_ll: who sees them, who ends them, what is said when they cannot be read. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePlan } from './protocol.ts';
import type { Step } from './steps.ts';
import {
  eventually,
  IS_ROOT,
  type ITrial,
  makeBench,
  PATH,
  pivotSteps,
  planned,
  processTree,
  tryLauncher
} from './test-support.ts';

const SERVER = '/usr/bin/squashfuse_ll';
const OVERLAY = '/usr/bin/fuse-overlayfs';
// Root alone can be somebody else, and give him the device.
const here = IS_ROOT && existsSync('/dev/fuse') && existsSync(SERVER);
type Who = 'root' | 'user';
type Fuse = Extract<Step, { op: 'fuse' }>;

/** In a mount namespace of its own, /dev/fuse is for everybody, as udev has it. */
const OPEN_DEVICE =
  'mount -t tmpfs -o mode=755 none /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse && umount -l /mnt && exec "$@"';
const WRAPPERS: Readonly<Record<Who, readonly string[]>> = {
  root: [],
  user: [
    ...['unshare', '--mount', 'sh', '-c', OPEN_DEVICE, 'sh'],
    ...['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups']
  ]
};

let launcher = '';
let base = '';
let stage = '';
let image = '';

beforeAll(() => {
  let tree = '';
  ({ launcher, base, tree, stage } = makeBench());
  mkdirSync(join(tree, 'secret'));
  writeFileSync(join(tree, 'secret', 'file'), 'seen\n');
  chownSync(join(tree, 'secret'), 42, 42);
  chmodSync(join(tree, 'secret'), 0o700);
  image = join(base, 'image.sqfs');
  if (here) {
    execFileSync('mksquashfs', [tree, image, '-comp', 'zstd', '-quiet', '-no-progress'], { stdio: 'ignore' });
    // Something else first: a partition of a SIF does not begin at the start of its file either.
    writeFileSync(image, Buffer.concat([Buffer.alloc(4096, 'x'), readFileSync(image)]));
  }
});
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

function steps(who: Who, fuse: Partial<Fuse> = {}, pid = false): Step[] {
  const served: Fuse = {
    op: 'fuse',
    program: SERVER,
    options: 'offset=4096',
    source: image,
    mountpoint: join(stage, 'image'),
    wishes: ['ro'],
    ...fuse
  };
  const [unshare, ...rest] = pivotSteps(
    join(stage, 'image'),
    stage,
    who === 'user' ? { uid: 1000, gid: 1000 } : undefined
  );
  const first =
    unshare?.op === 'unshare' && pid ? { ...unshare, namespaces: [...unshare.namespaces, 'pid' as const] } : unshare;
  return [...(first ? [first] : []), ...rest.slice(0, 2), served, ...rest.slice(2), { op: 'pivot' }];
}

const run = (who: Who, script: string, fuse: Partial<Fuse> = {}, pid = false): Promise<ITrial> =>
  tryLauncher(
    launcher,
    steps(who, fuse, pid),
    { argv: ['sh', '-c', script], environment: PATH },
    {
      wrapper: WRAPPERS[who]
    }
  );

/** Pids of the servers of our image. */
const servers = (): number[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return words[0] === SERVER && words.includes(image);
      } catch {
        return false;
      }
    });
const noServer = (): Promise<boolean> => eventually(() => servers().length === 0, 'the end of squashfuse_ll');

describe.skipIf(!here).each<Who>(['root', 'user'])('an image served by squashfuse_ll, as %s', who => {
  it('is the root of the container, and nothing of the server is in it', async () => {
    const trial = await run(who, 'cat /etc/os-release; touch /x; ls /proc/self/fd');
    expect(trial).toEqual({
      status: 0,
      stdout: 'NAME=Busy\n0\n1\n2\n3\n',
      stderr: expect.stringContaining('Read-only file system') as string,
      records: []
    });
    expect(servers()).toEqual([]);
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain('fuse.squashfuse_ll');
  });

  it('has its permissions checked by the kernel where that was asked for', async () => {
    expect((await run(who, 'cat /secret/file')).stdout).toBe('seen\n');
    const strict = await run(who, 'cat /secret/file', { wishes: ['ro', 'modes'] });
    expect(strict.stdout).toBe(who === 'root' ? 'seen\n' : '');
  });

  it('outlives signals to everything in the container', async () => {
    const trial = await run(who, 'kill -9 -1; cat /etc/os-release', {}, true);
    expect([trial.status, trial.stdout]).toEqual([0, 'NAME=Busy\n']);
  });

  it('outlives Ctrl-C', async () => {
    const wrapper = ['setsid', '--wait', ...WRAPPERS[who]];
    const argv = ['sh', '-c', 'trap : INT TERM HUP; kill -INT 0; kill -TERM 0; kill -HUP 0; cat /etc/os-release'];
    const trial = await tryLauncher(launcher, steps(who), { argv, environment: PATH }, { wrapper });
    expect(trial.stdout).toBe('NAME=Busy\n');
    await noServer();
  });

  it.each([
    ['no squashfs', { options: '' }, "squashfuse_ll: This doesn't look like a squashfs image."],
    ['no file', { source: '/nonexistent' }, 'squashfuse_ll: '],
    ['a server that ends', { program: '/bin/true' }, 'true: it gave no answer'],
    [
      'a server that is not there',
      { program: '/nonexistent/squashfuse_ll' },
      'squashfuse_ll: No such file or directory'
    ]
  ])('is a failed step with %s', async (_what, fuse, said) => {
    const trial = await run(who, 'true', fuse);
    expect(trial).toMatchObject({ status: 255, stdout: '', stderr: '' });
    expect(trial.records).toEqual([
      { kind: 'failed', index: 3, errno: 'EIO', text: expect.stringContaining(said) as string }
    ]);
  });

  // 0 the front process, 1 the supervisor, 2 the command
  it.each([[[0]], [[1]], [[0, 1]], [[2]]])('leaves no server when %j of its processes are killed', async victims => {
    const [program = launcher, ...words] = [...WRAPPERS[who], launcher, 'run', '3', '4'];
    const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    const plan = child.stdio[3];
    if (plan && 'end' in plan) {
      plan.end(encodePlan(planned(...steps(who)), { argv: ['sleep', '1000'], environment: PATH }));
    }
    const front = child.pid ?? 0;
    const found = await eventually(() => {
      const all = processTree(front);
      return all.length === 4 && readFileSync(`/proc/${all[2] ?? 0}/cmdline`, 'utf8').startsWith('sleep') && all;
    }, 'the start of the container');
    expect(servers()).toEqual([found[3]]);
    victims.forEach(victim => process.kill(found[victim] ?? 0, 'SIGKILL'));
    await noServer();
    await eventually(() => found.every(pid => !existsSync(`/proc/${pid}/root`)) || undefined, 'the end of all');
  });
});

describe.skipIf(!here)('a server that never answers', () => {
  it('is not waited for when the container is to end', async () => {
    const silent = join(base, 'silent');
    writeFileSync(silent, '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 });
    const launched = { pid: 0 };
    const trial = tryLauncher(
      launcher,
      steps('root', { program: silent }),
      { argv: ['true'], environment: PATH },
      { onPid: pid => (launched.pid = pid) }
    );
    const all = await eventually(() => {
      const found = processTree(launched.pid);
      // front, supervisor, the command to be, who asks, the server
      return found.length === 5 && found;
    }, 'the server');
    process.kill(launched.pid, 'SIGINT');
    expect((await trial).status).toBe(130);
    await eventually(() => all.every(pid => !existsSync(`/proc/${pid}/root`)) || undefined, 'the end of all');
  });
});

describe.skipIf(!here || !existsSync(OVERLAY)).each<Who>(['root', 'user'])('a server inside, as %s', who => {
  it('sees the mounts made before, and owns files as the container does', async () => {
    const points = join(stage, 'root');
    const wishes = ['modes', 'inside'] as const;
    const layers = `noacl,lowerdir=${points}:${join(stage, 'image')},upperdir=${join(stage, 'upper')},workdir=${join(stage, 'work')}`;
    const [unshare, own, staged, image] = steps(who);
    const merged = join(stage, 'merged');
    const plan = [unshare, own, staged, image].filter(step => step !== undefined);
    const trial = await tryLauncher(
      launcher,
      [
        ...plan,
        { op: 'mkdir', path: '/point', mode: 0o755 },
        { op: 'fuse', program: OVERLAY, options: layers, source: '', mountpoint: merged, wishes },
        { op: 'bind', source: merged, target: '/', flags: ['nosuid', 'nodev'] },
        { op: 'pivot' }
      ],
      { argv: ['sh', '-c', 'cat /etc/os-release; echo new > /point/new; stat -c %u /point/new'], environment: PATH },
      { wrapper: WRAPPERS[who] }
    );
    expect(trial).toEqual({ status: 0, stdout: `NAME=Busy\n${who === 'root' ? 0 : 1000}\n`, stderr: '', records: [] });
    await noServer();
  });
});

// Only root can take the device away.
describe.skipIf(!IS_ROOT)('without a FUSE device', () => {
  it('the step fails at once', async () => {
    const wrapper = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /dev && exec "$@"', 'sh'];
    const argv = ['true'];
    const trial = await tryLauncher(launcher, steps('root'), { argv, environment: PATH }, { wrapper });
    expect(trial.records).toEqual([{ kind: 'failed', index: 3, errno: 'ENOENT', text: 'open /dev/fuse' }]);
  });
});
