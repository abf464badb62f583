// SPDX-License-Identifier: BSD-3-Clause
/** The names that `nbcontainer shim` installs, as scripts and workflow managers use them. */
import { access, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type IOutcome, type IWorkplace, makeWorkplace, runProgram } from '../support/cli.ts';
import { testImages } from '../support/images.ts';

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false
  );

describe('nbcontainer shim', () => {
  let workplace: IWorkplace;
  let directory: string;
  let shell: (script: string, ...words: string[]) => Promise<IOutcome>;

  beforeAll(async () => {
    workplace = await makeWorkplace();
    // A name that a careless script would take apart.
    directory = join(workplace.directory, "it's a $HOME `shim` \\");
    const installed = await workplace.nbcontainer(['shim', '--dir', directory]);
    expect(installed.status, installed.stderr).toBe(0);
    const env = { NBCONTAINER_HOME: workplace.home };
    shell = (script, ...words) =>
      runProgram('sh', ['-c', `${installed.stdout}${script}`, 'sh', ...words], { cwd: workplace.cwd, env });
    const layout = `oci:${join(await testImages(), 'busybox')}`;
    const pulled = await shell('singularity -q pull box.sif "$1" && chmod +x box.sif', layout);
    expect(pulled.status, pulled.stderr).toBe(0);
  }, 60_000);
  afterAll(() => workplace.dispose());

  it.each(['apptainer --version', 'singularity --version'])('%s is what workflow managers parse', async words => {
    expect(await shell(words)).toMatchObject({ status: 0, stdout: 'apptainer version 1.4.5\n' });
  });

  it('answers `apptainer version`, too', async () => {
    expect((await shell('apptainer version')).stdout).toBe('1.4.5\n');
  });

  it('passes words, standard input and status on', async () => {
    const result = await shell(
      `printf in | apptainer -s exec box.sif sh -c 'cat; printf "|%s" "$@"; exit 7' sh "a b" '$HOME' "it's" '' '*'`
    );
    expect(result).toMatchObject({ status: 7, stdout: "in|a b|$HOME|it's||*" });
  });

  it('does not show inside that it was called so', async () => {
    const result = await shell('singularity -s exec box.sif env');
    expect(result.stdout).not.toContain('called-as');
    expect(result.status).toBe(0);
  });

  it('runs a SIF that is executable', async () => {
    const direct = await shell('./box.sif echo direct');
    expect(direct).toMatchObject({ status: 0, stdout: 'direct\n' });
    expect((await shell('singularity -q run box.sif echo direct')).stdout).toBe(direct.stdout);
  });

  it('overwrites its own scripts and nobody else’s', async () => {
    expect((await workplace.nbcontainer(['shim', '--dir', directory])).status).toBe(0);
    const other = join(workplace.directory, 'bin');
    await mkdir(other);
    await writeFile(join(other, 'singularity'), '#!/bin/sh\necho real\n');
    await chmod(join(other, 'singularity'), 0o755);
    const refused = await workplace.nbcontainer(['shim', '--dir', other]);
    expect(refused.status).toBe(255);
    expect(refused.stderr).toContain('is there already');
    expect(await readFile(join(other, 'singularity'), 'utf8')).toContain('echo real');
    expect((await runProgram('ls', [other])).stdout).toBe('singularity\n');
  });

  it('refuses a directory that PATH cannot hold', async () => {
    const refused = await workplace.nbcontainer(['shim', '--dir', join(workplace.directory, 'a:b')]);
    expect(refused).toMatchObject({ status: 255, stdout: '' });
  });

  it('says of a flag that is not honoured what to do, also where another follows', async () => {
    for (const words of ['--fusemount', '--fusemount --cleanenv', '--fusemount -e']) {
      const refused = await shell(`apptainer exec ${words} box.sif true`);
      expect(refused.status).toBe(255);
      expect(refused.stderr).toContain('Mount it on the host and bring it along with --bind');
    }
  });

  it('takes a task whose environment was emptied to the store, unless it names one', async () => {
    const exec = (variables: string) => shell(`env - PATH="$PATH" ${variables} singularity -s exec box.sif true`);
    const [home, other] = [join(workplace.directory, 'home'), join(workplace.directory, 'other')];
    expect((await exec(`HOME="${home}"`)).status).toBe(0);
    expect(await exists(join(home, '.local'))).toBe(false);
    expect((await exec(`NBCONTAINER_HOME="${other}"`)).status).toBe(0);
    expect(await exists(join(other, 'refs'))).toBe(true);
  });

  it('goes to the store by default', async () => {
    const result = await workplace.nbcontainer(['shim']);
    expect(result.stdout).toBe(`export PATH='${join(workplace.home, 'shim')}':"$PATH"\n`);
  });
});
