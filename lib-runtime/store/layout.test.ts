// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { blobName, checkKey, chooseTreesDirectory, localCandidates, remoteFileSystem, storeHome } from './layout.ts';
import { canonicalName } from './records.ts';
import { formatBytes } from './space.ts';

const [EXT4, NFS, LUSTRE, TMPFS] = [0xef53, 0x6969, 0x0bd00bd0, 0x01021994];

describe('layout', () => {
  it.each([
    [{ NBCONTAINER_HOME: '/big/store' }, '/big/store'],
    [{ NBCONTAINER_HOME: '', XDG_DATA_HOME: '/data' }, '/data/nbcontainer'],
    [{ XDG_DATA_HOME: 'relative' }, '/home/u/.local/share/nbcontainer'],
    [{}, '/home/u/.local/share/nbcontainer']
  ])('finds the home with %j', (env, home) => {
    expect(storeHome(env, () => '/home/u')).toBe(home);
  });

  it.each([
    ['local home', EXT4, [], '/h/trees', undefined],
    ['NFS home, local /tmp', NFS, [{ path: '/tmp/n', magic: EXT4, usable: true }], '/tmp/n/trees', 'NFS'],
    [
      'first candidate is remote too',
      LUSTRE,
      [
        { path: '/scratch/n', magic: LUSTRE, usable: true },
        { path: '/tmp/n', magic: TMPFS, usable: true }
      ],
      '/tmp/n/trees',
      'Lustre'
    ],
    ['a foreign directory in /tmp', NFS, [{ path: '/tmp/n', magic: EXT4, usable: false }], '/h/trees', 'no local disk']
  ])('puts trees: %s', (_name, magic, candidates, path, reason) => {
    const chosen = chooseTreesDirectory('/h', magic, candidates);
    expect(chosen.path).toBe(path);
    if (reason === undefined) {
      expect(chosen.reason).toBeUndefined();
    } else {
      expect(chosen.reason).toContain(reason);
    }
  });

  it('knows magics that arrive sign-extended', () => {
    expect(remoteFileSystem(0xff534d42 | 0)).toBe('CIFS');
    expect(remoteFileSystem(EXT4)).toBeUndefined();
  });

  it('lists node-local candidates of this user once each', () => {
    expect(localCandidates({ SLURM_TMPDIR: '/local/1', TMPDIR: '/tmp' }, 7)).toEqual([
      '/local/1/nbcontainer-7',
      '/tmp/nbcontainer-7',
      '/var/tmp/nbcontainer-7'
    ]);
  });

  it.each(['../x', '', 'sha256:abc', `sha256:${'A'.repeat(64)}`, `sha256:${'a'.repeat(64)}/..`])(
    'refuses %j as a digest',
    text => {
      expect(() => blobName(text)).toThrow('is not a digest');
    }
  );

  it.each(['../x', '', '.hidden', 'a/b', 'a\0b', 'x'.repeat(300)])('refuses %j as a key', text => {
    expect(() => checkKey(text)).toThrow('is not a key');
  });

  it.each([
    ['docker://alpine', 'docker://docker.io/library/alpine:latest'],
    ['docker://index.docker.io/library/alpine:latest', 'docker://docker.io/library/alpine:latest'],
    ['oras://ghcr.io/a/b', 'oras://ghcr.io/a/b:latest'],
    ['docker://Not A Reference', 'docker://Not A Reference'],
    ['/path/x.sif', '/path/x.sif'],
    ['https://host/x.sif', 'https://host/x.sif']
  ])('names %s canonically', (text, name) => {
    expect(canonicalName(text)).toBe(name);
  });

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1 kB'],
    [999_600, '1 MB'],
    [1_536_000_000, '1.54 GB']
  ])('writes %d as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
