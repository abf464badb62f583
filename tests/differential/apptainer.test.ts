// SPDX-License-Identifier: BSD-3-Clause
/**
 * nbcontainer and the real Apptainer 1.4.5 side by side, in the same root and with the same words; and each other's
 * SIFs. Part of `npm run test:all`: it downloads a Debian root once.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apptainerRoot, runApptainer, runInApptainerRoot } from '../../platforms/apptainer-root.ts';
import { REPOSITORY } from '../../platforms/build.ts';
import { standInsWork } from '../../platforms/standin.ts';
import type { IStandInResult } from '../../platforms/standin.ts';
import { OS_NAMES, TEST_IMAGES, testImages } from '../support/images.ts';
import { CASES } from './cases.ts';
import type { ICase } from './cases.ts';

const enabled = process.env['NBCONTAINER_TEST_ALL'] === '1' && standInsWork();
const OURS = [process.execPath, '--', join(REPOSITORY, 'lib-runtime', 'cli', 'main.ts')];

describe.runIf(enabled)('beside Apptainer 1.4.5', () => {
  let scratch: string;
  const sif = (maker: 'ours' | 'theirs', image: string): string => join(scratch, `${maker}-${image}.sif`);
  const inside = (command: readonly string[], test: Partial<ICase> = {}): Promise<IStandInResult> =>
    runInApptainerRoot(command, {
      binds: [scratch],
      environment: { NBCONTAINER_HOME: join(scratch, 'store'), ...test.environment },
      cwd: test.cwd?.replace('@SCRATCH@', scratch) ?? '/',
      input: test.input ?? ''
    });
  const words = (test: ICase, maker: 'ours' | 'theirs'): string[] =>
    test.words.map(word =>
      word.replaceAll('@SCRATCH@', scratch).replaceAll('@IMAGE@', sif(maker, test.image ?? 'debian'))
    );
  /** `exec` becomes `exec -u`: root here lacks a capability that Apptainer wants without a user namespace. */
  const theirs = (test: ICase, maker: 'ours' | 'theirs'): string[] => {
    const [action = '', ...rest] = words(test, maker);
    return ['apptainer', '--silent', action, '-u', ...rest];
  };

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'nbc-differential-'));
    mkdirSync(join(scratch, 'home'));
    for (const name of ['work', 'changes', 'second/upper/usr', 'third/usr']) {
      mkdirSync(join(scratch, name), { recursive: true });
    }
    writeFileSync(join(scratch, 'second/upper/usr/mark'), 'second\n');
    writeFileSync(join(scratch, 'third/usr/mark'), 'third\n');
    writeFileSync(join(scratch, 'home', 'mark'), 'marked\n');
    await apptainerRoot();
    const layouts = await testImages();
    for (const image of TEST_IMAGES) {
      const layout = `oci:${join(layouts, image)}`;
      const built = await runApptainer(['build', sif('theirs', image), layout], { binds: [scratch] });
      expect(built.status, built.stderr).toBe(0);
      const pulled = await inside([...OURS, '-q', 'pull', sif('ours', image), layout]);
      expect(pulled.status, pulled.stderr).toBe(0);
    }
  }, 300_000);
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it.each(CASES)('does the same: $name', async test => {
    const expected = await inside(theirs(test, 'theirs'), test);
    const actual = await inside([...OURS, '--silent', ...words(test, 'ours')], test);
    const name = (text: string): string => text.replaceAll('theirs-', 'ours-');
    const wanted = test.ours ?? { stdout: name(expected.stdout), status: expected.status };
    expect({ stdout: actual.stdout, status: actual.status }, `${actual.stderr}\n${expected.stderr}`).toEqual(wanted);
    if (test.ours !== undefined) {
      // A difference that is none any more should lose its row.
      expect({ stdout: name(expected.stdout), status: expected.status }).not.toEqual(test.ours);
    }
  });

  describe.each(TEST_IMAGES)('SIFs of %s', image => {
    const command = image === 'hello-world' ? ['/hello'] : ['cat', '/etc/os-release'];
    const output = image === 'hello-world' ? 'Hello from a static program!\n' : `${OS_NAMES[image]}\n`;

    it('written by us: Apptainer runs and lists it, unsquashfs reads it', async () => {
      const run = await inside(['apptainer', '--silent', 'exec', '-u', sif('ours', image), ...command]);
      expect(run.stdout.startsWith(output), run.stderr).toBe(true);
      const list = await inside(['apptainer', 'sif', 'list', sif('ours', image)]);
      expect(list.stdout, list.stderr).toMatch(/\|FS \(Squashfs\/\*System\/amd64\)/);
      const partition = /^(\d+)\s+\|1.*\|FS \(Squashfs/m.exec(list.stdout)?.[1] ?? '';
      const script = `apptainer sif dump ${partition} ${sif('ours', image)} > /tmp/p && unsquashfs -d /tmp/tree /tmp/p >/tmp/log && ls /tmp/tree`;
      const tree = await inside(['sh', '-c', script]);
      expect(tree.status, tree.stderr).toBe(0);
      expect(tree.stdout.split('\n')).toContain(image === 'hello-world' ? 'hello' : 'etc');
    });

    it('written by Apptainer: ours runs it', async () => {
      const run = await inside([...OURS, '--silent', 'exec', sif('theirs', image), ...command]);
      expect(run.stdout.startsWith(output), run.stderr).toBe(true);
      expect(run.status).toBe(0);
    });
  });
});
