// SPDX-License-Identifier: BSD-3-Clause
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { planOrThrow } from './start.ts';
import { execSpec, HELLO, hostFacts, imageFacts } from './testing.ts';

it('takes the tree that another start has made meanwhile, whatever is remembered of the image', () => {
  const directory = mkdtempSync(join(tmpdir(), 'nbcontainer-start-'));
  try {
    const plain = join(directory, 'plain');
    const image = imageFacts(HELLO, { unpacked: true, trees: { ...imageFacts(HELLO).trees, plain } });
    const host = hostFacts({}, { tools: { squashfuse_ll: '/usr/bin/squashfuse_ll' } });
    const rootfs = (): unknown => planOrThrow(execSpec(), host, image, {}).rootfs.kind;
    expect(rootfs()).toBe('mounted');
    mkdirSync(plain);
    expect(rootfs()).toBe('tree');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
