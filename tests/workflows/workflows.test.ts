// SPDX-License-Identifier: BSD-3-Clause
/**
 * Workflow managers through the shim, unchanged. Snakemake is the real one, from its package, in an environment of its
 * own (`npm run test:all` makes it). Nextflow is in nextflow.test.ts, for machines that have it; its container lines, as
 * it writes them, are tried everywhere.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REPOSITORY } from '../../platforms/build.ts';
import { type ISite, makeSite } from './site.ts';

const ALL = process.env.NBCONTAINER_TEST_ALL === '1';
const ENVIRONMENT = join(REPOSITORY, '.cache', 'workflows');
const SNAKEMAKE = 'snakemake==9.27.1';

let site: ISite;

beforeAll(async () => {
  site = await makeSite();
});
afterAll(async () => {
  await site.dispose();
});

describe('the lines that Nextflow writes', () => {
  /** A task's directory and what Nextflow's wrapper does with it (docs of nextflow: "Singularity", `.command.run`). */
  async function task(name: string, script: string): Promise<{ work: string; out: string }> {
    const work = await site.directory(name);
    await writeFile(join(work, '.command.sh'), `#!/bin/bash -ue\n${script}\n`, { mode: 0o755 });
    return { work, out: join(work, 'out.txt') };
  }

  const launch = (engine: string, work: string): string => {
    const prefix = engine === 'apptainer' ? 'APPTAINERENV' : 'SINGULARITYENV';
    const variables = ['TMP', 'TMPDIR'].map(name => `\${${name}:+${prefix}_${name}="$${name}"}`).join(' ');
    return (
      `cd ${work}; export NXF_TASK_WORKDIR=$PWD; set +u; env - PATH="$PATH" ${variables} ${prefix}_NXF_TASK_WORKDIR="$NXF_TASK_WORKDIR" ` +
      `${engine} exec --no-home --pid -B ${site.workplace.cwd} ${site.image} /bin/bash -c "cd $NXF_TASK_WORKDIR; /bin/bash -ue .command.sh"`
    );
  };

  it.each(['singularity', 'apptainer'])('a task under %s, with the environment emptied', async engine => {
    const { work, out } = await task(
      `task-${engine}`,
      'cat /etc/os-release > out.txt; echo "$PWD|$NXF_TASK_WORKDIR|$TMPDIR" >> out.txt'
    );
    const result = await site.bash(launch(engine, work), site.workplace.cwd, { TMPDIR: '/tmp' });
    expect(result.status, result.stderr).toBe(0);
    const said = await readFile(out, 'utf8');
    expect(said).toContain('NAME="Debian');
    expect(said).toContain(`${work}|${work}|/tmp`);
  });

  it('a task that fails has its own status', async () => {
    const { work } = await task('failing', 'exit 42');
    expect((await site.bash(launch('singularity', work), site.workplace.cwd)).status).toBe(42);
  });

  it('an image is pulled under a temporary name and moved', async () => {
    const cache = await site.directory('cache');
    const script = `singularity pull --no-https --name tools-debian-1.0.img.pulling.1763800000000 docker://${site.reference} > /dev/null &&
      mv tools-debian-1.0.img.pulling.1763800000000 tools-debian-1.0.img && singularity exec tools-debian-1.0.img true`;
    const result = await site.bash(script, cache);
    expect(result.status, result.stderr).toBe(0);
  });
});

describe.skipIf(!ALL)('Snakemake', () => {
  beforeAll(() => {
    if (!existsSync(join(ENVIRONMENT, 'bin', 'snakemake'))) {
      const make = [
        ['python3', '-m', 'venv', ENVIRONMENT],
        [join(ENVIRONMENT, 'bin', 'pip'), 'install', '-q', SNAKEMAKE]
      ];
      for (const [program = '', ...words] of make) {
        expect(spawnSync(program, words, { stdio: 'inherit' }).status).toBe(0);
      }
    }
  }, 300_000);

  it('rules with a container, a file and a reference', async () => {
    const work = await site.directory('snakemake');
    await writeFile(join(work, 'in.txt'), 'b\na\n');
    await symlink(site.image, join(work, 'image.sif'));
    await writeFile(
      join(work, 'Snakefile'),
      `rule all:
    input: "sorted.txt", "tools.txt"

rule sort:
    input: "in.txt"
    output: "sorted.txt"
    container: "image.sif"
    shell: "sort {input} > {output}; grep ^NAME /etc/os-release >> {output}"

rule pulled:
    output: "tools.txt"
    container: "docker://${site.reference}"
    shell: "id -un > {output}"
`
    );
    const result = await site.bash('snakemake --cores 1 --software-deployment-method apptainer', work, {
      PATH: `${join(ENVIRONMENT, 'bin')}:${site.shim}:${process.env.PATH ?? ''}`,
      APPTAINER_NOHTTPS: '1'
    });
    expect(result.status, result.stderr).toBe(0);
    expect(await readFile(join(work, 'sorted.txt'), 'utf8')).toMatch(/^a\nb\nNAME="Debian/);
    expect(await readFile(join(work, 'tools.txt'), 'utf8')).toBe('root\n');
  });
});
