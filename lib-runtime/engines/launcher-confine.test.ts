// SPDX-License-Identifier: BSD-3-Clause
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { capabilityNames, capabilityNumbers } from '../host/capabilities.ts';
import { freshLauncher, IS_ROOT, temporaryDirectory } from './test-support.ts';

const DROPPED = capabilityNumbers(['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_SETUID']).join(',');

let launcher: string;
let scratch: string;
beforeAll(() => {
  launcher = freshLauncher();
  scratch = temporaryDirectory();
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

function confined(numbers: string, ...command: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(launcher, ['confine', numbers, ...command], { encoding: 'utf8' });
}

describe('confine', () => {
  it('passes arguments and the exit status', () => {
    const { status, stdout } = confined('1', '/bin/sh', '-c', 'printf "%s|" "$@"; exit 7', 'name', 'a b', '');
    expect([status, stdout]).toEqual([7, 'a b||']);
  });

  it.each(['', 'x', '1,', '1,,2', '64', '001', '1 2', '-1'])('refuses %j as capabilities', numbers => {
    const { status, stderr } = confined(numbers, '/bin/true');
    expect([status, stderr]).toEqual([255, 'nbcontainer-launcher: confine: capabilities: Invalid argument\n']);
  });

  it('says which program is missing', () => {
    const { status, stderr } = confined('1', '/no/such/program');
    expect([status, stderr]).toEqual([255, 'nbcontainer-launcher: /no/such/program: No such file or directory\n']);
  });

  it.runIf(IS_ROOT)('takes capabilities from every set, also of the programs that uid 0 starts', () => {
    const { stdout } = confined(DROPPED, '/bin/sh', '-c', 'sh -c "cat /proc/self/status"');
    expect(stdout).toMatch(/^NoNewPrivs:\t1$/m);
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      const names = capabilityNames(new RegExp(`^${set}:\\t(\\w+)$`, 'm').exec(stdout)?.[1] ?? 'ffffffffffffffff');
      expect(names, set).not.toEqual(expect.arrayContaining(['CAP_CHOWN']));
      expect(capabilityNumbers(names).filter(number => DROPPED.split(',').includes(String(number)))).toEqual([]);
    }
  });

  it.runIf(IS_ROOT)('holds where the bounding set may not be changed', () => {
    // Without CAP_SETPCAP (8) the second call cannot touch the bounding set: no_new_privs keeps exec from giving back.
    const { stdout, stderr } = confined('8', launcher, 'confine', DROPPED, '/bin/cat', '/proc/self/status');
    const mask = (set: string): string => new RegExp(`^${set}:\\t(\\w+)$`, 'm').exec(stdout)?.[1] ?? '';
    expect(capabilityNames(mask('CapBnd')), stderr).toContain('CAP_DAC_OVERRIDE');
    expect(capabilityNames(mask('CapPrm'))).toContain('CAP_KILL');
    expect(capabilityNames(mask('CapPrm'))).not.toContain('CAP_DAC_OVERRIDE');
    expect(capabilityNames(mask('CapEff'))).not.toContain('CAP_CHOWN');
  });

  it.runIf(IS_ROOT)("leaves root with no right to other users' files", () => {
    const directory = join(scratch, 'foreign');
    mkdirSync(directory);
    writeFileSync(join(directory, 'file'), 'kept');
    chmodSync(join(directory, 'file'), 0o644);
    chownSync(join(directory, 'file'), 65389, 0);
    chownSync(directory, 65389, 0);
    const script = 'echo x > file; chmod 666 file; chown 0:0 file; rm -f file; mv file other; touch new; cat file';
    const { stdout } = confined(DROPPED, '/bin/sh', '-c', `cd ${directory}; ${script}`);
    expect(stdout).toBe('kept');
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('kept');
  });
});

describe('attend', () => {
  it('becomes the program, which gets SIGQUIT when the caller is killed', async () => {
    const script = 'trap "echo quit; exit 3" QUIT; echo ready; while :; do sleep 0.05; done';
    // The caller is a shell between us and the launcher.
    const caller = spawn('/bin/sh', ['-c', `"$0" attend $$ /bin/sh -c '${script}'; :`, launcher], {
      stdio: ['ignore', 'pipe', 'inherit']
    });
    let said = '';
    const ended = new Promise<void>(resolve => caller.stdout.on('end', resolve));
    caller.stdout.on('data', (text: Buffer) => {
      said += text.toString();
      if (text.toString().includes('ready')) {
        caller.kill('SIGKILL');
      }
    });
    await ended;
    expect(said).toBe('ready\nquit\n');
  });

  it('does not start for a caller that has ended meanwhile', () => {
    const { status, stderr } = spawnSync(launcher, ['attend', '1', '/bin/true'], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([255, 'nbcontainer-launcher: attend: the caller has ended: No such process\n']);
  });
});
