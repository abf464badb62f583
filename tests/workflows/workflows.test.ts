// SPDX-License-Identifier: BSD-3-Clause
/**
 * Workflow managers through the shim, unchanged. Snakemake is the real one, from its package, in an environment of its
 * own (`npm run test:all` makes it). Nextflow's package fetches the program itself from a place that a test machine may
 * not reach: where `nextflow` runs, it is used; its container lines, as it writes them, are tried everywhere.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REPOSITORY } from '../../platforms/build.ts';
import { type IOutcome, type IWorkplace, makeWorkplace, runProgram } from '../support/cli.ts';
import { testImages } from '../support/images.ts';
import { type ITestRegistry, startRegistry } from '../support/registry.ts';

const ALL = process.env.NBCONTAINER_TEST_ALL === '1';
const ENVIRONMENT = join(REPOSITORY, '.cache', 'workflows');
const SNAKEMAKE = 'snakemake==9.27.1';

let workplace: IWorkplace;
let registry: ITestRegistry;
let reference: string;
let shim: string;
let image: string;

/** As a batch job would be started: bash, the shim on PATH, nothing else of ours. */
const bash = (script: string, cwd: string, env: Record<string, string> = {}): Promise<IOutcome> =>
  runProgram('bash', ['-c', script], {
    cwd,
    env: { PATH: `${shim}:${process.env.PATH ?? ''}`, NBCONTAINER_HOME: workplace.home, ...env }
  });

async function directory(name: string): Promise<string> {
  const path = join(workplace.cwd, name);
  await mkdir(path);
  return path;
}

beforeAll(async () => {
  workplace = await makeWorkplace();
  shim = join(workplace.directory, 'bin');
  expect((await workplace.nbcontainer(['shim', '--dir', shim])).status).toBe(0);
  registry = await startRegistry();
  // Merged Debian with bash: workflow managers ask for bash and nothing else.
  reference = await registry.push(join(await testImages(), 'debian'), 'tools/debian:1.0');
  image = join(workplace.directory, 'debian.sif');
  const pulled = await bash(`apptainer -s pull --no-https "${image}" "docker://${reference}"`, workplace.cwd);
  expect(pulled.status, pulled.stderr).toBe(0);
}, 120_000);
afterAll(async () => {
  await registry.stop();
  await workplace.dispose();
});

describe('the lines that Nextflow writes', () => {
  /** A task's directory and what Nextflow's wrapper does with it (docs of nextflow: "Singularity", `.command.run`). */
  async function task(name: string, script: string): Promise<{ work: string; out: string }> {
    const work = await directory(name);
    await writeFile(join(work, '.command.sh'), `#!/bin/bash -ue\n${script}\n`, { mode: 0o755 });
    return { work, out: join(work, 'out.txt') };
  }

  const launch = (engine: string, work: string): string => {
    const prefix = engine === 'apptainer' ? 'APPTAINERENV' : 'SINGULARITYENV';
    const variables = ['TMP', 'TMPDIR'].map(name => `\${${name}:+${prefix}_${name}="$${name}"}`).join(' ');
    return (
      `cd ${work}; export NXF_TASK_WORKDIR=$PWD; set +u; env - PATH="$PATH" ${variables} ${prefix}_NXF_TASK_WORKDIR="$NXF_TASK_WORKDIR" ` +
      `${engine} exec --no-home --pid -B ${workplace.cwd} ${image} /bin/bash -c "cd $NXF_TASK_WORKDIR; /bin/bash -ue .command.sh"`
    );
  };

  it.each(['singularity', 'apptainer'])('a task under %s, with the environment emptied', async engine => {
    const { work, out } = await task(
      `task-${engine}`,
      'cat /etc/os-release > out.txt; echo "$PWD|$NXF_TASK_WORKDIR|$TMPDIR" >> out.txt'
    );
    const result = await bash(launch(engine, work), workplace.cwd, { TMPDIR: '/tmp' });
    expect(result.status, result.stderr).toBe(0);
    const said = await readFile(out, 'utf8');
    expect(said).toContain('NAME="Debian');
    expect(said).toContain(`${work}|${work}|/tmp`);
  });

  it('a task that fails has its own status', async () => {
    const { work } = await task('failing', 'exit 42');
    expect((await bash(launch('singularity', work), workplace.cwd)).status).toBe(42);
  });

  it('an image is pulled under a temporary name and moved', async () => {
    const cache = await directory('cache');
    const script = `singularity pull --no-https --name tools-debian-1.0.img.pulling.1763800000000 docker://${reference} > /dev/null &&
      mv tools-debian-1.0.img.pulling.1763800000000 tools-debian-1.0.img && singularity exec tools-debian-1.0.img true`;
    const result = await bash(script, cache);
    expect(result.status, result.stderr).toBe(0);
  });

  const works = ALL && spawnSync('nextflow', ['-version'], { timeout: 20_000 }).status === 0;
  it.skipIf(!works)('a process, when Nextflow itself is there', async () => {
    const work = await directory('nextflow');
    await writeFile(
      join(work, 'main.nf'),
      `process HELLO {
  container '${image}'
  output: path 'out.txt'
  script: "cat /etc/os-release > out.txt"
}
workflow { HELLO() | view { it.text } }
`
    );
    const result = await bash('nextflow run main.nf -with-singularity', work);
    expect(result.status, result.stderr).toBe(0);
    expect(result.stdout).toContain('NAME="Debian');
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
    const work = await directory('snakemake');
    await writeFile(join(work, 'in.txt'), 'b\na\n');
    await symlink(image, join(work, 'image.sif'));
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
    container: "docker://${reference}"
    shell: "id -un > {output}"
`
    );
    const result = await bash('snakemake --cores 1 --software-deployment-method apptainer', work, {
      PATH: `${join(ENVIRONMENT, 'bin')}:${shim}:${process.env.PATH ?? ''}`,
      APPTAINER_NOHTTPS: '1'
    });
    expect(result.status, result.stderr).toBe(0);
    expect(await readFile(join(work, 'sorted.txt'), 'utf8')).toMatch(/^a\nb\nNAME="Debian/);
    expect(await readFile(join(work, 'tools.txt'), 'utf8')).toBe('root\n');
  });
});
