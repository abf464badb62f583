// SPDX-License-Identifier: BSD-3-Clause
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { currentPlace, formatOwner, type IOwner, ownerOf } from '../support/owner.ts';
import { makeScratch, recordTracer } from './scratch.ts';

describe('makeScratch', () => {
  let parent: string;
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'nbc-scratch-'));
  });
  afterEach(() => {
    rmSync(parent, { recursive: true });
  });

  /** A process id that was in use a moment ago. */
  function dead(): IOwner {
    const { pid } = spawnSync('true');
    return { pid, startTime: '1', place: currentPlace() };
  }

  function left(name: string): string {
    const path = join(parent, name);
    mkdirSync(path);
    writeFileSync(join(path, 'file-0'), 'x');
    return path;
  }

  it('is private, and goes', async () => {
    const scratch = await makeScratch(parent);
    expect(statSync(scratch.path).mode & 0o777).toBe(0o700);
    await scratch.dispose();
    expect(existsSync(scratch.path)).toBe(false);
  });

  it('sweeps what a killed run left, and nothing else', async () => {
    const self = ownerOf();
    const gone = left(`nbcontainer-${formatOwner(dead())}-0123456789ab`);
    const kept = [
      left(`nbcontainer-${self === undefined ? '' : formatOwner(self)}-0123456789ab`), // alive
      left(`nbcontainer-${formatOwner({ ...dead(), place: '0'.repeat(12) })}-0123456789ab`), // another pid namespace
      left(`other-${formatOwner(dead())}-0123456789ab`),
      left('nbcontainer-1000') // the runtime directory
    ];
    await makeScratch(parent);
    expect(existsSync(gone)).toBe(false);
    expect(kept.filter(path => !existsSync(path))).toEqual([]);
  });

  it('sweeps the files of a PRoot that was killed, not those of one that runs', async () => {
    const tracer = dead().pid;
    const [gone, running] = [tracer, process.pid].map(pid => {
      const path = left(`nbcontainer-${formatOwner(dead())}-${String(pid).padStart(12, '0')}`);
      recordTracer(path, pid);
      const file = `/tmp/prooted-${pid}-abcDEF`;
      writeFileSync(file, '');
      return file;
    });
    try {
      await makeScratch(parent);
      expect([gone, running].map(file => existsSync(file ?? ''))).toEqual([false, true]);
    } finally {
      rmSync(running ?? '', { force: true });
    }
  });

  it('leaves what a container still uses whose starter was killed', async () => {
    const used = left(`nbcontainer-${formatOwner(dead())}-0123456789ab`);
    const user = spawn('sh', ['-c', 'echo ready; read line', 'sh', `-b ${used}/file-0:/etc/passwd`]);
    try {
      await new Promise(resolve => user.stdout.once('data', resolve));
      await makeScratch(parent);
      expect(existsSync(used)).toBe(true);
    } finally {
      user.kill();
      await new Promise(resolve => user.once('close', resolve));
    }
    await makeScratch(parent);
    expect(existsSync(used)).toBe(false);
  });
});
