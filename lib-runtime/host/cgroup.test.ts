// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cgroupPlaces, makeCgroup, ownCgroupPlaces, preferAsVictim } from './cgroup.ts';

const V1 = [
  '30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw',
  '31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
  '32 30 0:28 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct'
].join('\n');
const V2 = '30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate';

describe('cgroupPlaces', () => {
  it.each([
    ['nothing mounted', '0::/a\n', '', { version: 1, directories: {} }],
    ['version 2', '0::/user.slice/a\n', V2, { version: 2, directories: { '': '/sys/fs/cgroup/user.slice/a' } }],
    ['version 2 in a cgroup namespace', '0::/\n', V2, { version: 2, directories: { '': '/sys/fs/cgroup' } }],
    [
      'version 1',
      '4:memory:/a/b\n1:cpu,cpuacct:/docker/abc/x\n0::/\n',
      `${V1}\n${V2}`,
      {
        version: 1,
        directories: {
          memory: '/sys/fs/cgroup/memory/a/b',
          cpu: '/sys/fs/cgroup/cpu,cpuacct/x',
          cpuacct: '/sys/fs/cgroup/cpu,cpuacct/x'
        }
      }
    ]
  ])('%s', (_, groups, mounts, expected) => {
    expect(cgroupPlaces(groups, mounts)).toEqual(expected);
  });
});

describe('makeCgroup', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'nbc-cgroup-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const memory = { controller: 'memory', file: 'memory.limit_in_bytes', value: '1000' };

  it('leaves nothing behind when a value is refused', () => {
    // A directory that is no cgroup has no cgroup.controllers.
    expect(() => makeCgroup([memory], { version: 2, directories: { '': directory } })).toThrow(
      expect.objectContaining({
        code: 'refused',
        errno: 'ENOENT',
        message: expect.stringContaining('cannot use cgroups')
      })
    );
    expect(readdirSync(directory)).toEqual([]);
  });

  it('names the controller that there is not', () => {
    expect(() => makeCgroup([memory], { version: 1, directories: { cpu: directory } })).toThrow(
      expect.objectContaining({ reason: 'there is no memory controller' })
    );
  });

  it('writes values and processes', () => {
    mkdirSync(join(directory, 'memory'));
    const group = makeCgroup([memory], { version: 1, directories: { memory: join(directory, 'memory') } });
    const [name = ''] = readdirSync(join(directory, 'memory'));
    expect(readFileSync(join(directory, 'memory', name, 'memory.limit_in_bytes'), 'utf8')).toBe('1000');
    group.add(17);
    expect(readFileSync(join(directory, 'memory', name, 'cgroup.procs'), 'utf8')).toBe('17');
  });

  const places = ownCgroupPlaces();
  const pids = places.directories[places.version === 2 ? '' : 'pids'] ?? '';
  it.runIf(places.version === 1 && mayMake(pids))('limits real processes, and is gone after them', async () => {
    const group = makeCgroup([{ controller: 'pids', file: 'pids.max', value: '1' }], places);
    const child = spawn('sh', ['-c', 'read line; (:) && echo forked'], { stdio: ['pipe', 'pipe', 'ignore'] });
    group.add(child.pid ?? 0);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stdin.end('\n');
    const status = await new Promise(resolve => child.once('close', resolve));
    expect([status === 0, output]).toEqual([false, '']);
    await group.dispose();
    expect(readdirSync(pids).filter(name => name.startsWith(`nbcontainer-${process.pid}-`))).toEqual([]);
  });
});

describe('preferAsVictim', () => {
  it('raises the mark, and lowers none', () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    const file = `/proc/${child.pid}/oom_score_adj`;
    try {
      preferAsVictim(child.pid ?? 0);
      expect(readFileSync(file, 'utf8')).toBe('800\n');
      writeFileSync(file, '900');
      preferAsVictim(child.pid ?? 0);
      expect(readFileSync(file, 'utf8')).toBe('900\n');
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('does nothing to a process that has ended', () => {
    expect(() => preferAsVictim(2 ** 22 + 1)).not.toThrow();
  });
});

function mayMake(parent: string): boolean {
  const probe = join(parent, `nbcontainer-probe-${process.pid}`);
  if (parent === '') {
    return false;
  }
  try {
    mkdirSync(probe);
    const made = existsSync(join(probe, 'pids.max'));
    rmdirSync(probe);
    return made;
  } catch {
    return false;
  }
}
