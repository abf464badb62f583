// SPDX-License-Identifier: BSD-3-Clause
/** The steps of a root without mounts, really performed: no namespace, no mount, a directory and chroot(2). */
import { lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Step } from './steps.ts';
import { type IBench, makeBench, makeBusyboxTree, PATH, tryLauncher } from './test-support.ts';

describe.runIf(process.getuid?.() === 0)('a root without mounts', () => {
  let bench: IBench;
  let number = 0;
  beforeAll(() => {
    bench = makeBench();
  });
  afterAll(() => rmSync(bench.base, { recursive: true, force: true }));

  const fresh = (): string => {
    number += 1;
    const tree = makeBusyboxTree(join(bench.base, `own-${number}`));
    mkdirSync(join(tree, 'dev'), { recursive: true });
    return tree;
  };
  const run = (tree: string, steps: readonly Step[], ...argv: string[]): ReturnType<typeof tryLauncher> =>
    tryLauncher(
      bench.launcher,
      [{ op: 'tree', directory: tree }, ...steps, { op: 'chroot', root: tree }, { op: 'chdir', candidates: ['/'] }],
      { argv, environment: PATH }
    );

  it('is a directory that was filled', async () => {
    const tree = fresh();
    const host = join(bench.base, 'hosts');
    writeFileSync(host, '192.0.2.1 here\n');
    const outside = join(bench.base, 'outside');
    writeFileSync(outside, 'kept');
    symlinkSync(outside, join(tree, 'etc', 'resolv.conf'));
    const steps: Step[] = [
      { op: 'write', path: '/etc/passwd', mode: 0o644, content: 'me:x:0:0::/:/bin/sh\n' },
      { op: 'write', path: '/etc/resolv.conf', mode: 0o640, content: 'nameserver 192.0.2.53\n' },
      { op: 'take', source: host, path: '/etc/hosts' },
      { op: 'mkdir', path: '/home/you', mode: 0o700 },
      { op: 'own', path: '/home/you', uid: 1234, gid: 1235 },
      { op: 'device', path: '/dev/null', mode: 0o666, major: 1, minor: 3 }
    ];
    const script = 'cat /etc/passwd /etc/resolv.conf /etc/hosts; echo gone > /dev/null; ls -d /proc/self 2>&1';
    const result = await run(tree, steps, 'sh', '-c', script);
    expect(result.records).toEqual([]);
    expect(result.stdout).toBe(
      'me:x:0:0::/:/bin/sh\nnameserver 192.0.2.53\n192.0.2.1 here\nls: /proc/self: No such file or directory\n'
    );
    // The symlink was replaced, not followed out of the root.
    expect(readFileSync(outside, 'utf8')).toBe('kept');
    expect(lstatSync(join(tree, 'home', 'you'))).toMatchObject({ uid: 1234, gid: 1235 });
    expect(lstatSync(join(tree, 'dev', 'null')).isCharacterDevice()).toBe(true);
  });

  it('goes on without a file of the host that cannot be taken, and says so', async () => {
    const tree = fresh();
    const steps: Step[] = [
      { op: 'take', source: join(bench.base, 'missing'), path: '/etc/hosts' },
      { op: 'take', source: '/dev/zero', path: '/etc/zero' },
      { op: 'take', source: bench.base, path: '/etc/directory' }
    ];
    const result = await run(tree, steps, 'ls', '/etc');
    expect(result.status).toBe(0);
    expect(result.stdout).not.toMatch(/hosts|zero|directory/);
    expect(result.records.map(record => [record.kind, record.errno])).toEqual([
      ['note', 'ENOENT'],
      ['note', 'EINVAL'],
      ['note', 'EINVAL']
    ]);
  });

  it('never writes through a symlink out of the root', async () => {
    const tree = fresh();
    const outside = join(bench.base, 'lure');
    mkdirSync(outside);
    symlinkSync(outside, join(tree, 'lure'));
    const result = await run(tree, [{ op: 'write', path: '/lure/file', mode: 0o644, content: 'x' }], 'true');
    expect(result.records[0]).toMatchObject({ kind: 'failed', errno: 'ENOENT' });
    expect(() => lstatSync(join(outside, 'file'))).toThrow('ENOENT');
  });

  const WRONG: readonly [string, (tree: string) => Step, string][] = [
    ['a directory in the place of a file', () => ({ op: 'write', path: '/etc', mode: 0o644, content: '' }), 'EISDIR'],
    ['nobody to give away', () => ({ op: 'own', path: '/nothing', uid: 1, gid: 1 }), 'ENOENT'],
    ['no such root', tree => ({ op: 'tree', directory: `${tree}-missing` }), 'ENOENT']
  ];
  it.each(WRONG)('fails with %s', async (_what, step, errno) => {
    const tree = fresh();
    const result = await run(tree, [step(tree)], 'true');
    expect(result.status).toBe(255);
    expect(result.records[0]).toMatchObject({ kind: 'failed', errno });
  });

  it('can be given up by the account that comes after', async () => {
    const result = await tryLauncher(
      bench.launcher,
      [
        { op: 'tree', directory: bench.tree },
        { op: 'chroot', root: bench.tree },
        { op: 'account', uid: 1234, gid: 1235, groups: [] },
        { op: 'chdir', candidates: ['/'] }
      ],
      { argv: ['id', '-u'], environment: PATH }
    );
    expect(result.stdout).toBe('1234\n');
  });
});
