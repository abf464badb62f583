// SPDX-License-Identifier: BSD-3-Clause
/** Who the command of a container is and what it may take, as a user calls it. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cgroupPlaces } from '../../lib-runtime/host/cgroup.ts';
import { type IWorkplace, MAIN, makeWorkplace, runProgram } from '../support/cli.ts';
import { testImages } from '../support/images.ts';

let workplace: IWorkplace;
beforeAll(async () => {
  workplace = await makeWorkplace();
  const layout = `oci:${join(await testImages(), 'busybox')}`;
  const pulled = await workplace.nbcontainer(['-q', 'pull', 'box.sif', layout]);
  expect(pulled.status, pulled.stderr).toBe(0);
}, 60_000);
afterAll(() => workplace.dispose());

const exec = (...words: string[]): ReturnType<IWorkplace['nbcontainer']> =>
  workplace.nbcontainer(['-q', 'exec', ...words]);
const score = (): string => readFileSync('/proc/self/oom_score_adj', 'utf8').trim();

describe('memory that runs out', () => {
  it('ends the container before its caller', async () => {
    const before = score();
    const inside = await exec(
      'box.sif',
      'sh',
      '-c',
      'cat /proc/self/oom_score_adj; sh -c "cat /proc/self/oom_score_adj"'
    );
    expect(inside.stdout, inside.stderr).toBe('800\n800\n');
    expect(Number(before)).toBeLessThan(800);
    expect(score()).toBe(before);
  });
});

describe.runIf(process.getuid?.() === 0)('--security', () => {
  it('runs the command as other numbers, which own what it writes', async () => {
    const words = ['--security', 'uid:1234,gid:1235:1236', '--contain', 'box.sif'];
    const result = await exec(...words, 'sh', '-c', 'id -u; id -g; id -G; echo > /tmp/mine; stat -c %u:%g /tmp/mine');
    expect(result.stdout, result.stderr).toBe('1234\n1235\n1235 1236\n1234:1235\n');
  });

  it('is refused where it would have no effect', async () => {
    const refused = await exec('--security', 'apparmor:docker-default', 'box.sif', 'true');
    expect(refused.status).toBe(255);
    expect(refused.stderr).toMatch(/--security apparmor cannot be honoured: nbcontainer sets no AppArmor profile/);
  });
});

/** A group of ours can be made here. */
const places = cgroupPlaces(readFileSync('/proc/self/cgroup', 'utf8'), readFileSync('/proc/self/mountinfo', 'utf8'));
const hasPids = process.getuid?.() === 0 && places.version === 1 && places.directories['pids'] !== undefined;

describe('--apply-cgroups', () => {
  it.runIf(hasPids)('limits by the file, and flags come first', async () => {
    const file = join(workplace.cwd, 'limits.toml');
    await writeFile(file, '[pids]\nlimit = 77\n');
    // Version 1: the group of the pids controller, as the host sees it.
    const script = 'while read line; do case $line in *:pids:*) echo ${line##*:};; esac; done < /proc/self/cgroup';
    const group = await exec('--apply-cgroups', 'limits.toml', 'box.sif', 'sh', '-c', script);
    expect(group.stdout, group.stderr).toMatch(/\/nbcontainer-\d+-[0-9a-f]{8}\n$/);
    const shown = await exec('--dry-run', '--json', '--apply-cgroups', 'limits.toml', 'box.sif', 'true');
    expect((JSON.parse(shown.stdout) as { limits: unknown }).limits).toEqual({ processes: 77 });
    const both = ['--dry-run', '--json', '--pids-limit', '9', '--apply-cgroups', 'limits.toml'];
    const flags = await exec(...both, 'box.sif', 'true');
    expect((JSON.parse(flags.stdout) as { limits: unknown }).limits).toEqual({ processes: 9 });
  });

  it('is refused before anything starts when a limit would be lost', async () => {
    await writeFile(join(workplace.cwd, 'more.toml'), '[memory]\nswappiness = 1\n');
    const refused = await exec('--apply-cgroups', 'more.toml', 'box.sif', 'echo', 'started');
    expect([refused.status, refused.stdout]).toEqual([255, '']);
    expect(refused.stderr).toContain('more.toml: memory.swappiness cannot be honoured');
  });
});

describe('several --env-file', () => {
  it('add up, the last one wins', async () => {
    await writeFile(join(workplace.cwd, 'one'), 'FIRST=1\nBOTH=1\n');
    await writeFile(join(workplace.cwd, 'two'), 'SECOND=2\nBOTH=2\n');
    const result = await exec(
      '--env-file',
      'one',
      '--env-file',
      'two',
      'box.sif',
      'sh',
      '-c',
      'echo $FIRST $SECOND $BOTH'
    );
    expect(result.stdout, result.stderr).toBe('1 2 2\n');
  });
});

describe('a word of Apptainer that is not honoured', () => {
  it.each([
    [['exec', '--sharens', 'box.sif', 'true'], '--sharens is not supported. Start an instance'],
    [['exec', '--network', 'none', 'box.sif', 'true'], '--network is not supported. Leave it out'],
    [['sign', 'box.sif'], 'sign is not supported. Signatures are neither made nor checked yet'],
    [['-c', 'file', 'exec', 'box.sif', 'true'], '--config is not supported. Leave it out']
  ])('%j says what to do instead, and nothing else', async (words, sentence) => {
    const result = await workplace.nbcontainer(words);
    expect([result.status, result.stdout]).toEqual([255, '']);
    expect(result.stderr.split('\n').length).toBe(2);
    expect(result.stderr).toContain(sentence);
  });

  it('is told from a word that nobody knows', async () => {
    const result = await workplace.nbcontainer(['exec', '--no-such', 'box.sif', 'true']);
    expect([result.status, result.stdout]).toEqual([1, '']);
    expect(result.stderr).toMatch(/^error: unknown option '--no-such'\n/);
  });
});

describe('a reader that has gone', () => {
  it.each(['images', '--help', 'help exec', 'completion bash', 'version'])(
    'ends %s as SIGPIPE would, without a word',
    async command => {
      // `true` is long gone when the first line is written.
      const words = ['-c', `"$0" "$1" ${command} | true; echo "\${PIPESTATUS[0]}"`, process.execPath, MAIN];
      expect(await runProgram('bash', words)).toMatchObject({ stdout: '141\n', stderr: '' });
    }
  );
});

describe('help', () => {
  it.each([
    ['exec', 'exec [options] <image> <command...>'],
    ['instance start', 'instance start [options] <image> <name> [arguments...]'],
    ['cache clean', 'cache clean [options]']
  ])('of %s is found by its words', async (words, usage) => {
    const help = await workplace.nbcontainer(['help', ...words.split(' ')]);
    expect([help.status, help.stderr]).toEqual([0, '']);
    expect(help.stdout).toContain(`Usage: nbcontainer ${usage}\n`);
    expect((await workplace.nbcontainer([...words.split(' '), '--help'])).stdout).toBe(help.stdout);
  });
});
