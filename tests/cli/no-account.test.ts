// SPDX-License-Identifier: BSD-3-Clause
/**
 * A uid that has no account, in an environment that holds nothing but PATH: a task of Nextflow in a pod of OpenShift.
 * Its shim was written where HOME, or NBCONTAINER_HOME, was still set.
 */
import { chown, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type IOutcome, type IWorkplace, MAIN, makeWorkplace, runProgram } from '../support/cli.ts';
import { testImages } from '../support/images.ts';

const UID = 1234567;

// Only root can become a uid that has no account.
describe.skipIf(process.geteuid?.() !== 0)('without an account', () => {
  let workplace: IWorkplace;
  let image: string;

  const asNobody = (words: readonly string[], env: readonly string[]): Promise<IOutcome> => {
    const identity = [`--reuid=${UID}`, `--regid=${UID}`, '--clear-groups'];
    const path = `PATH=${process.env.PATH ?? ''}`;
    return runProgram('setpriv', [...identity, 'env', '-', path, ...env, ...words], { cwd: workplace.cwd });
  };
  const cli = [process.execPath, '--', MAIN];

  beforeAll(async () => {
    workplace = await makeWorkplace();
    image = join(workplace.cwd, 'box.sif');
    const pulled = await workplace.nbcontainer(['-q', 'pull', image, `oci:${join(await testImages(), 'busybox')}`]);
    expect(pulled.status, pulled.stderr).toBe(0);
    for (const path of [workplace.directory, workplace.cwd, join(workplace.directory, 'home')]) {
      await mkdir(path, { recursive: true });
      await chown(path, UID, UID);
    }
  });
  afterAll(() => workplace.dispose());

  it('says what is missing', async () => {
    const result = await asNobody([...cli, 'exec', image, 'true'], []);
    expect(result.status).toBe(255);
    expect(result.stderr).toMatch(/^FATAL: {3}this user has no home directory: HOME is not set.*NBCONTAINER_HOME/m);
  });

  it.each(['HOME', 'NBCONTAINER_HOME', 'XDG_DATA_HOME'])(
    'starts with the shim that was written with %s',
    async name => {
      const [shim, store] = [join(workplace.directory, `shim-${name}`), join(workplace.directory, 'home', name)];
      const written = await asNobody([...cli, 'shim', '--dir', shim], [`${name}=${store}`]);
      expect(written.status, written.stderr).toBe(0);
      const result = await asNobody([join(shim, 'singularity'), '-s', 'exec', '--no-home', image, 'id', '-u'], []);
      expect(result).toMatchObject({ status: 0, stdout: `${UID}\n` });
      expect((await readdir(store, { recursive: true })).some(path => path.endsWith('refs'))).toBe(true);
    }
  );
});
