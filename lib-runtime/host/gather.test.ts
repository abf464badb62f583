// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildLauncher } from '../../scripts/build-launcher.mjs';
import { PROBES } from './facts.ts';
import { gatherHostFacts } from './gather.ts';
import { launcherPath, machineName } from './launcher-path.ts';
import { parseProbes, probeHost } from './probe.ts';
import { ensureRuntimeDirectory, runtimeDirectoryCandidates } from './runtime-directory.ts';

let base = '';
beforeAll(() => {
  buildLauncher({ architectures: [process.arch === 'arm64' ? 'aarch64' : 'x86_64'] });
});
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'nbc-host-'));
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});
const isRoot = process.geteuid?.() === 0;

describe('runtimeDirectoryCandidates', () => {
  it.each([
    [{}, ['/tmp/nbcontainer-7']],
    [{ XDG_RUNTIME_DIR: '/run/user/7/' }, ['/run/user/7/nbcontainer', '/tmp/nbcontainer-7']],
    [{ XDG_RUNTIME_DIR: 'relative' }, ['/tmp/nbcontainer-7']],
    [{ XDG_RUNTIME_DIR: `/${'x'.repeat(60)}` }, ['/tmp/nbcontainer-7']]
  ])('%j', (env, expected) => {
    expect(runtimeDirectoryCandidates(env, 7)).toEqual(expected);
  });
});

