// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isHeld, takeLock, tryLock, withLock } from './lock.ts';
import { currentPlace, formatOwner, ownerOf, ownerState, parseOwner, parseStat } from './owner.ts';

const MODULE = join(import.meta.dirname, 'lock.ts');
let directory: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nbc-lock-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));
let name: string;
let count = 0;
beforeEach(() => {
  name = `lock${count++}`;
});
afterEach(() => {
  children.splice(0).forEach(child => child.kill('SIGKILL'));
});

/** Runs a program in another process; resolves at its first line. */
async function start(program: string): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit']
  });
  children.push(child);
  const died = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the process ended: ${String(code)}`)));
  const lines = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
  const [line] = await Promise.race([lines, died]);
  died.catch(() => undefined);
  return { child, line };
}
const holder = () =>
  start(`import { takeLock } from ${JSON.stringify(MODULE)};
    await takeLock(${JSON.stringify(directory)}, ${JSON.stringify(name)});
    console.log('held'); setInterval(() => {}, 1000);`);

describe('locks between processes', () => {
  it('keeps out a second taker until the first gives back', async () => {
    const first = await takeLock(directory, name);
    const busy = await tryLock(directory, name);
    expect(busy).toMatchObject({ pid: process.pid });
    await first.release();
    const second = await tryLock(directory, name);
    expect(isHeld(second) && (await second.release(), true)).toBe(true);
    expect(await readdir(directory)).not.toContain(`${name}.lock`);
  });

  it('waits for a live holder, says so once, and goes on when it is killed', async () => {
    const { child } = await holder();
    const waits: number[] = [];
    const taken = takeLock(directory, name, { onWait: owner => waits.push(owner.pid) });
    await sleep(300);
    expect(waits).toEqual([child.pid]);
    child.kill('SIGKILL');
    await (await taken).release();
    expect(waits).toHaveLength(1);
  });

  it('is not held by a zombie', async () => {
    // The parent never waits for its child: sh execs into sleep and keeps the killed child as a zombie.
    const { child, line } = await start(
      `import { spawn } from 'node:child_process';
       const sh = spawn('sh', ['-c', 'sleep 100 & echo $!; exec sleep 100'], { stdio: ['ignore', 'pipe', 'inherit'] });
       process.on('SIGTERM', () => { sh.kill('SIGKILL'); process.exit(); });
       sh.stdout.on('data', d => console.log(String(d).trim()));`
    );
    const owner = ownerOf(Number(line));
    expect(owner).toBeDefined();
    process.kill(Number(line), 'SIGKILL');
    await sleep(100);
    expect(await readFile(`/proc/${line}/stat`, 'utf8')).toContain(' Z ');
    expect(owner && ownerState(owner)).toBe('dead');
    child.kill('SIGTERM');
    await once(child, 'exit');
  });

  it('is stale when a later process has the same id', async () => {
    const self = ownerOf();
    expect(self).toBeDefined();
    const impostor = formatOwner({
      pid: process.pid,
      startTime: `${Number(self?.startTime) - 1}`,
      place: currentPlace()
    });
    await mkdir(join(directory, `${name}.lock`));
    await writeFile(join(directory, `${name}.lock`, `${impostor}-abcdef`), '');
    expect(isHeld(await tryLock(directory, name))).toBe(true);
  });

  it('waits for a holder on another machine as long as it shows signs of life', async () => {
    const path = join(directory, `${name}.lock`, '1-1-000000000000-abcdef');
    await mkdir(join(directory, `${name}.lock`));
    await writeFile(path, '');
    let beats = 0;
    let last = 0;
    const heart = setInterval(() => {
      beats++;
      last = performance.now();
      const now = new Date();
      void utimes(path, now, now);
    }, 40);
    const taken = takeLock(directory, name, { silence: 300 }).then(lock => ({ lock, at: performance.now() }));
    await sleep(600);
    clearInterval(heart);
    const { lock, at } = await taken;
    expect(beats).toBeGreaterThan(5);
    expect(at - last).toBeGreaterThan(290);
    await lock.release();
  });

  it('ends a wait on abort', async () => {
    const held = await takeLock(directory, name);
    const abort = new AbortController();
    const waiting = takeLock(directory, name, { signal: abort.signal });
    setTimeout(() => abort.abort(), 30);
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    await held.release();
  });

  it('gives back after a failure', async () => {
    await expect(withLock(directory, name, () => Promise.reject(new Error('task')))).rejects.toThrow('task');
    expect(isHeld(await tryLock(directory, name))).toBe(true);
  });

  it('says why when the directory is missing', async () => {
    await expect(takeLock(join(directory, 'absent'), name)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('lets one process in at a time while holders are killed at random', { timeout: 60_000 }, async () => {
    // Each worker raises a number in a file by reading it, pausing and writing it: two at once would see each other's
    // step in between.
    const counter = join(directory, `${name}.txt`);
    await writeFile(counter, '0');
    const worker = `import { withLock } from ${JSON.stringify(MODULE)};
      import { readFileSync, writeFileSync, renameSync } from 'node:fs';
      console.log('up');
      for (;;) {
        await withLock(${JSON.stringify(directory)}, ${JSON.stringify(name)}, async () => {
          const { n, last } = JSON.parse(readFileSync(${JSON.stringify(counter)}, 'utf8') || '0') || { n: 0 };
          await new Promise(r => setTimeout(r, 1));
          const now = JSON.parse(readFileSync(${JSON.stringify(counter)}, 'utf8') || '0') || { n: 0 };
          if (now.n !== n || now.last !== last) { console.log('CLASH'); }
          writeFileSync(${JSON.stringify(counter)} + '.' + process.pid, JSON.stringify({ n: n + 1, last: process.pid }));
          renameSync(${JSON.stringify(counter)} + '.' + process.pid, ${JSON.stringify(counter)});
        });
      }`;
    let clashes = 0;
    const launch = async () => {
      const { child } = await start(worker);
      child.stdout?.on('data', (data: Buffer) => {
        clashes += String(data).includes('CLASH') ? 1 : 0;
      });
      return child;
    };
    const crew = await Promise.all([launch(), launch(), launch()]);
    for (let round = 0; round < 6; round++) {
      await sleep(40 + 15 * round);
      crew.shift()?.kill('SIGKILL');
      crew.push(await launch());
    }
    await sleep(200);
    crew.forEach(child => child.kill('SIGKILL'));
    expect(clashes).toBe(0);
    const { n } = JSON.parse(await readFile(counter, 'utf8')) as { n: number };
    expect(n).toBeGreaterThan(30);
    // Whoever was killed last is not in the way, as soon as it is really dead.
    await (await takeLock(directory, name, { signal: AbortSignal.timeout(10_000) })).release();
  });
});

describe('owners', () => {
  it('reads a command with spaces and parentheses', () => {
    const tail = ['S', ...Array.from({ length: 18 }, () => '0'), '4242', '1'].join(' ');
    expect(parseStat(`7 (a) (b c)) ${tail}`)).toEqual({ state: 'S', startTime: '4242' });
    expect(parseStat('')).toBeUndefined();
  });

  it('finds itself in names', () => {
    const self = ownerOf();
    expect(self && parseOwner(`.take-${formatOwner(self)}-0123ab`)).toEqual(self);
    expect(self && parseOwner(formatOwner(self))).toEqual(self);
    expect(parseOwner('layout')).toBeUndefined();
    expect(self && ownerState(self)).toBe('alive');
    expect(self && ownerState({ ...self, place: '000000000000' })).toBe('elsewhere');
  });
});
