// SPDX-License-Identifier: BSD-3-Clause
/**
 * `node bench/start.ts [ROUNDS]`: how long `true` takes in a container: the launcher against bubblewrap, the command
 * line against Apptainer (`exec -u`, as on any cluster), the unpacked tree of an image against a plain directory on a
 * machine with neither loop devices nor FUSE helpers. Root; needs the network once (platforms/apptainer-root.ts).
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePlan } from '../lib-runtime/engines/protocol.ts';
import { launcherPath } from '../lib-runtime/host/launcher-path.ts';
import type { INamespacesPlan } from '../lib-runtime/run/plan-types.ts';
import { apptainerRoot, runApptainer, runInApptainerRoot } from '../platforms/apptainer-root.ts';
import { REPOSITORY } from '../platforms/build.ts';
import { runOnStandIn } from '../platforms/standin.ts';
import type { IStandInResult } from '../platforms/standin.ts';
import { testImages } from '../tests/support/images.ts';
import { compare, table } from './ratios.ts';
import type { IComparison, ISample } from './ratios.ts';
import { timeCases } from './timer.ts';

/** What users run: the bundle; the sources when it was not built. */
function commandLine(): string[] {
  const bundle = join(REPOSITORY, 'nbcontainer', 'runtime', 'nbcontainer.cjs');
  return [process.execPath, existsSync(bundle) ? bundle : join(REPOSITORY, 'lib-runtime', 'cli', 'main.ts')];
}

function checked(result: IStandInResult, what: string): IStandInResult {
  if (result.status !== 0) {
    throw new Error(`${what} failed with status ${result.status}: ${result.stderr}`);
  }
  return result;
}

/**
 * The launcher's own binds, for bubblewrap: about as much work, so that the comparison is fair. What the launcher makes
 * on the way (/etc/passwd of the container) is left out, in bubblewrap's favour.
 */
function bubblewrap(tree: string, plan: INamespacesPlan): string[] {
  const stage = plan.steps.flatMap(({ step }) => (step.op === 'stage' ? [step.stage] : []))[0] ?? '/nowhere';
  const words: string[] = ['bwrap', '--ro-bind', tree, '/'];
  for (const { step } of plan.steps) {
    if (
      step.op === 'bind' &&
      step.target !== '/' &&
      !step.source.startsWith(stage) &&
      existsSync(join(tree, step.target))
    ) {
      words.push('--dev-bind', step.source, step.target);
    } else if (step.op === 'tmpfs' && existsSync(join(tree, step.target))) {
      words.push('--tmpfs', step.target);
    }
  }
  return [...words, '/bin/true'];
}

interface IWorkplace {
  readonly scratch: string;
  readonly tree: string;
  readonly sif: string;
  readonly theirs: string;
  readonly environment: Record<string, string>;
}

async function prepare(scratch: string): Promise<IWorkplace> {
  const layout = join(await testImages(), 'debian');
  const environment = { NBCONTAINER_HOME: join(scratch, 'store') };
  const [tree, sif, theirs] = ['tree', 'ours.sif', 'theirs.sif'].map(name => join(scratch, name)) as [
    string,
    string,
    string
  ];
  const options = { binds: [scratch], environment };
  checked(await runApptainer(['build', '--sandbox', tree, `oci:${layout}`], options), 'apptainer build');
  checked(await runApptainer(['build', theirs, tree], options), 'apptainer build');
  checked(await runOnStandIn('vm-root', [...commandLine(), 'pull', sif, `oci:${layout}`], options), 'nbcontainer pull');
  return { scratch, tree, sif, theirs, environment };
}

async function withLauncher(place: IWorkplace, rounds: number): Promise<IComparison[]> {
  const { scratch, tree, sif, theirs, environment } = place;
  const options = { binds: [scratch], environment };
  const dryRun = [...commandLine(), 'exec', '--dry-run', '--json', tree, '/bin/true'];
  const { stdout } = checked(await runInApptainerRoot(dryRun, options), 'the plan');
  const plan = JSON.parse(stdout) as INamespacesPlan;
  const planFile = join(scratch, 'plan');
  await writeFile(planFile, encodePlan(plan.steps, plan.execution));
  const run = (command: readonly string[], input: string) => runInApptainerRoot(command, { ...options, input });

  const short = await timeCases(
    [
      { name: 'launcher', command: [launcherPath(), 'run', '3', '4'], plan: planFile },
      { name: 'bwrap', command: bubblewrap(tree, plan) },
      { name: 'bwrap, root only', command: ['bwrap', '--ro-bind', tree, '/', '/bin/true'] }
    ],
    rounds * 5,
    run
  );
  const long = await timeCases(
    [
      { name: 'ours sif', command: [...commandLine(), 'exec', sif, '/bin/true'] },
      { name: 'apptainer sif', command: ['apptainer', 'exec', '-u', theirs, '/bin/true'] },
      { name: 'ours directory', command: [...commandLine(), 'exec', tree, '/bin/true'] },
      { name: 'apptainer directory', command: ['apptainer', 'exec', '-u', tree, '/bin/true'] },
      { name: 'probe', command: [launcherPath(), 'probe'] },
      { name: 'node', command: [process.execPath, '-e', '0'] }
    ],
    rounds,
    run
  );
  return [
    compare('launcher / bwrap, same binds', of(short, 'launcher'), of(short, 'bwrap'), 1),
    compare('launcher / bwrap, root only', of(short, 'launcher'), of(short, 'bwrap, root only')),
    compare('CLI cold, SIF / apptainer exec -u', of(long, 'ours sif'), of(long, 'apptainer sif'), 0.6),
    compare(
      'CLI cold, directory / apptainer exec -u',
      of(long, 'ours directory'),
      of(long, 'apptainer directory'),
      0.6
    ),
    compare('CLI cold, SIF / node -e 0', of(long, 'ours sif'), of(long, 'node')),
    compare('probe of the machine / node -e 0', of(long, 'probe'), of(long, 'node'))
  ];
}

function of(samples: ReadonlyMap<string, ISample[]>, name: string): ISample[] {
  return samples.get(name) ?? [];
}

/** Colab has no loop devices and no squashfuse: the image is unpacked once, and started in place. */
async function withoutFuse(place: IWorkplace, rounds: number): Promise<IComparison> {
  const options = { binds: [place.scratch], environment: place.environment };
  checked(await runOnStandIn('colab', [...commandLine(), 'exec', place.sif, '/bin/true'], options), 'the first start');
  const samples = await timeCases(
    [
      { name: 'tree', command: [...commandLine(), 'exec', place.sif, '/bin/true'] },
      { name: 'directory', command: [...commandLine(), 'exec', place.tree, '/bin/true'] }
    ],
    rounds,
    (command, input) => runOnStandIn('colab', command, { ...options, input })
  );
  return compare('2nd start, no FUSE / directory', of(samples, 'tree'), of(samples, 'directory'), 1.1);
}

const rounds = Number(process.argv[2] ?? 20);
const scratch = await mkdtemp(join(tmpdir(), 'nbc-bench-'));
try {
  await apptainerRoot();
  const place = await prepare(scratch);
  console.log(table([...(await withLauncher(place, rounds)), await withoutFuse(place, rounds)]));
} finally {
  await rm(scratch, { recursive: true, force: true });
}