describe('ensureRuntimeDirectory', () => {
  it('makes it 0700 and closes one that was left open', () => {
    const path = ensureRuntimeDirectory({ XDG_RUNTIME_DIR: base });
    expect(path).toBe(join(base, 'nbcontainer'));
    chmodSync(path, 0o755);
    ensureRuntimeDirectory({ XDG_RUNTIME_DIR: base });
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  it('does not follow a symlink that somebody planted', () => {
    const victim = join(base, 'victim');
    mkdirSync(victim, { mode: 0o755 });
    symlinkSync(victim, join(base, 'nbcontainer'));
    const path = ensureRuntimeDirectory({ XDG_RUNTIME_DIR: base });
    expect(path).toBe(`/tmp/nbcontainer-${process.geteuid?.()}`); // the next candidate
    expect(lstatSync(victim).mode & 0o777).toBe(0o755);
    expect(readdirSync(victim)).toEqual([]);
  });

  // Only root can give a directory to somebody else.
  it.skipIf(!isRoot)('refuses, with a sentence, when no candidate is ours', () => {
    // uid 54321 finds its place in /tmp taken by root.
    const taken = '/tmp/nbcontainer-54321';
    mkdirSync(taken);
    try {
      const module = fileURLToPath(new URL('./runtime-directory.ts', import.meta.url));
      const script = `import(process.argv[1]).then(m => m.ensureRuntimeDirectory({})).catch(e => { process.stdout.write(e.code + ': ' + e.toSentence()); process.exitCode = 3; })`;
      const result = spawnSync(
        'setpriv',
        ['--reuid=54321', '--regid=54321', '--clear-groups', process.execPath, '-e', script, module],
        { encoding: 'utf8' }
      );
      expect(result.stdout).toBe(
        `permission: the runtime directory ${taken} cannot be used: it belongs to another user (uid 0). Remove it, or set XDG_RUNTIME_DIR to a directory of yours on a local disk.`
      );
      expect(result.status).toBe(3);
    } finally {
      rmSync(taken, { recursive: true });
    }
  });
});

describe('probes', () => {
  it('reads what the launcher prints', () => {
    const probes = parseProbes('user-namespace ok\ntmpfs EACCES\noverlay nonsense\nunknown ok\n');
    expect(probes['user-namespace']).toEqual({ ok: true });
    expect(probes.tmpfs).toEqual({ ok: false, errno: 'EACCES' });
    expect(probes.overlay).toEqual({ ok: false, errno: 'ENOSYS' });
    expect(Object.keys(probes)).toEqual([...PROBES]);
  });

  it('are all known to the launcher and leave nothing behind', async () => {
    // Other tests mount and probe at the same time: only what a probe could leave is looked at.
    const mounts = (): string[] =>
      execFileSync('cat', ['/proc/self/mountinfo'], { encoding: 'utf8' })
        .split('\n')
        .filter(line => ['/tmp', '/var/tmp', '/run', '/mnt', '/usr', '/'].includes(line.split(' ')[4] ?? ''));
    const before = mounts();
    const lines = execFileSync(launcherPath(), ['probe'], { encoding: 'utf8' }).trim().split('\n');
    expect(lines.map(line => line.split(' ')[0])).toEqual([...PROBES]);
    expect(lines.filter(line => !/^[a-z-]+ (ok|E[A-Z0-9]+)$/.test(line))).toEqual([]);
    expect(mounts()).toEqual(before);
    const left = (): string[] =>
      [...readdirSync('/'), ...readdirSync('/tmp')].filter(name => name.startsWith('.nbcontainer-probe'));
    await expect.poll(left).toEqual([]);
  });

  // Only root can become the others.
  it.skipIf(!isRoot)('tell root with all rights from an ordinary user and from one without namespaces', () => {
    const probe = (...wrapper: string[]): ReturnType<typeof parseProbes> => {
      const [program = '', ...args] = [...wrapper, launcherPath(), 'probe'];
      return parseProbes(execFileSync(program, args, { encoding: 'utf8' }));
    };
    const user = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups'];
    expect(probe('env')['mount-namespace']).toEqual({ ok: true });
    expect(probe(...user)).toMatchObject({
      'mount-namespace': { ok: false, errno: 'EPERM' },
      'user-mount-namespace': { ok: true },
      'write-root': { ok: false, errno: 'EACCES' },
      mknod: { ok: false, errno: 'EPERM' },
      chroot: { ok: false, errno: 'EPERM' }
    });
    // Inside a user namespace whose limit of further ones is 0.
    const none = probe('unshare', '-Ur', 'sh', '-c', 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', 'sh');
    expect(none['user-namespace']).toEqual({ ok: false, errno: 'ENOSPC' });
  });

  it('come from the cache until the launcher changes', async () => {
    const calls = join(base, 'calls');
    const fake = join(base, 'launcher');
    const write = (mark: string): void => {
      writeFileSync(fake, `#!/bin/sh\n# ${mark}\necho x >> ${calls}\necho tmpfs ok\n`, { mode: 0o755 });
    };
    const count = (): number => statSync(calls).size / 2;
    write('one');
    expect((await probeHost(fake, base)).tmpfs).toEqual({ ok: true });
    await probeHost(fake, base);
    expect(count()).toBe(1);
    await probeHost(fake, base, { fresh: true });
    expect(count()).toBe(2);
    write('two');
    await probeHost(fake, base);
    expect(count()).toBe(3);
    const cache = readdirSync(base).filter(name => name.startsWith('probes-'));
    expect(cache).toHaveLength(2);
    cache.forEach(name => {
      writeFileSync(join(base, name), '{"key":');
    });
    await probeHost(fake, base);
    expect(count()).toBe(4);
  });

  it('say so when there is no launcher', async () => {
    await expect(probeHost(join(base, 'none'), base)).rejects.toMatchObject({ code: 'not-found', errno: 'ENOENT' });
  });
});

describe('gatherHostFacts', () => {
  it('tells what this machine is', async () => {
    symlinkSync('/etc', join(base, 'link'));
    const paths = [join(base, 'link'), join(base, 'none'), '/dev/null'];
    const facts = await gatherHostFacts({ env: { ...process.env, XDG_RUNTIME_DIR: base }, cwd: '/usr', paths });
    expect(facts).toMatchObject({
      machine: machineName(),
      kernel: execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim(),
      workingDirectory: '/usr',
      runtimeDirectory: join(base, 'nbcontainer'),
      paths: {
        [join(base, 'link')]: { real: '/etc', type: 'directory' },
        [join(base, 'none')]: null,
        '/dev/null': { real: '/dev/null', type: 'other' }
      }
    });
    expect(facts.root.map(node => node.name)).toEqual(readdirSync('/').sort());
    expect(facts.root.find(node => node.name === 'proc')?.type).toBe('directory');
    expect(facts.memoryBytes).toBeGreaterThan(1 << 20);
    expect(facts.tools['ldconfig']).toMatch(/^\//);
  });
});
