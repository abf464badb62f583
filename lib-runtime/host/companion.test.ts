// SPDX-License-Identifier: BSD-3-Clause
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { companionLibraries, findCompanion } from './companion.ts';

const site = mkdtempSync(join(tmpdir(), 'nbcontainer-site-'));
afterAll(() => {
  rmSync(site, { recursive: true, force: true });
});

describe('findCompanion', () => {
  const runtime = join(site, 'nbcontainer', 'runtime');
  const proot = join(site, 'nbcontainer_proot', 'bin', 'proot');

  it('finds an executable beside the package, and nothing else', () => {
    expect(findCompanion({}, runtime)).toBeUndefined();
    mkdirSync(join(proot, '..'), { recursive: true });
    writeFileSync(proot, '');
    chmodSync(proot, 0o644);
    expect(findCompanion({}, runtime)).toBeUndefined();
    chmodSync(proot, 0o755);
    expect(findCompanion({}, runtime)).toBe(proot);
  });

  it('takes the one that NBCONTAINER_PROOT names, or none', () => {
    expect(findCompanion({ NBCONTAINER_PROOT: proot }, '/elsewhere/runtime')).toBe(proot);
    expect(findCompanion({ NBCONTAINER_PROOT: join(site, 'missing') }, runtime)).toBeUndefined();
  });

  it('has libraries of its own, which PRoot of the system has not', () => {
    expect(companionLibraries(proot)).toBe(join(site, 'nbcontainer_proot', 'lib'));
    expect(companionLibraries('/usr/bin/proot')).toBeUndefined();
  });
});
