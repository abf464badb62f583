// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mountOf, parseConfinement, isChroot, parseMounts, surveyHost } from './survey.ts';

/** Lines of a Colab machine, of a cluster's node and of mount points that are hard to read. */
const MOUNTS = parseMounts(
  [
    '22 1 0:20 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a:/b,upperdir=/c',
    '23 22 0:21 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw',
    '24 22 8:1 / /home rw,nosuid shared:3 - nfs4 server:/export rw,vers=4.2',
    '25 22 0:22 / /content/drive rw,nosuid,nodev - fuse.drive drive rw',
    '26 22 0:23 / /mnt/with\\040space ro,noexec - tmpfs none rw',
    '27 22 0:24 / /tmp rw - ext4 /dev/sda1 rw',
    '28 22 0:25 / /tmp rw,noexec - tmpfs none rw,size=64k',
    'not a line of it'
  ].join('\n')
);

describe('mountOf', () => {
  it.each([
    ['/', 'overlay'],
    ['/usr/lib', 'overlay'],
    ['/home', 'nfs4'],
    ['/home/ada/.local', 'nfs4'],
    ['/homework', 'overlay'],
    ['/content/drive/MyDrive', 'fuse.drive'],
    ['/mnt/with space/x', 'tmpfs'],
    ['/tmp/x', 'tmpfs'] // the later mount covers the earlier
  ])('%s lies on %s', (path, type) => {
    expect(mountOf(path, MOUNTS)?.type).toBe(type);
  });

  it('knows the options', () => {
    expect(mountOf('/mnt/with space', MOUNTS)?.options).toEqual(['ro', 'noexec', 'rw']);
    expect(mountOf('/x', [])).toBeUndefined();
  });
});

describe('parseConfinement', () => {
  it.each([
    ['NoNewPrivs:\t0\nSeccomp:\t0\n', '', { noNewPrivileges: false, seccomp: 'none' }],
    [
      'NoNewPrivs:\t1\nSeccomp:\t2\n',
      'docker-default (enforce)\n',
      { noNewPrivileges: true, seccomp: 'filter', label: 'docker-default (enforce)' }
    ],
    ['Seccomp:\t1\n', 'unconfined\n', { noNewPrivileges: false, seccomp: 'strict' }],
    [
      '',
      'system_u:system_r:container_t:s0:c1,c2\0',
      { noNewPrivileges: false, seccomp: 'none', label: 'system_u:system_r:container_t:s0:c1,c2' }
    ],
    ['', 'kernel\0', { noNewPrivileges: false, seccomp: 'none' }]
  ])('%j and %j', (status, label, expected) => {
    expect(parseConfinement(status, label)).toEqual(expected);
  });
});

describe('surveyHost', () => {
  it('looks at this machine', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'nbc-survey-'));
    try {
      const survey = await surveyHost({ store: join(directory, 'not', 'there', 'yet'), proc: '/proc' });
      const [store, proc] = survey.places;
      expect(store).toMatchObject({ name: 'store', path: join(directory, 'not', 'there', 'yet') });
      expect(store?.totalBytes).toBeGreaterThanOrEqual(store?.freeBytes ?? Infinity);
      expect(store?.fileSystem).toMatch(/^[\w.]+$/);
      expect(proc?.fileSystem).toBe('proc');
      expect(survey.cores).toBeGreaterThan(0);
      expect(survey.memoryBytes).toBeGreaterThan(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('isChroot', () => {
  const table = (...points: string[]): ReturnType<typeof parseMounts> =>
    parseMounts(points.map((point, at) => `${at} 1 0:1 / ${point} rw - tmpfs none rw`).join('\n'));

  it('is told by the lack of a mount at /', () => {
    expect(isChroot(table('/', '/proc'))).toBe(false);
    expect(isChroot(table('/proc', '/usr'))).toBe(true);
    expect(isChroot([])).toBe(false);
  });
});
