// SPDX-License-Identifier: BSD-3-Clause
/** What a workflow manager finds on a user's machine: the shim on PATH, an image in a file and in a registry. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type IOutcome, type IWorkplace, makeWorkplace, runProgram } from '../support/cli.ts';
import { testImages } from '../support/images.ts';
import { startRegistry } from '../support/registry.ts';

export interface ISite {
  readonly workplace: IWorkplace;
  /** Directory of `apptainer` and `singularity`. */
  readonly shim: string;
  /** A SIF: merged Debian with bash. Workflow managers ask for bash and nothing else. */
  readonly image: string;
  /** The same in a registry without TLS: `127.0.0.1:PORT/tools/debian:1.0`. */
  readonly reference: string;
  /** As a batch job would be started: bash, the shim on PATH, nothing else of ours. */
  bash(script: string, cwd: string, env?: Readonly<Record<string, string>>): Promise<IOutcome>;
  /** A new directory below the workplace. */
  directory(name: string): Promise<string>;
  dispose(): Promise<void>;
}

export async function makeSite(): Promise<ISite> {
  const workplace = await makeWorkplace();
  const shim = join(workplace.directory, 'bin');
  expect((await workplace.nbcontainer(['shim', '--dir', shim])).status).toBe(0);
  const registry = await startRegistry();
  const dispose = async (): Promise<void> => {
    await registry.stop();
    await workplace.dispose();
  };
  const bash: ISite['bash'] = (script, cwd, env = {}) =>
    runProgram('bash', ['-c', script], {
      cwd,
      env: { PATH: `${shim}:${process.env.PATH ?? ''}`, NBCONTAINER_HOME: workplace.home, ...env }
    });
  try {
    const reference = await registry.push(join(await testImages(), 'debian'), 'tools/debian:1.0');
    const image = join(workplace.directory, 'debian.sif');
    const pulled = await bash(`apptainer -s pull --no-https "${image}" "docker://${reference}"`, workplace.cwd);
    expect(pulled.status, pulled.stderr).toBe(0);
    const directory = async (name: string): Promise<string> => {
      const path = join(workplace.cwd, name);
      await mkdir(path);
      return path;
    };
    return { workplace, shim, image, reference, bash, directory, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
