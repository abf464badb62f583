// SPDX-License-Identifier: BSD-3-Clause
/** build: an image that exists already as a SIF file or as a directory to change (a sandbox). */
import { existsSync } from 'node:fs';
import { openImage } from '../../images/open.ts';
import { writeSandbox } from '../../images/unpack.ts';
import { openStore } from '../../store/store.ts';
import { ContainerError, printable } from '../../support/errors.ts';
import { cancellable } from '../cancellable.ts';
import { askCredentials, type ICredentialValues } from '../credentials.ts';
import { isTrue, lookUp, plainHttp } from '../flag-variables.ts';
import { info, warn } from '../output.ts';
import { parseProgressMode, progressView } from '../progress.ts';
import { pullCommand } from './pull.ts';

interface IValues extends ICredentialValues {
  readonly arch?: string;
  readonly sandbox?: boolean;
  readonly force?: boolean;
  readonly compression: 'zstd' | 'gzip';
  readonly https?: boolean;
  readonly progress: string;
}

/** `build [--sandbox] <output> <source>` @throws ContainerError, also for a source that is a definition file */
export async function buildCommand(output: string, source: string, values: IValues): Promise<number> {
  // What Apptainer takes for an image is one of these; everything else is a definition file.
  const isLocal = existsSync(source) && !/^[a-z-]+:/.test(source);
  if (isLocal && !/\.(sif|simg|img)$/.test(source) && values.sandbox !== true) {
    throw new ContainerError({
      code: 'unsupported',
      step: 'build',
      message: `cannot build from ${printable(source)}: definition files and directories are not supported yet`,
      fix: 'Build from docker://NAME, oci:DIR or a SIF file; to change an image, use build --sandbox and exec --writable'
    });
  }
  if (values.sandbox !== true) {
    return pullCommand([output, source], values);
  }
  const view = progressView(parseProgressMode(values.progress));
  try {
    const { env } = process;
    const store = await openStore();
    const force = values.force ?? isTrue(lookUp(env, ['FORCE']), 'FORCE');
    const fetch = { ...(await askCredentials(values)), ...(values.arch !== undefined && { arch: values.arch }) };
    const { directory, notes } = await cancellable(async signal => {
      const work = { store, ...fetch, onProgress: view.listener, onNotice: warn, signal };
      const image = await openImage(source, { ...work, plainHttp: plainHttp(values.https, env), preferTree: true });
      return writeSandbox(image, output, { ...work, force });
    });
    view.stop();
    notes.forEach(note => warn(note));
    info(`Wrote ${directory}`);
    return 0;
  } finally {
    view.stop();
  }
}
