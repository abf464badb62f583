// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { asContainerError, ContainerError, printable } from './errors.ts';

describe('ContainerError', () => {
  it('reads as one paragraph', () => {
    const error = new ContainerError({
      code: 'network',
      step: 'pull',
      message: 'cannot reach registry.test',
      errno: 'ENOTFOUND',
      reason: 'the name is unknown',
      fix: 'Check the spelling'
    });
    expect(error.toSentence()).toBe('cannot reach registry.test (ENOTFOUND): the name is unknown. Check the spelling.');
  });

  it('reads well without a reason', () => {
    const error = new ContainerError({
      code: 'corrupt',
      step: 'open',
      message: 'a.sif is empty',
      fix: 'Pull it again'
    });
    expect(error.toSentence()).toBe('a.sif is empty. Pull it again.');
  });

  it('escapes control characters of file names', () => {
    expect(printable('a\nb\u001b[31m')).toBe('a\\nb\\u001b[31m');
  });

  it('gives a full disk its own code and fix', () => {
    const error = asContainerError(Object.assign(new Error('x'), { code: 'ENOSPC' }), 'convert', 'cannot write a.sif');
    expect(error.code).toBe('no-space');
    expect(error.errno).toBe('ENOSPC');
    expect(error.fix).toContain('NBCONTAINER_HOME');
  });

  it('passes a ContainerError through unchanged', () => {
    const error = new ContainerError({ code: 'corrupt', step: 'read', message: 'bad' });
    expect(asContainerError(error, 'other', 'other')).toBe(error);
  });
});
