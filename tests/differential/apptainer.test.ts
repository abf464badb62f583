// SPDX-License-Identifier: BSD-3-Clause
/**
 * nbcontainer and the real Apptainer 1.4.5 side by side, in the same root and with the same words; and each other's
 * SIFs. Part of `npm run test:all`: it downloads a Debian root once. With NBCONTAINER_RECORD=1 it writes Apptainer's
 * results to recorded.json, which recorded.test.ts compares ours with in every `npm test`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apptainerRoot } from '../../platforms/apptainer-root.ts';
import { REPOSITORY } from '../../platforms/build.ts';
import { standInsWork } from '../../platforms/standin.ts';
import { OS_NAMES, TEST_IMAGES } from '../support/images.ts';
import { CASES } from './cases.ts';
import { ERRORS } from './errors.ts';
import { COMMANDS, commandsOf, flagsOf, readWords } from './help.ts';
import { type IRecorded, RECORDED, readRecorded } from './recorded.ts';
import { SCRIPTS } from './scripts.ts';
import { type IDifferentialWorkplace, makeWorkplace, OURS } from './workplace.ts';

const enabled = process.env['NBCONTAINER_TEST_ALL'] === '1' && standInsWork();
const records = process.env['NBCONTAINER_RECORD'] === '1';

describe.runIf(enabled)('beside Apptainer 1.4.5', () => {
  let work: IDifferentialWorkplace;
  const seen: Record<string, IRecorded> = {};

  beforeAll(async () => {
    await apptainerRoot();
    work = await makeWorkplace({ apptainer: true });
  }, 300_000);
  afterAll(async () => {
    work?.dispose();
    if (records) {
      const sorted = Object.entries(seen).sort(([left], [right]) => (left < right ? -1 : 1));
      writeFileSync(RECORDED, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`);
    }
  });

  it.each(CASES)('does the same: $name', async test => {
    const theirs = await work.apptainer(test, '--silent');
    const ours = await work.nbcontainer(test, '--silent');
    const expected = { stdout: work.plain(theirs.stdout), status: theirs.status };
    const actual = { stdout: work.plain(ours.stdout), status: ours.status };
    expect(actual, `${ours.stderr}\n${theirs.stderr}`).toEqual(test.ours ?? expected);
    if (test.ours !== undefined) {
      // A difference that is none any more should lose its row.
      expect(expected).not.toEqual(test.ours);
    }
    seen[test.name] = expected;
    if (test.fast && !records) {
      expect(readRecorded()[test.name], 'run it with NBCONTAINER_RECORD=1').toEqual(expected);
    }
  });

  describe('one in the other', () => {
    // The root that has Apptainer is itself the image: it has all that both programs need.
    const root = join(REPOSITORY, '.cache', 'apptainer-root');
    const script = 'id -u; grep ^NAME /etc/os-release; exit 7';

    it.each([
      ['', '-u'],
      ['', '--fakeroot'],
      ['-u', '-u'],
      ['--fakeroot', '--fakeroot'],
      ['--pid --writable-tmpfs', '-u']
    ])('Apptainer runs in nbcontainer: outer %j, inner %j', async (outer, inner) => {
      const words = ['-q', 'exec', ...outer.split(' ').filter(Boolean), '--bind', work.scratch, root];
      const image = work.sif('theirs', 'debian');
      const { stdout, stderr, status } = await work.inside([
        ...[...OURS, ...words, 'apptainer', '-q', 'exec', inner, image, 'sh', '-c', script]
      ]);
      expect([stdout, status], stderr).toEqual([`0\n${OS_NAMES.debian}\n`, 7]);
    });

    it.each([
      ['-u', ''],
      ['-u', '-u'],
      ['--fakeroot', '--fakeroot'],
      ['-u --containall', '--containall --writable-tmpfs']
    ])('nbcontainer runs in Apptainer: outer %j, inner %j', async (outer, inner) => {
      const words = ['-q', 'exec', ...outer.split(' '), '-B', `${REPOSITORY},${work.scratch}`, root];
      const { stdout, stderr, status } = await work.inside([
        ...['apptainer', ...words, 'env', `NBCONTAINER_HOME=${join(work.scratch, 'nested')}`, ...OURS, '-q', 'exec'],
        ...[...inner.split(' ').filter(Boolean), work.sif('ours', 'debian'), 'sh', '-c', script]
      ]);
      expect([stdout, status], stderr).toEqual([`0\n${OS_NAMES.debian}\n`, 7]);
    });
  });

  it('has the commands and flags that are recorded', async () => {
    const help = async (name: string): Promise<string> =>
      (await work.inside(['apptainer', 'help', ...name.split(' ').filter(Boolean)])).stdout;
    expect(commandsOf(await help(''))).toEqual(readWords().commands);
    for (const name of COMMANDS) {
      expect([name, flagsOf(await help(name))]).toEqual([name, readWords().flags[name]]);
    }
  });

  it.each(ERRORS)('fails alike: $name', async test => {
    const theirs = await work.apptainer(test);
    const ours = await work.nbcontainer(test);
    expect(theirs.stderr + theirs.stdout).toMatch(test.says);
    expect(ours.stderr).toMatch(test.says);
    expect(ours.status, ours.stderr).toBe(theirs.status);
    expect(ours.stdout).toBe('');
    seen[`error: ${test.name}`] = { stdout: '', status: theirs.status };
    if (!records) {
      expect(readRecorded()[`error: ${test.name}`]?.status, 'run it with NBCONTAINER_RECORD=1').toBe(theirs.status);
    }
  });

  it.each(SCRIPTS)(
    'prints the same: $name',
    async ({ script }) => {
      const theirs = await work.script('theirs', script);
      const ours = await work.script('ours', script);
      const expected = { stdout: work.plain(theirs.stdout), status: theirs.status };
      const actual = { stdout: work.plain(ours.stdout), status: ours.status };
      expect(actual, `${ours.stderr}\n${theirs.stderr}`).toEqual(expected);
      // Up to seven starts of each program, on a machine that has other things to do.
    },
    240_000
  );

  describe.each(TEST_IMAGES)('SIFs of %s', image => {
    const command = image === 'hello-world' ? ['/hello'] : ['cat', '/etc/os-release'];
    const output = image === 'hello-world' ? 'Hello from a static program!\n' : `${OS_NAMES[image]}\n`;

    it('written by us: Apptainer runs and lists it, unsquashfs reads it', async () => {
      const run = await work.inside(['apptainer', '--silent', 'exec', '-u', work.sif('ours', image), ...command]);
      expect(run.stdout.startsWith(output), run.stderr).toBe(true);
      const list = await work.inside(['apptainer', 'sif', 'list', work.sif('ours', image)]);
      expect(list.stdout, list.stderr).toMatch(/\|FS \(Squashfs\/\*System\/amd64\)/);
      const partition = /^(\d+)\s+\|1.*\|FS \(Squashfs/m.exec(list.stdout)?.[1] ?? '';
      const script = `apptainer sif dump ${partition} ${work.sif('ours', image)} > /tmp/p && unsquashfs -d /tmp/tree /tmp/p >/tmp/log && ls /tmp/tree`;
      const tree = await work.inside(['sh', '-c', script]);
      expect(tree.status, tree.stderr).toBe(0);
      expect(tree.stdout.split('\n')).toContain(image === 'hello-world' ? 'hello' : 'etc');
    });

    it('written by Apptainer: ours runs it', async () => {
      const run = await work.inside([...OURS, '--silent', 'exec', work.sif('theirs', image), ...command]);
      expect(run.stdout.startsWith(output), run.stderr).toBe(true);
      expect(run.status).toBe(0);
    });
  });
});
