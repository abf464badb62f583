// SPDX-License-Identifier: BSD-3-Clause
/** shim: apptainer, singularity and run-singularity as programs on PATH. */
import { chmod, lstat, mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { storeHome } from '../../store/layout.ts';
import { writeFileAtomic } from '../../support/atomic.ts';
import { asContainerError, ContainerError, errnoOf } from '../../support/errors.ts';
import { accountHome, requireHome } from '../../support/home.ts';
import { makeDirectory } from '../../support/make-directory.ts';
import { info, print } from '../output.ts';
import { MARK, quote, shimScripts, storeToRemember } from '../shim-scripts.ts';

/** Writes the scripts for the very Node.js and program that run now, and prints the line that puts them on PATH. */
export async function shimCommand(values: { readonly dir?: string }): Promise<number> {
  const store = storeHome(process.env, () => requireHome(process.env));
  const directory = resolve(values.dir ?? join(store, 'shim'));
  if (/[:\n]/.test(directory)) {
    throw new ContainerError({
      code: 'usage',
      step: 'shim',
      message: `${directory} cannot be put on PATH`,
      reason: 'PATH separates its directories by colons, and one name cannot hold a line break',
      fix: 'Choose another directory with --dir'
    });
  }
  const program = process.argv[1] ?? '';
  const remembered = storeToRemember(store, accountHome());
  // Behind `--`: Node would take an --env-file among the words for its own.
  const scripts = shimScripts([process.execPath, ...process.execArgv, '--', resolve(program)], remembered);
  const paths = [...scripts].map(([name, text]) => ({ path: join(directory, name), text }));
  for (const { path } of paths) {
    await assertOurs(path);
  }
  try {
    if (remembered !== undefined) {
      await makeDirectory(remembered, 0o700);
    }
    await mkdir(directory, { recursive: true });
    for (const { path, text } of paths) {
      await writeFileAtomic(path, text, { mode: 0o755 });
      await chmod(path, 0o755);
    }
  } catch (error) {
    throw asContainerError(error, 'shim', `cannot write ${directory}`);
  }
  info(`${[...scripts.keys()].join(', ')} now start nbcontainer; put them on PATH with this line:`);
  print(`export PATH=${quote(directory)}:"$PATH"`);
  return 0;
}

/** Nobody loses a real Apptainer to us. */
async function assertOurs(path: string): Promise<void> {
  try {
    const status = await lstat(path);
    if (status.isFile() && status.size < 65536 && (await readFile(path, 'utf8')).includes(MARK)) {
      return;
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      return;
    }
    throw asContainerError(error, 'shim', `cannot look at ${path}`);
  }
  throw new ContainerError({
    code: 'exists',
    step: 'shim',
    message: `${path} is there already`,
    reason: 'it was not written by nbcontainer shim',
    fix: 'Choose another directory with --dir'
  });
}
