// SPDX-License-Identifier: BSD-3-Clause
/** exec, run, shell: ask the user, the host and the image; plan; launch. */
import { readFile } from 'node:fs/promises';
import type { IHostFacts } from '../../host/facts.ts';
import { gatherHostFacts } from '../../host/gather.ts';
import { gatherImageFacts } from '../../images/facts.ts';
import { openImage } from '../../images/open.ts';
import { copyImage, ensureTree } from '../../images/unpack.ts';
import { TEST_SCRIPT } from '../../run/command.ts';
import { formatPlan } from '../../run/dry-run.ts';
import { readEnvFile } from '../../run/env-file.ts';
import { hasFile } from '../../run/image-tree.ts';
import { hostPaths, imagePaths } from '../../run/paths.ts';
import type { IRunSpec } from '../../run/spec.ts';
import { planOrThrow, start } from '../../run/start.ts';
import { formatBytes } from '../../store/space.ts';
import { openStore } from '../../store/store.ts';
import { asContainerError } from '../../support/errors.ts';
import { type IActionValues, runSpec } from '../action-options.ts';
import { plainHttp } from '../flag-variables.ts';
import { chooseGpus, type IGpuChoice, type IGpuValues } from '../gpu-choice.ts';
import { debug, info, print, warn } from '../output.ts';
import { parseProgressMode, progressView } from '../progress.ts';

interface IValues extends IActionValues, IGpuValues {
  /** `--no-https`; commander keeps the positive name. */
  readonly https?: boolean;
  readonly progress: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Runs one container and returns its exit status (128 + signal number when a signal ended it). */
export async function actionCommand(
  action: IRunSpec['action'],
  imageName: string,
  words: readonly string[],
  values: IValues
): Promise<number> {
  const environment = process.env;
  const asked = runSpec(action, words, values, environment, await envFile(values, environment));
  const gpus = await chooseGpus(asked, values, environment);
  const { spec } = gpus;
  gpus.notes.forEach(note => info(note));
  const cwd = process.cwd();
  const view = await progressView(parseProgressMode(values.progress));
  try {
    const openedStore = openStore();
    // The host and the image know nothing of each other: both are asked at once.
    const [store, image, host] = await Promise.all([
      openedStore,
      openedStore.then(store =>
        openImage(imageName, { store, plainHttp: plainHttp(values.https, process.env), onProgress: view.listener })
      ),
      gatherHostFacts({ env: environment, cwd, paths: hostPaths(spec, environment, cwd), ...drivers(gpus) })
    ]);
    const facts = await gatherImageFacts(image, { store, pathsOfInterest: imagePaths(spec, host) });
    if (action === 'test' && spec.app === undefined && !hasFile(facts.tree, TEST_SCRIPT)) {
      info('No test script was found in the image');
      return 0;
    }
    if (values.dryRun) {
      const plan = planOrThrow(spec, host, facts, environment);
      print(values.json ? JSON.stringify(plan, null, 2) : formatPlan(plan));
      return 0;
    }
    const { status } = await start(spec, host, facts, environment, {
      say: note => (note.level === 'warning' ? warn : info)(note.text),
      ensureTree: async treeView => {
        info('Unpacking the image once; later starts use the same tree');
        await ensureTree(facts, treeView, { store, onProgress: view.listener });
        view.stop();
      },
      copyImage: async treeView => {
        const copy = await copyImage(facts, treeView, { store, onProgress: view.listener });
        view.stop();
        info(`The writable copy of the image takes ${formatBytes(copy.bytes)} until the end`);
        copy.notes.forEach(warn);
        return copy;
      },
      onNote: debug
    });
    return status;
  } finally {
    view.stop();
  }
}

function drivers({ gpu, rocm }: IGpuChoice): Pick<IHostFacts, 'gpu' | 'rocm'> {
  return { ...(gpu !== undefined && { gpu }), ...(rocm !== undefined && { rocm }) };
}

async function envFile(
  values: IActionValues,
  environment: Readonly<Record<string, string | undefined>>
): Promise<Record<string, string>> {
  const path = values.envFile ?? environment['APPTAINER_ENV_FILE'] ?? environment['SINGULARITY_ENV_FILE'];
  if (path === undefined) {
    return {};
  }
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw asContainerError(error, 'command line', `cannot read the environment file ${path}`);
  });
  return readEnvFile(text, path, environment);
}
