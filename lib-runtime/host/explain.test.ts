// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { explainText } from './explain.ts';
import { KNOWN_ERRORS } from './known-errors.ts';

const ids = (text: string): string[] => explainText(text).map(({ known }) => known.id);

describe('the table of known errors', () => {
  it.each(KNOWN_ERRORS.map(known => [known.id, known] as const))('%s knows its own example', (id, known) => {
    expect(ids(known.example)).toEqual([id]);
    // Sentences end where they are shown.
    for (const text of [known.cause, known.advice, known.administrator ?? '']) {
      expect(text).not.toMatch(/[.\n]$/);
    }
    expect(known.pattern.flags).not.toMatch(/[gy]/); // test() would remember where it was
  });

  it('has no id twice', () => {
    expect(new Set(KNOWN_ERRORS.map(({ id }) => id)).size).toBe(KNOWN_ERRORS.length);
  });
});

describe('explainText', () => {
  it.each<[string, string[]]>([
    [
      'FATAL:   container creation failed: mount hook function failure: hook function for tag sessiondir returns error: while mounting /usr/local/var/apptainer/mnt/session/mountinfo to /proc/self/mountinfo: permission denied',
      ['procfs-mount-denied']
    ],
    [
      'FATAL: while applying CAP_SYS_CHROOT capabilities: CAP_SYS_CHROOT is not in the permitted capability set',
      ['capability-not-permitted']
    ],
    [
      "FATAL:   container creation failed: mount proc->/proc error: can't mount proc filesystem to /proc: operation not permitted",
      ['procfs-masked']
    ],
    ['docker: failed to mount proc filesystem: operation not permitted', ['procfs-masked']],
    [
      'ERROR  : Failed to create user namespace: user namespace requires to set /proc/sys/user/max_user_namespaces to 1',
      ['user-namespace-denied']
    ],
    [
      'ERROR  : Error while waiting event for user namespace mappings: no event received',
      ['user-namespace-apparmor-map']
    ],
    ['unshare: cannot change root filesystem propagation: Permission denied', ['mount-propagation-denied']],
    ['mount: /mnt: permission denied.', ['mount-denied-apparmor']],
    ['newuidmap: write to uid_map failed: Operation not permitted', ['gid-map-denied']],
    ['sudo: The "no new privileges" flag is set, which prevents sudo from running as root.', ['sudo-missing']],
    ['ImportError: libcuda.so.1: cannot open shared object file: No such file or directory', ['libcuda-not-found']],
    ['Unhandled exception. stream error: stream ID 37; PROTOCOL_ERROR; received from peer', ['stream-reset']],
    [
      'unsupported image-specific operation on artifact with type "application/vnd.sylabs.sif.layer.v1.sif"',
      ['wrong-transport']
    ],
    [
      '\u001b[31mFATAL:\u001b[0m   \u001b[1mFailed to set mount propagation: Permission denied\u001b[0m',
      ['mount-propagation-denied']
    ]
  ])('%s', (text, expected) => {
    expect(ids(text)).toEqual(expected);
  });

  it.each([
    '',
    'Hello',
    'Permission denied',
    'Killed',
    'cat: /etc/shadow: Permission denied',
    'No such file or directory'
  ])('knows nothing of %j', text => {
    expect(explainText(text)).toEqual([]);
  });

  it('finds each cause once in a log, in its order', () => {
    const log = [
      'INFO:    Converting SIF file to temporary sandbox...',
      'WARNING: underlay of /usr/bin/nvidia-smi required more than 50 (388) bind mounts',
      'INFO:    Converting SIF file to temporary sandbox...',
      'WARNING: Could not find any nv files on this host!'
    ];
    expect(ids(log.join('\r\n'))).toEqual(['sif-to-sandbox', 'underlay-bind-mounts', 'no-nv-files']);
    expect(explainText(log.join('\n'))[2]?.line).toBe(log[3]);
  });

  it('reads a message that was wrapped', () => {
    expect(ids('Error while waiting event for user namespace\n   mappings: no event received')).toEqual([
      'user-namespace-apparmor-map'
    ]);
  });

  it('takes a hostile paste in little time', () => {
    const started = performance.now();
    expect(explainText('mount '.repeat(200_000))).toEqual([]);
    expect(explainText(`${'mount proc to '.repeat(300)}\n`.repeat(20))).toEqual([]);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
