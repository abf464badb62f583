// SPDX-License-Identifier: BSD-3-Clause
/**
 * Nextflow itself through the shim, as its users write pipelines: where a `nextflow` that starts is on PATH (its
 * packages fetch the program from its own server, so most test machines have none). docs/shim.md says with which
 * versions this was seen.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IOutcome } from '../support/cli.ts';
import { type ISite, makeSite } from './site.ts';

const OFFLINE = {
  NXF_OFFLINE: 'true',
  NXF_PLUGINS_DEFAULT: 'false',
  NXF_DISABLE_CHECK_LATEST: 'true',
  NXF_ANSI_LOG: 'false'
};
const ALL = process.env.NBCONTAINER_TEST_ALL === '1';
const works =
  ALL &&
  spawnSync('nextflow', ['-version'], { timeout: 20_000, env: { ...process.env, ...OFFLINE }, stdio: 'ignore' })
    .status === 0;

const SORT_AND_COUNT = `
params.greeting = 'hello'
process SORT {
  publishDir 'results', mode: 'copy'
  input: path words
  output: path 'sorted.txt'
  script: "sort \${words} > sorted.txt; grep ^NAME /etc/os-release >> sorted.txt"
}
process COUNT {
  publishDir 'results', mode: 'copy'
  container 'SIF'
  containerOptions '--bind EXTRA:/opt/extra.txt --env "TWO=two words"'
  input: path sorted; val greeting
  output: path 'count.txt'
          stdout emit: said
  script: """
  wc -l < \${sorted} > count.txt
  cat /opt/extra.txt
  echo "\${greeting}|\\$TWO|\\$ALLOWED|\\\${HOST_ONLY:-unset}|\\$SINGULARITY_NAME|\\$PWD"
  from-bin
  """
}
process SHOUT {
  scratch true
  input: stdin
  output: stdout
  script: "tr a-z A-Z; pwd"
}
workflow {
  SORT(channel.fromPath(params.words))
  COUNT(SORT.out, params.greeting)
  COUNT.out.said.view()
  SHOUT(channel.of('small\\n')) | view
}
`;

/** What stands in a column of Nextflow's log for each of its processes. */
const withStatus = (outcome: IOutcome, status: string): string[] =>
  [...outcome.stdout.matchAll(new RegExp(`${status} process > (\\w+)`, 'g'))].map(match => match[1] ?? '').sort();

