// SPDX-License-Identifier: BSD-3-Clause
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeHostDirectories } from './host-directories.ts';
import { containerMounts } from './mounts.ts';
import { planRun } from './plan.ts';
import { DEBIAN, execSpec, hostFacts, imageFacts } from './testing.ts';

const host = hostFacts({}, {});
const withWork = { ...host, paths: { ...host.paths, '/w': { real: '/w', type: 'directory' } } } as const;

function mounts(spec: object) {
  const result = containerMounts(execSpec(spec), withWork, imageFacts(DEBIAN));
  if (result.kind === 'refusal') {
    throw new Error(result.message);
  }
  const at = (target: string) => result.mounts.filter(mount => mount.target === target);
  return { ...result, at };
}

describe('--workdir', () => {
  it('keeps what --contain would lose', () => {
    const { at, hostDirectories } = mounts({ contain: true, workdir: '/w' });
    expect(at('/tmp')).toMatchObject([{ kind: 'bind', source: '/w/tmp' }]);
    expect(at('/var/tmp')).toMatchObject([{ kind: 'bind', source: '/w/var_tmp' }]);
    expect(at('/home/ada')).toMatchObject([{ kind: 'bind', source: '/w/home' }]);
    expect(hostDirectories).toEqual([
      { path: '/w/tmp', mode: 0o1777 },
      { path: '/w/var_tmp', mode: 0o1777 },
      { path: '/w/home', mode: 0o700 }
    ]);
  });

  it('changes nothing by itself', () => {
    const { at, hostDirectories } = mounts({ workdir: '/w' });
    expect(at('/tmp')).toMatchObject([{ source: '/tmp' }]);
    expect(hostDirectories).toEqual([]);
  });

  it('leaves another home alone', () => {
    const { at } = mounts({ contain: true, workdir: '/w', home: { source: '/home/ada/work', target: '/home/ada' } });
    expect(at('/home/ada')).toMatchObject([{ source: '/home/ada/work' }]);
  });

  it('is not looked at where nothing is kept in it', () => {
    expect(containerMounts(execSpec({ workdir: '/none' }), host, imageFacts(DEBIAN))).toMatchObject({ kind: 'mounts' });
  });

  it('has to exist', () => {
    const result = containerMounts(execSpec({ workdir: '/none', contain: true }), host, imageFacts(DEBIAN));
    expect(result).toMatchObject({ kind: 'refusal', code: 'not-found', reason: 'the host has no directory /none' });
  });

  it('reaches the plan', () => {
    const plan = planRun(execSpec({ contain: true, workdir: '/w' }), withWork, imageFacts(DEBIAN), {});
    expect(plan).toMatchObject({ kind: 'plan', hostDirectories: [{ path: '/w/tmp' }, {}, {}] });
    expect(planRun(execSpec(), host, imageFacts(DEBIAN), {})).not.toHaveProperty('hostDirectories');
  });
});

describe('--scratch', () => {
  it('is a tmpfs', () => {
    expect(mounts({ scratch: ['/s/'] }).at('/s')).toMatchObject([{ kind: 'tmpfs', options: 'mode=0755' }]);
  });

  it('is a directory in --workdir, made with those above it', () => {
    const { at, hostDirectories } = mounts({ scratch: ['/s/t', '/s/u'], workdir: '/w' });
    expect(at('/s/t')).toMatchObject([{ kind: 'bind', source: '/w/scratch/s/t' }]);
    expect(hostDirectories.map(({ path }) => path)).toEqual([
      '/w/scratch',
      '/w/scratch/s',
      '/w/scratch/s/t',
      '/w/scratch/s/u'
    ]);
  });
});

describe('the small ones', () => {
  it('--dns takes the place of the host’s resolv.conf', () => {
    expect(mounts({ dns: ['192.0.2.1', '192.0.2.2'] }).at('/etc/resolv.conf')).toMatchObject([
      { kind: 'content', content: 'nameserver 192.0.2.1\nnameserver 192.0.2.2\n' }
    ]);
    expect(mounts({}).at('/etc/resolv.conf')).toMatchObject([{ kind: 'bind' }]);
  });

  it('--net is answered with one warning', () => {
    expect(mounts({ network: true }).notes).toEqual([
      { level: 'warning', text: '--net has no effect: the network of the host is always shared' }
    ]);
  });
});

it('makes missing host directories with their mode, and leaves others', async () => {
  const base = await mkdtemp(join(tmpdir(), 'nbc-host-directories-'));
  try {
    const wanted = [
      { path: join(base, 'tmp'), mode: 0o1777 },
      { path: base, mode: 0o777 }
    ];
    makeHostDirectories(wanted);
    expect((await stat(join(base, 'tmp'))).mode & 0o7777).toBe(0o1777);
    expect((await stat(base)).mode & 0o7777).toBe(0o700);
    expect(() => makeHostDirectories([{ path: join(base, 'a', 'b'), mode: 0o755 }])).toThrow('cannot make');
  } finally {
    await rm(base, { recursive: true });
  }
});
