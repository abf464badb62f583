// SPDX-License-Identifier: BSD-3-Clause
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ContainerError } from '../../support/errors.ts';
import { knownCause, readText } from './explain.ts';

describe('knownCause', () => {
  const PROOT = {
    code: 'launch',
    step: 'launch: ptrace',
    message: 'PRoot (/usr/bin/proot) does not work on this machine',
    reason: 'proot error: ptrace(TRACEME): Operation not permitted',
    fix: 'See nbcontainer doctor for what this machine denies'
  } as const;

  it('adds what is known where our own advice is to see doctor', () => {
    expect(knownCause(new ContainerError(PROOT))).toEqual([
      expect.stringMatching(/^Known cause: tracing a process is denied .*\. PRoot cannot work then, /),
      expect.stringMatching(/^An administrator could change: sysctl kernel\.yama\.ptrace_scope=1/)
    ]);
  });

  it.each([
    ['better advice', { ...PROOT, fix: 'Ask Ada' }],
    ['nothing that is known', { ...PROOT, reason: 'it is Friday' }]
  ])('is silent with %s', (_case, details) => {
    expect(knownCause(new ContainerError(details))).toEqual([]);
  });
});

describe('readText', () => {
  it('reads text whose characters are cut apart', async () => {
    const bytes = Buffer.from('grün\n');
    expect(await readText(Readable.from([bytes.subarray(0, 3), bytes.subarray(3)]))).toBe('grün\n');
  });

  it('refuses what is too long', async () => {
    const endless = function* (): Generator<Buffer> {
      for (;;) {
        yield Buffer.alloc(1024 * 1024);
      }
    };
    await expect(readText(Readable.from(endless()))).rejects.toMatchObject({ code: 'usage' });
  });
});
