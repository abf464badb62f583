// SPDX-License-Identifier: BSD-3-Clause
/**
 * Command lines as the documentation of three projects gives them, unchanged but for the registry's address and made-up
 * data: fMRIPrep (nipreps), ColabFold (sokrypton) and DeepVariant (google). The image stands for theirs: its program
 * says what it was given and what it can see.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type IOutcome, type IWorkplace, makeWorkplace, runProgram } from '../support/cli.ts';
import { findBusybox } from '../support/images.ts';
import { writeOciLayout } from '../support/oci-layout.ts';
import { type ITestRegistry, startRegistry } from '../support/registry.ts';

const PROGRAM = `#!/bin/sh
printf '[%s]' "$\{0##*/}" "$@"
echo
for path in /data /work /cache /opt/templateflow /usr/lib/locale; do test -e $path/seen && echo "sees $path"; done
echo "MPLCONFIGDIR=$MPLCONFIGDIR TEMPLATEFLOW_HOME=$TEMPLATEFLOW_HOME HOST_ONLY=$HOST_ONLY"
test -w /work && echo written > /work/output.txt
exit 0
`;

let workplace: IWorkplace;
let registry: ITestRegistry;
let shim: string;

const bash = (script: string): Promise<IOutcome> =>
  runProgram('bash', ['-c', script], {
    cwd: workplace.cwd,
    env: { PATH: `${shim}:${process.env.PATH ?? ''}`, NBCONTAINER_HOME: workplace.home, SINGULARITY_NOHTTPS: '1' }
  });

beforeAll(async () => {
  workplace = await makeWorkplace();
  shim = join(workplace.directory, 'bin');
  expect((await workplace.nbcontainer(['shim', '--dir', shim])).status).toBe(0);
  const program = (name: string) => ({ name, content: PROGRAM, mode: 0o755 });
  const layout = join(workplace.directory, 'layout');
  await writeOciLayout(layout, {
    layers: [
      {
        entries: [
          { name: 'bin/busybox', content: await readFile(await findBusybox()), mode: 0o755 },
          { name: 'bin/sh', linkname: 'busybox' },
          program('opt/conda/bin/fmriprep'),
          program('usr/local/bin/colabfold_batch'),
          program('opt/deepvariant/bin/run_deepvariant'),
          ...['tmp', 'proc', 'sys', 'dev', 'etc', 'root', 'var/tmp', 'usr/lib/locale'].map(name => ({
            name,
            type: 'directory' as const
          }))
        ]
      }
    ],
    config: {
      Entrypoint: ['/opt/conda/bin/fmriprep'],
      Env: ['PATH=/usr/local/bin:/opt/conda/bin:/bin', 'MPLCONFIGDIR=/cache']
    }
  });
  registry = await startRegistry();
  for (const name of ['nipreps/fmriprep:24.1.1', 'sokrypton/colabfold:1.5.5-cuda12.2.2', 'google/deepvariant:1.6.1']) {
    await registry.push(layout, name);
  }
  for (const folder of ['data', 'out', 'cache', 'templateflow', 'locale']) {
    await mkdir(join(workplace.cwd, folder));
    await writeFile(join(workplace.cwd, folder, 'seen'), '');
  }
}, 120_000);
afterAll(async () => {
  await registry.stop();
  await workplace.dispose();
});

it('fMRIPrep: build, then run with --cleanenv, binds and a variable of Singularity', async () => {
  const result = await bash(`singularity build fmriprep-24.1.1.simg docker://${registry.host}/nipreps/fmriprep:24.1.1
export SINGULARITYENV_TEMPLATEFLOW_HOME=/opt/templateflow HOST_ONLY=1
singularity run --cleanenv -B $PWD/templateflow:/opt/templateflow -B $PWD/data:/data -B $PWD/out:/work fmriprep-24.1.1.simg \\
  /data /work participant --participant-label 01 --fs-license-file /work/license.txt -w /work`);
  expect(result.status, result.stderr).toBe(0);
  expect(result.stdout).toBe(
    '[fmriprep][/data][/work][participant][--participant-label][01][--fs-license-file][/work/license.txt][-w][/work]\n' +
      'sees /data\nsees /work\nsees /opt/templateflow\n' +
      'MPLCONFIGDIR=/cache TEMPLATEFLOW_HOME=/opt/templateflow HOST_ONLY=\n'
  );
  expect(await readFile(join(workplace.cwd, 'out', 'output.txt'), 'utf8')).toBe('written\n');
});

it('ColabFold: pull, then run --nv with a command and $(pwd) bound', async () => {
  const result = await bash(`singularity pull docker://${registry.host}/sokrypton/colabfold:1.5.5-cuda12.2.2
cd data && HOST_ONLY=1 singularity run --nv -B $PWD/../cache:/cache -B $(pwd):/work ../colabfold_1.5.5-cuda12.2.2.sif \\
  colabfold_batch /work/input.fasta /work/output`);
  expect(result.status, result.stderr).toBe(0);
  // The image's program gets the words, as Docker would do it and as Singularity's runscript does.
  expect(result.stdout).toBe(
    '[fmriprep][colabfold_batch][/work/input.fasta][/work/output]\nsees /work\nsees /cache\n' +
      'MPLCONFIGDIR=/cache TEMPLATEFLOW_HOME= HOST_ONLY=1\n'
  );
});

it('DeepVariant: straight from the registry, with the locale bound over the image’s', async () => {
  const result = await bash(`BIN_VERSION="1.6.1"
singularity exec -B $PWD/locale/:/usr/lib/locale/ docker://${registry.host}/google/deepvariant:"\${BIN_VERSION}" \\
  /opt/deepvariant/bin/run_deepvariant --model_type=WGS --ref="$PWD"/ucsc.hg19.chr20.unittest.fasta --num_shards=1`);
  expect(result.status, result.stderr).toBe(0);
  expect(result.stdout).toBe(
    `[run_deepvariant][--model_type=WGS][--ref=${workplace.cwd}/ucsc.hg19.chr20.unittest.fasta][--num_shards=1]\n` +
      'sees /usr/lib/locale\nMPLCONFIGDIR=/cache TEMPLATEFLOW_HOME= HOST_ONLY=\n'
  );
});
