// SPDX-License-Identifier: BSD-3-Clause
/** What every start of a container needs: the wishes, the host, the image; and what a launch asks for. */
import { readFile } from 'node:fs/promises';
import type { IHostFacts } from '../../host/facts.ts';
import { gatherHostFacts } from '../../host/gather.ts';
import type { IImageFacts } from '../../images/image.ts';
import type { IFetchRequest } from '../../images/pull.ts';
import { recallImage } from '../../images/known-images.ts';
import { hostPaths, imagePaths } from '../../run/paths.ts';
import type { IRunSpec } from '../../run/spec.ts';
import type { IStartRequest } from '../../run/start.ts';
import { storeHome } from '../../store/layout.ts';
import type { Store } from '../../store/store.ts';
import { asContainerError } from '../../support/errors.ts';
import { requireHome } from '../../support/home.ts';
import { type IActionValues, runSpec } from '../action-options.ts';
import type { ICredentialValues } from '../credentials.ts';
import { isTrue, lookUp, plainHttp } from '../flag-variables.ts';
import { chooseGpus, type IGpuChoice, type IGpuValues } from '../gpu-choice.ts';
import { debug, formatBytes, info, warn } from '../output.ts';
import { withLimitsFile } from '../limits-file.ts';
import { withOverlayImages } from '../overlay-images.ts';
import { parseProgressMode, progressView } from '../progress.ts';
import { isNews } from '../said.ts';

export interface IStartValues extends IActionValues, IGpuValues, ICredentialValues {
  /** `--no-https`; commander keeps the positive name. */
  readonly https?: boolean;
  readonly progress: string;
}

export interface IPrepared {
  readonly spec: IRunSpec;
  readonly host: IHostFacts;
  readonly facts: IImageFacts;
  /** Opened when it is asked for: most starts need nothing of it. */
  readonly store: () => Promise<Store>;
}

type View = ReturnType<typeof progressView>;

export const openView = (values: Pick<IStartValues, 'progress'>): View =>
  progressView(parseProgressMode(values.progress));

/** The wishes of a command line, and the graphics cards that they mean. */
export async function wishes(
  action: IRunSpec['action'],
  words: readonly string[],
  values: IStartValues
): Promise<IGpuChoice> {
  const { env } = process;
  const asked = runSpec(action, words, values, env, await envFile(values, env));
  const spec = await withLimitsFile(asked, values.applyCgroups, env);
  const gpus = await chooseGpus(await withOverlayImages(spec), values, env);
  gpus.notes.forEach(note => info(note));
  return gpus;
}

/** The same for an instance: it has a namespace for process ids unless that is refused, as Apptainer's. */
export async function instanceWishes(
  action: 'start' | 'run',
  name: string,
  words: readonly string[],
  values: IStartValues
): Promise<IGpuChoice> {
  const asked = await wishes(action, words, values);
  const noPid = values.noPid ?? isTrue(lookUp(process.env, ['NO_PID']), 'NO_PID');
  return { ...asked, spec: { ...asked.spec, pid: !noPid, instance: { name, keeps: true } } };
}

/** Asks the host, then the image, unless an earlier start did and nothing has changed. */
export async function prepare(
  { spec, gpu, rocm }: IGpuChoice,
  imageName: string,
  values: Pick<IStartValues, 'https' | 'authfile' | 'dockerLogin'>,
  view: View
): Promise<IPrepared> {
  const cwd = process.cwd();
  const { env } = process;
  const drivers = { ...(gpu !== undefined && { gpu }), ...(rocm !== undefined && { rocm }) };
  const identities = spec.as !== undefined || spec.fakeroot || spec.security !== undefined;
  const host = await gatherHostFacts({ env, cwd, paths: hostPaths(spec, env, cwd), identities, ...drivers });
  const { runtimeDirectory } = host;
  const question = { text: imageName, cwd, env, runtimeDirectory, pathsOfInterest: imagePaths(spec, host) };
  const known = recallImage(question);
  if (known !== undefined) {
    return { spec, host, facts: known, store: async () => (await import('../../store/store.ts')).openStore() };
  }
  const { readImage } = await import('./read-image.ts');
  const request = {
    plainHttp: plainHttp(values.https, env),
    onProgress: view.listener,
    onNotice: warn,
    ...(await credentials(values))
  };
  return { spec, host, ...(await readImage(question, request)) };
}

/** Unpacks and copies with a bar, and says so. */
export function startRequest(
  { facts, host, store }: Pick<IPrepared, 'facts' | 'host' | 'store'>,
  view: View
): IStartRequest {
  return {
    say: note => (isNews(note, host.runtimeDirectory) ? (note.level === 'warning' ? warn : info) : debug)(note.text),
    ensureTree: async treeView => {
      info('Unpacking the image once; later starts use the same tree');
      const { ensureTree } = await import('../../images/unpack.ts');
      await ensureTree(facts, treeView, { store: await store(), onProgress: view.listener });
      view.stop();
    },
    holdTree: async directory => {
      if (!Object.values(facts.trees).includes(directory)) {
        return undefined;
      }
      const { holdImage } = await import('../../store/users.ts');
      // From a store that cannot be written nothing can be removed, either.
      return holdImage(
        storeHome(process.env, () => requireHome(process.env)),
        facts.key
      ).catch(() => undefined);
    },
    copyImage: async treeView => {
      const { copyImage } = await import('../../images/unpack.ts');
      const copy = await copyImage(facts, treeView, { store: await store(), onProgress: view.listener });
      view.stop();
      info(`The writable copy of the image takes ${formatBytes(copy.bytes)} until the end`);
      copy.notes.forEach(warn);
      return copy;
    },
    onNote: debug
  };
}

async function envFile(
  values: IActionValues,
  environment: Readonly<Record<string, string | undefined>>
): Promise<Record<string, string>> {
  const inherited = lookUp(environment, ['ENV_FILE']);
  const paths = (values.envFile ?? (inherited === undefined ? [] : [inherited])).flatMap(path => path.split(','));
  let variables: Record<string, string> = {};
  for (const path of paths.filter(Boolean)) {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      throw asContainerError(error, 'command line', `cannot read the environment file ${path}`);
    });
    const { readEnvFile } = await import('../../run/env-file.ts');
    variables = { ...variables, ...readEnvFile(text, path, environment) };
  }
  return variables;
}

/** Loaded only where the image has to be read, and asked only where somebody says so. */
async function credentials(values: ICredentialValues): Promise<Pick<IFetchRequest, 'authfile' | 'credentials'>> {
  const dockerLogin = values.dockerLogin ?? isTrue(lookUp(process.env, ['DOCKER_LOGIN']), 'DOCKER_LOGIN');
  if (!dockerLogin && values.authfile === undefined) {
    return {};
  }
  const { askCredentials } = await import('../credentials.ts');
  return askCredentials({ ...values, dockerLogin });
}
