// SPDX-License-Identifier: BSD-3-Clause
/**
 * `node bench/convert.ts [ROUNDS]`: docker:// from a registry on this machine to a SIF, ours (zstd, gzip) against
 * `apptainer pull` with its defaults: time, peak memory, peak disk. Root; needs the network once.
 *
 * It runs in a mount namespace of its own with a tmpfs for all that is written, so that the disk does not matter, its
 * use is known at once (statfs), and nothing is left behind.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { apptainerRoot } from '../platforms/apptainer-root.ts';
import { REPOSITORY } from '../platforms/build.ts';
import { standInCommand } from '../platforms/standin.ts';
import { startRegistry } from '../tests/support/registry.ts';
import { benchImage } from './image.ts';
import { compare, median, table } from './ratios.ts';
import { watch } from './watch.ts';
import type { IWatched } from './watch.ts';

const MARK = 'NBCONTAINER_BENCH_INSIDE';
const SCRATCH = '/mnt';

interface IContender {
  readonly name: string;
  /** `output` and `reference` are filled in. */
  command(output: string, reference: string): readonly string[];
  readonly lower?: string;
}

interface IRun extends IWatched {
  readonly size: number;
}

function ourCommand(): string[] {
  const bundle = join(REPOSITORY, 'nbcontainer', 'runtime', 'nbcontainer.cjs');
  return [process.execPath, existsSync(bundle) ? bundle : join(REPOSITORY, 'lib-runtime', 'cli', 'main.ts')];
}

async function contenders(): Promise<IContender[]> {
  const ours = ['zstd', 'gzip'].map(compression => ({
    name: `ours, ${compression}`,
    command: (output: string, reference: string) => [
      ...ourCommand(),
      ...['pull', '--no-https', '--progress', 'none', '--compression', compression, output, reference]
    ]
  }));
  const lower = await apptainerRoot();
  const theirs = {
    name: 'apptainer pull',
    command: (output: string, reference: string) => ['apptainer', '--quiet', 'pull', '--no-https', output, reference],
    lower
  };
  return [...ours, theirs];
}

/** One cold conversion: an empty store, an empty cache. */
async function convert(contender: IContender, reference: string): Promise<IRun> {
  const folder = join(SCRATCH, 'run');
  await mkdir(join(folder, 'tmp'), { recursive: true });
  try {
    const output = join(folder, 'out.sif');
    const line = await standInCommand('vm-root', contender.command(output, reference), {
      binds: [SCRATCH],
      cwd: '/',
      ...(contender.lower !== undefined && { lower: contender.lower }),
      environment: {
        NBCONTAINER_HOME: join(folder, 'store'),
        APPTAINER_CACHEDIR: join(folder, 'cache'),
        TMPDIR: join(folder, 'tmp')
      }
    });
    const watched = await watch(line, SCRATCH);
    if (watched.status !== 0) {
      throw new Error(`${contender.name} failed with status ${watched.status}: ${watched.stderr}`);
    }
    return { ...watched, size: (await stat(output)).size };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

/** DESIGN's goals for ours: 200 MB of memory; on disk no more than the compressed blobs and the SIF. */
const MEMORY_GOAL = 200e6;

async function blobBytes(layout: string): Promise<number> {
  const folder = join(layout, 'blobs', 'sha256');
  const sizes = await Promise.all((await readdir(folder)).map(async name => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** What ours miss of the goals, in words. */
function verdict(runs: readonly IRun[], blobs: number): string {
  const memory = Math.max(...runs.map(run => run.memory));
  const extra = Math.max(...runs.map(run => run.disk - run.size - blobs));
  // A hundredth for directories and journals.
  return [
    `memory <= ${mebibytes(MEMORY_GOAL)} MiB ${memory <= MEMORY_GOAL ? 'met' : 'MISSED'}`,
    `disk <= blobs (${mebibytes(blobs)} MiB) + SIF ${extra <= blobs / 100 ? 'met' : 'MISSED'}`
  ].join(', ');
}

function details(name: string, runs: readonly IRun[]): string {
  const most = (pick: (run: IRun) => number): string => mebibytes(Math.max(...runs.map(pick)));
  return [
    name.padEnd(16),
    `${(median(runs.map(run => run.milliseconds)) / 1000).toFixed(1)} s`.padStart(8),
    `${most(run => run.memory)} MiB memory`.padStart(18),
    `${most(run => run.disk)} MiB disk`.padStart(16),
    `SIF ${most(run => run.size)} MiB`.padStart(14)
  ].join('  ');
}

async function main(rounds: number): Promise<void> {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=75%', 'nbc-bench', SCRATCH]);
  const [list, layout, registry] = [await contenders(), await benchImage(), await startRegistry()];
  try {
    const reference = `docker://${await registry.push(layout, 'bench/image:1')}`;
    const runs = new Map<string, IRun[]>(list.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const contender of list) {
        runs.get(contender.name)?.push(await convert(contender, reference));
      }
    }
    const of = (name: string): IRun[] => runs.get(name) ?? [];
    console.log(
      table([
        compare('convert, zstd / apptainer', of('ours, zstd'), of('apptainer pull'), 0.1),
        compare('convert, gzip / apptainer', of('ours, gzip'), of('apptainer pull'), 0.2)
      ])
    );
    console.log('\nMedian time; peaks of memory, of disk (everything written, the SIF included) and size:');
    list.forEach(({ name }) => console.log(details(name, of(name))));
    console.log(`\nOurs, zstd: ${verdict(of('ours, zstd'), await blobBytes(layout))}`);
  } finally {
    await registry.stop();
  }
}

if (process.env[MARK] === undefined) {
  const words = ['-m', '--propagation', 'private', process.execPath, import.meta.filename, ...process.argv.slice(2)];
  const { status } = spawnSync('unshare', words, { stdio: 'inherit', env: { ...process.env, [MARK]: '1' } });
  process.exitCode = status ?? 1;
} else {
  await main(Number(process.argv[2] ?? 3));
}
