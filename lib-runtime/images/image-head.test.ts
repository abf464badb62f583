// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { kindOfHead, squashfsOffset } from './image-head.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const LAUNCH = '#!/usr/bin/env run-singularity\n';

describe('the first bytes of a file', () => {
  it.each([
    ['a SIF', `${LAUNCH}\0SIF_MAGIC\x0001\0`, 'sif'],
    ['a squashfs file', `hsqs${'\0'.repeat(92)}`, 'squashfs'],
    ['an image of Singularity 2', `${LAUNCH}\0hsqs${'\0'.repeat(60)}`, 'squashfs'],
    ['a launch line and nothing', LAUNCH, 'text'],
    ['a squashfs directly behind the line', `${LAUNCH}hsqs\0\0`, 'other'],
    ['HTML', '<!DOCTYPE html><html>', 'web page'],
    ['HTML after a byte order mark', '\u00ef\u00bb\u00bf\r\n <HTML lang="en">', 'web page'],
    ['XML', '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', 'web page'],
    ['a git-lfs pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', 'text'],
    ['a gzip file', '\x1f\x8b\x08\0', 'other'],
    ['nothing', '', 'empty']
  ])('%s', (_name, text, kind) => {
    expect(kindOfHead(bytes(text))).toBe(kind);
  });

  it('say where a squashfs begins', () => {
    expect(squashfsOffset(bytes('hsqs'))).toBe(0);
    expect(squashfsOffset(bytes(`${LAUNCH}\0hsqs`))).toBe(32);
    expect(squashfsOffset(bytes('#!/bin/sh\nhsqs'))).toBeUndefined();
  });
});
