// SPDX-License-Identifier: BSD-3-Clause
/** pull: an image from a registry or a layout into one SIF file. */
import { pullImage } from '../../images/pull.ts';
import { openStore } from '../../store/store.ts';
import { ContainerError } from '../../support/errors.ts';
import { cancellable } from '../cancellable.ts';
import { isTrue, lookUp, plainHttp } from '../flag-variables.ts';
import { askCredentials, type ICredentialValues } from '../credentials.ts';
import { formatBytes, info, warn } from '../output.ts';
import { restartLean } from '../lean-memory.ts';
import { parseProgressMode, progressView } from '../progress.ts';

interface IValues extends ICredentialValues {
  readonly force?: boolean;
  readonly dir?: string;
  readonly name?: string;
  readonly arch?: string;
  readonly compression: 'zstd' | 'gzip';
  readonly https?: boolean;
  readonly progress: string;
}

/** `pull [output] <image>`: the words as given, the image last. */
export async function pullCommand(words: readonly string[], values: IValues): Promise<number> {
  const [first = '', second, ...rest] = words;
  if (rest.length > 0) {
    throw new ContainerError({
      code: 'usage',
      step: 'command line',
      message: `pull takes one image and at most one file name, not ${words.length} words`,
      fix: 'Write nbcontainer pull [output.sif] docker://NAME'
    });
  }
  restartLean();
  const source = second ?? first;
  const { env } = process;
  const output = second === undefined ? (values.name ?? lookUp(env, ['PULL_NAME'])) : first;
  const directory = values.dir ?? lookUp(env, ['PULLDIR', 'PULLFOLDER']);
  const arch = values.arch ?? lookUp(env, ['PULL_ARCH']);
  const view = progressView(parseProgressMode(values.progress));
  try {
    const credentials = await askCredentials(values);
    const request = {
      source,
      store: await openStore(),
      compression: values.compression,
      plainHttp: plainHttp(values.https, env),
      force: values.force ?? isTrue(lookUp(env, ['FORCE']), 'FORCE'),
      onProgress: view.listener,
      onNotice: warn,
      ...(output !== undefined && { output }),
      ...(directory !== undefined && { directory }),
      ...(arch !== undefined && { arch }),
      ...credentials
    };
    const image = await cancellable(signal => pullImage({ ...request, signal }));
    view.stop();
    info(`Wrote ${image.path} (${formatBytes(image.sizeBytes)})`);
    return 0;
  } finally {
    view.stop();
  }
}
