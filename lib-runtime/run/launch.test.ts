// SPDX-License-Identifier: BSD-3-Clause
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchPtrace } from '../engines/ptrace.ts';
import { freshLauncher } from '../engines/test-support.ts';
import { gatherHostFacts, listNodes } from '../host/gather.ts';
import type { IHostFacts, INode } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { launch } from './launch.ts';
import { hostPaths } from './paths.ts';
import { planRun } from './plan.ts';
import type { Plan } from './plan-types.ts';
import type { IRunSpec } from './spec.ts';
import { execSpec, imageFacts } from './testing.ts';

const IS_ROOT = process.getuid?.() === 0;
let scratch: string;
let image: IImageFacts;

/** A busybox image in which a link stands on the way to a mount point and most mount points are missing. */
function makeTree(directory: string): void {
  for (const name of ['bin', 'dev', 'etc', 'home', 'proc', 'run', 'sys', 'tmp', 'usr/share/doc', 'var']) {
    mkdirSync(join(directory, name), { recursive: true });
  }
  copyFileSync('/usr/bin/busybox', join(directory, 'bin/busybox'));
  for (const applet of [
    'sh',
    'cat',
    'ls',
    'env',
    'id',
    'pwd',
    'touch',
    'stat',
    'mount',
    'readlink',
    'kill',
    'sleep',
    'test'
  ]) {
    symlinkSync('busybox', join(directory, 'bin', applet));
  }
  symlinkSync('/run', join(directory, 'var/run'));
  writeFileSync(join(directory, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(directory, 'usr/share/marker'), 'from the image\n');
}

function listAll(root: string, path = '/'): Record<string, readonly INode[]> {
  const nodes = listNodes(join(root, path));
  const below = nodes.filter(({ type }) => type === 'directory').map(({ name }) => listAll(root, join(path, name)));
  return Object.assign({ [path]: nodes }, ...below) as Record<string, readonly INode[]>;
}

async function hostFor(spec: IRunSpec, cwd: string): Promise<IHostFacts> {
  return gatherHostFacts({ env: process.env, cwd, paths: hostPaths(spec, process.env, cwd) });
}

async function run(plan: Plan): Promise<{ status: number; stdout: string; stderr: string; notes: string[] }> {
  const chunks: Record<'stdout' | 'stderr', string> = { stdout: '', stderr: '' };
  const notes: string[] = [];
  const { status } = await launch(plan, {
    ensureTree: () => Promise.reject(new Error('no tree was asked for')),
    stdio: 'pipe',
    onNote: note => notes.push(note),
    onSpawn: (child: ChildProcess) => {
      child.stdin?.end();
      for (const name of ['stdout', 'stderr'] as const) {
        child[name]?.on('data', (data: Buffer) => (chunks[name] += data.toString()));
      }
    }
  });
  return { status, ...chunks, notes };
}

async function planFor(
  more: Partial<IRunSpec>,
  cwd: string,
  change: (host: IHostFacts) => IHostFacts = host => host,
  facts: IImageFacts = image
): Promise<Plan> {
  const spec = execSpec(more);
  const result = planRun(spec, change(await hostFor(spec, cwd)), facts, { PATH: '/x', TERM: 'dumb' });
  if (result.kind === 'refusal') {
    throw new Error(`${result.message}: ${result.reason}`);
  }
  return result;
}

beforeAll(() => {
  freshLauncher();
  scratch = mkdtempSync(join(tmpdir(), 'nbc-launch-'));
  const directory = join(scratch, 'image');
  makeTree(directory);
  image = imageFacts(listAll(directory), {
    source: { kind: 'directory', directory },
    passwd: readFileSync(join(directory, 'etc/passwd'), 'utf8'),
    machine: process.arch === 'arm64' ? 'aarch64' : 'x86_64'
  });
  mkdirSync(join(scratch, 'data'));
  writeFileSync(join(scratch, 'data/file'), 'from the host\n');
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

/** Root that may not mount without a user namespace: the ordinary user's path, in a test that runs as root. */
const withoutCapabilities = (host: IHostFacts): IHostFacts => ({ ...host, capabilities: [] });

describe('a tree that somebody else may remove', () => {
  it('is held before it is looked for, until the end', async () => {
    const plan = await planFor({ command: ['true'] }, scratch);
    const directory = join(scratch, 'no tree');
    const events: string[] = [];
    const launched = launch(
      { ...plan, rootfs: { kind: 'tree', view: 'plain', directory } },
      {
        holdTree: path => {
          events.push(`held ${path}`);
          return Promise.resolve({ release: () => Promise.resolve(void events.push('released')) });
        },
        ensureTree: view => {
          events.push(`wanted ${view}`);
          return Promise.reject(new Error('it cannot be made'));
        }
      }
    );
    await expect(launched).rejects.toThrow('it cannot be made');
    expect(events).toEqual([`held ${directory}`, 'wanted plain', 'released']);
  });
});

describe.runIf(IS_ROOT).each<[string, (host: IHostFacts) => IHostFacts]>([
  ['as root', host => host],
  ['in a user namespace', withoutCapabilities]
])('a planned pivot %s', (_, change) => {
  it('shows image, binds and generated files, read-only where they should be', async () => {
    const data = join(scratch, 'data');
    const script = `
      cat /usr/share/marker /usr/share/new/deep/file /var/run/link/file /etc/passwd
      pwd
      ls /usr/share
      ls /dev/null /proc/self/stat >/dev/null && echo kernel
      for path in / /etc /usr /usr/share /usr/share/doc /usr/share/new/deep /home; do
        touch $path/x 2>/dev/null && echo "$path can be written to"
      done
      touch /tmp/x-$$ && rm /tmp/x-$$; echo x > /var/run/link/file; cat /var/run/link/file
      echo "$HOME $PATH"`;
    const plan = await planFor(
      {
        command: ['sh', '-c', script],
        binds: [
          { source: data, target: '/usr/share/new/deep', readOnly: true },
          { source: data, target: '/var/run/link', readOnly: false }
        ]
      },
      scratch,
      change
    );
    const { status, stdout, stderr, notes } = await run(plan);
    expect(stderr.replace(/.*applet not found\n/g, '')).toBe('');
    expect(stdout.split('\n')).toEqual([
      'from the image',
      'from the host',
      'from the host',
      'root:x:0:0:root:/root:/bin/sh',
      scratch,
      'doc',
      'marker',
      'new',
      'kernel',
      'x',
      '/root /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      ''
    ]);
    expect(status).toBe(0);
    expect(notes).toEqual([]);
    writeFileSync(join(data, 'file'), 'from the host\n');
    expect(readdirSync(join(scratch, 'image/usr/share'))).toEqual(['doc', 'marker']);
  });

  it('writes to memory with --writable-tmpfs', async () => {
    const plan = await planFor(
      {
        command: ['sh', '-c', 'echo x > /usr/share/marker && echo y > /new && cat /usr/share/marker /new'],
        writableTmpfs: true
      },
      scratch,
      change
    );
    expect(await run(plan)).toMatchObject({ status: 0, stdout: 'x\ny\n', stderr: '' });
    expect(readFileSync(join(scratch, 'image/usr/share/marker'), 'utf8')).toBe('from the image\n');
  });

  it('makes a small /dev with --contain', async () => {
    const script = 'echo x > /dev/null && ls /dev | head -c 4096; ls $HOME /tmp; pwd';
    const plan = await planFor({ command: ['sh', '-c', script], contain: true }, scratch, change);
    const { status, stdout, stderr } = await run(plan);
    expect(stderr.replace(/.*applet not found\n/g, '').replace(/.*head: not found\n/g, '')).toBe('');
    expect(stdout).toMatch(/\/root\n$/);
    expect(status).toBe(0);
  });

  it('gives the status of a signal and of a missing program', async () => {
    const killed = await planFor({ command: ['sh', '-c', 'kill -9 $$'] }, scratch, change);
    expect((await run(killed)).status).toBe(137);
    const missing = await planFor({ command: ['nothing-of-the-kind'] }, scratch, change);
    await expect(run(missing)).rejects.toMatchObject({ code: 'exec' });
  });

  it("binds the driver's libraries into a sealed directory", async () => {
    const library = join(scratch, 'data/libcuda.so.1.2');
    writeFileSync(library, 'a library');
    const gpu = {
      driverVersion: '1.2',
      libraries: [{ source: library, names: ['libcuda.so.1', 'libcuda.so'] }],
      binaries: [library],
      devices: [],
      files: [],
      notes: []
    };
    const script =
      'cat $LD_LIBRARY_PATH/libcuda.so.1 /usr/bin/libcuda.so.1.2; touch $LD_LIBRARY_PATH/x 2>/dev/null || echo sealed; ls $LD_LIBRARY_PATH';
    const plan = await planFor({ command: ['sh', '-c', script], nv: true }, scratch, host => change({ ...host, gpu }));
    expect(await run(plan)).toMatchObject({
      status: 0,
      stdout: 'a librarya librarysealed\nlibcuda.so\nlibcuda.so.1\n'
    });
  });
});

describe.runIf(IS_ROOT)('a planned in-place root', () => {
  it('puts the image over the host, hides the rest, keeps /proc and cleans up in /', async () => {
    const directory = join(scratch, 'merged');
    makeTree(directory);
    const own = `nbc-app-${process.pid}`;
    for (const applet of readdirSync(join(directory, 'bin'))) {
      const target = applet === 'busybox' ? '../../bin/busybox' : 'busybox';
      mkdirSync(join(directory, 'usr/bin'), { recursive: true });
      if (applet === 'busybox') {
        copyFileSync(join(directory, 'bin/busybox'), join(directory, 'usr/bin/busybox'));
      } else {
        symlinkSync(target, join(directory, 'usr/bin', applet));
      }
    }
    rmSync(join(directory, 'bin'), { recursive: true });
    symlinkSync('usr/bin', join(directory, 'bin'));
    mkdirSync(join(directory, own));
    writeFileSync(join(directory, own, 'program'), 'the application\n');
    symlinkSync(`${own}/program`, join(directory, `${own}-link`));
    const facts = { ...image, tree: listAll(directory), source: { kind: 'directory', directory } as const };
    const script = `
      cat /${own}/program /${own}-link /usr/share/marker
      ls /opt /srv
      test -e /proc/self/stat && echo proc
      touch /usr/x 2>/dev/null || echo read-only
      cat ${join(scratch, 'data/file')}`;
    const plan = await planFor(
      { command: ['sh', '-c', script], root: 'in-place' },
      join(scratch, 'data'),
      host => host,
      facts
    );
    expect(plan.root).toBe('in-place');
    const { status, stdout, stderr } = await run(plan);
    expect(stderr.replace(/.*test: not found\n/g, '')).toBe('');
    expect(stdout.replace('proc\n', '').split('\n').filter(Boolean)).toEqual([
      'the application',
      'the application',
      'from the image',
      ...(stdout.includes('/opt:') ? ['/opt:', '/srv:'] : []),
      'read-only',
      'from the host'
    ]);
    expect(status).toBe(0);
    expect(readdirSync('/').filter(name => name.startsWith(own))).toEqual([]);
  });
});

describe.runIf(existsSync('/usr/bin/proot'))('a planned ptrace run', () => {
  it('shows image, binds and generated files, and leaves nothing behind', async () => {
    const data = join(scratch, 'data');
    writeFileSync(join(data, 'file'), 'from the host\n');
    const before = readdirSync(tmpdir()).filter(name => /^nbcontainer-......$/.test(name));
    const script = `
      cat /usr/share/marker /usr/share/new/deep/file /var/run/link/file
      cat /etc/passwd
      pwd
      echo "$HOME $A"
      env | grep PROOT
      exit 7`;
    const plan = await planFor(
      {
        command: ['sh', '-c', script],
        engine: 'ptrace',
        environment: { A: 'a b' },
        binds: [
          { source: data, target: '/usr/share/new/deep', readOnly: true },
          { source: data, target: '/var/run/link', readOnly: false }
        ]
      },
      scratch
    );
    expect(plan.engine).toBe('ptrace');
    const { status, stdout } = await run(plan);
    expect(stdout.split('\n')).toEqual([
      'from the image',
      'from the host',
      'from the host',
      'root:x:0:0:root:/root:/bin/sh',
      scratch,
      `${plan.execution.environment['HOME'] ?? ''} a b`,
      ''
    ]);
    expect(status).toBe(7);
    expect(readdirSync(join(scratch, 'image/usr/share'))).toEqual(['doc', 'marker']);
    expect(readdirSync(tmpdir()).filter(name => /^nbcontainer-......$/.test(name) && !before.includes(name))).toEqual(
      []
    );
  });

  it('gives the status of a signal and the reason of a missing program', async () => {
    const killed = await planFor({ command: ['sh', '-c', 'kill -9 $$'], engine: 'ptrace' }, scratch);
    expect(await run(killed)).toMatchObject({ status: 137, stderr: '' });
    const missing = await planFor({ command: ['nothing-of-the-kind'], engine: 'ptrace' }, scratch);
    await expect(run(missing)).rejects.toMatchObject({ code: 'exec' });
  });

  it('gives private directories with --contain', async () => {
    const plan = await planFor(
      {
        command: ['sh', '-c', 'touch /tmp/mine $HOME/mine && ls $HOME /tmp | sed s,$HOME,/root,'],
        engine: 'ptrace',
        contain: true
      },
      scratch
    );
    expect(await run(plan)).toMatchObject({ status: 0, stdout: '/root:\nmine\n\n/tmp:\nmine\n' });
    expect(existsSync('/tmp/mine')).toBe(false);
  });

  it('does not start when it is aborted while it prepares', async () => {
    const plan = await planFor({ command: ['sleep', '323'], engine: 'ptrace' }, scratch);
    if (plan.engine !== 'ptrace') {
      throw new Error('another engine');
    }
    const control = new AbortController();
    const launched = launchPtrace({ ...plan, confinement: [] }, { stdio: 'pipe', signal: control.signal });
    control.abort();
    await expect(launched).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('stops when it is aborted, with everything it started', async () => {
    const plan = await planFor(
      { command: ['sh', '-c', 'sleep 321 & echo ready; sleep 322'], engine: 'ptrace' },
      scratch
    );
    const control = new AbortController();
    const started = Date.now();
    const launched = launch(plan, {
      ensureTree: () => Promise.resolve(),
      stdio: 'pipe',
      signal: control.signal,
      onSpawn: child => child.stdout?.on('data', () => control.abort())
    });
    await expect(launched).rejects.toMatchObject({ code: 'cancelled' });
    expect(Date.now() - started).toBeLessThan(30_000);
    const commands = readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .map(pid => (existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : ''));
    expect(commands.filter(command => /^sleep\0(321|322)\0/.test(command))).toEqual([]);
  });
});