/** Command lines of processes that have the word as an argument of their own. */
async function processesWith(word: string): Promise<string[]> {
  const ids = (await readdir('/proc')).filter(name => /^\d+$/.test(name));
  const lines = await Promise.all(ids.map(id => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter(line => line.split('\0').includes(word));
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let left = 300; !(await condition()); left--) {
    if (left === 0) {
      throw new Error('it did not come to be within 30 s');
    }
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

describe.skipIf(!works)('Nextflow', { timeout: 120_000 }, () => {
  let site: ISite;
  const nextflow = (words: string, cwd: string): Promise<IOutcome> =>
    site.bash(`nextflow run ${words}`, cwd, { ...OFFLINE, ALLOWED: 'allowed here', HOST_ONLY: 'no' });

  /** A pipeline that consists of one process. */
  async function pipeline(name: string, body: string, config = ''): Promise<string> {
    const work = await site.directory(name);
    await writeFile(join(work, 'main.nf'), `process ONE {\n${body}\n}\nworkflow { ONE() }\n`);
    await writeFile(
      join(work, 'nextflow.config'),
      `singularity.enabled = true\nprocess.container = '${site.image}'\n${config}\n`
    );
    return work;
  }

  /** The file in the directory of the only task of a pipeline. */
  async function ofTask(work: string, file: string): Promise<string> {
    const found = (await readdir(join(work, 'work'), { recursive: true })).filter(path => path.endsWith(file));
    expect(found).toHaveLength(1);
    return readFile(join(work, 'work', found[0] ?? ''), 'utf8');
  }

  beforeAll(async () => {
    site = await makeSite();
  });
  afterAll(async () => {
    await site.dispose();
  });

  it.each(['singularity', 'apptainer'])('runs processes in a pipe under %s, and resumes', async engine => {
    const work = await site.directory(engine);
    await mkdir(join(work, 'bin'));
    await writeFile(join(work, 'bin', 'from-bin'), '#!/bin/bash\necho "from the bin of the project"\n');
    await chmod(join(work, 'bin', 'from-bin'), 0o755);
    await mkdir(join(work, 'the data'));
    await writeFile(join(work, 'the data', 'my words.txt'), 'b\nc\na\n');
    await writeFile(join(work, 'extra.txt'), 'extra\n');
    const script = SORT_AND_COUNT.replace('SIF', site.image).replace('EXTRA', join(work, 'extra.txt'));
    await writeFile(join(work, 'main.nf'), script);
    await writeFile(
      join(work, 'nextflow.config'),
      `params.words = "$projectDir/the data/my words.txt"
process.container = 'docker://${site.reference}'
${engine} { enabled = true; autoMounts = true; noHttps = true; cacheDir = "$projectDir/cache"; envWhitelist = ['ALLOWED'] }
`
    );
    const first = await nextflow('main.nf --greeting moin', work);
    expect(first.status, first.stdout + first.stderr).toBe(0);
    expect(withStatus(first, 'Submitted')).toEqual(['COUNT', 'SHOUT', 'SORT']);
    expect(first.stdout).toContain('extra\n');
    expect(first.stdout).toMatch(/^moin\|two words\|allowed here\|unset\|debian\.sif\|.*\/work\/..\/.{30}$/m);
    expect(first.stdout).toContain('from the bin of the project');
    expect(first.stdout).toMatch(/^SMALL\n\S*\/nxf\.\w+$/m);
    expect(await readFile(join(work, 'results', 'sorted.txt'), 'utf8')).toBe('a\nb\nc\nNAME="Debian for tests"\n');
    expect(await readFile(join(work, 'results', 'count.txt'), 'utf8')).toBe('4\n');
    // The pulled image under the name that Nextflow gives it, and nothing half-done beside it.
    expect(await readdir(join(work, 'cache'))).toEqual([`${site.reference.replaceAll(/[:/]/g, '-')}.img`]);

    const second = await nextflow('main.nf --greeting moin -resume', work);
    expect(second.status, second.stdout + second.stderr).toBe(0);
    expect(withStatus(second, 'Cached')).toEqual(['COUNT', 'SHOUT', 'SORT']);
    expect(second.stdout).not.toMatch(/Pulling|Submitted/);
    expect(second.stdout).toContain('moin|two words|');
  });

  it('tells the status and the output of a process that fails', async () => {
    const work = await pipeline('failing', 'script: "echo to out; echo to err >&2; exit 3"');
    const result = await nextflow('main.nf', work);
    expect(result.status).toBe(1);
    expect(result.stdout).toContain('Process `ONE` terminated with an error exit status (3)');
    expect(result.stdout).toMatch(/Command exit status:\s+3\n/);
    expect(await ofTask(work, '.exitcode')).toBe('3');
    expect(await ofTask(work, '.command.out')).toBe('to out\n');
    expect(await ofTask(work, '.command.err')).toContain('to err\n');
  });

  it('sees 137 of a process that was killed, and tries again', async () => {
    const work = await pipeline(
      'killed',
      `errorStrategy { task.exitStatus == 137 ? 'retry' : 'terminate' }
  maxRetries 1
  debug true
  script: "[ \${task.attempt} = 2 ] || kill -9 \\$\\$; echo attempt \${task.attempt}"`
    );
    const result = await nextflow('main.nf', work);
    expect(result.status, result.stdout + result.stderr).toBe(0);
    expect(result.stdout).toContain('attempt 2');
    expect(result.stdout).toContain('terminated with an error exit status (137) -- Execution is retried (1)');
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('leaves no process behind when %s ends it', async signal => {
    // An argument that no other process has.
    const seconds = `${signal === 'SIGINT' ? 3600 : 7200}.${process.pid}`;
    const work = await pipeline(`ended-by-${signal}`, `script: "sleep ${seconds}"`);
    const running = async (): Promise<boolean> => (await processesWith(seconds)).length > 0;
    const env = { ...process.env, ...OFFLINE, NBCONTAINER_HOME: site.workplace.home };
    const child = spawn('nextflow', ['run', 'main.nf'], {
      cwd: work,
      env: { ...env, PATH: `${site.shim}:${process.env.PATH ?? ''}` },
      stdio: 'ignore'
    });
    const ended = new Promise<number | null>(resolve => child.once('exit', resolve));
    try {
      await until(running);
      child.kill(signal);
      expect(await ended).not.toBe(0);
      await until(async () => !(await running()));
    } finally {
      child.kill('SIGKILL');
    }
    expect(await ofTask(work, '.exitcode')).toBe('143');
  });

  it('hands on what is wrong with an image', async () => {
    const work = await pipeline('nowhere', `container '/nowhere/tools.sif'\n  script: "true"`);
    const result = await nextflow('main.nf', work);
    expect(result.status).toBe(1);
    expect(result.stdout).toContain('terminated with an error exit status (255)');
    expect(result.stdout).toContain('FATAL:   cannot open /nowhere/tools.sif (ENOENT)');

    const repository = site.reference.replace('/tools/debian:1.0', '/tools/none:1.0');
    const other = await pipeline(
      'unknown',
      `container 'docker://${repository}'\n  script: "true"`,
      'singularity.noHttps = true'
    );
    const pull = await nextflow('main.nf', other);
    expect(pull.status).toBe(1);
    expect(pull.stdout).toMatch(/Failed to pull singularity image[\s\S]*FATAL: {3}there is no .*none:1\.0/);
    expect(await readdir(join(other, 'work', 'singularity'))).toEqual([]);
  });
});
