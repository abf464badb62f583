// SPDX-License-Identifier: BSD-3-Clause
/** The small programs that `nbcontainer shim` installs under Apptainer's names. Pure. */

import { storeHome } from '../store/layout.ts';

/** What `apptainer --version` answers: workflow managers read it to learn which flags they may use. */
export const APPTAINER_VERSION = '1.4.5';

/** The hidden first word that makes the command line answer to another name. */
export const CALLED_AS = '--called-as';

/** A line that only our scripts hold: others of the same name are never overwritten. */
export const MARK = '# Written by `nbcontainer shim`: ';

/** Name of each script and the words between the command line and the caller's own. */
const SCRIPTS = {
  apptainer: [CALLED_AS, 'apptainer'],
  singularity: [CALLED_AS, 'singularity'],
  // The interpreter in the first line of every SIF: ./image.sif becomes `run-singularity ./image.sif`.
  'run-singularity': [CALLED_AS, 'apptainer', '--quiet', 'run']
} as const;

/**
 * The scripts by name.
 *
 * @param command the words that start the command line: Node.js, its options and the program, as absolute paths.
 * @param store the store, unless the environment names one; passed over by users who may not write it.
 */
export function shimScripts(command: readonly string[], store?: string): Map<string, string> {
  const home =
    store === undefined
      ? ''
      : `if [ -z "$NBCONTAINER_HOME" ] && [ -w ${quote(store)} ]; then export NBCONTAINER_HOME=${quote(store)}; fi\n`;
  return new Map(
    Object.entries(SCRIPTS).map(([name, words]) => {
      const line = [...command, ...words].map(quote).join(' ');
      return [name, `#!/bin/sh\n${MARK}nbcontainer under the name of ${name}.\n${home}exec ${line} "$@"\n`];
    })
  );
}

/**
 * What the scripts have to remember of the store: workflow managers start their tasks in an emptied environment
 * (Nextflow: `env - PATH="$PATH" singularity exec ...`), without the NBCONTAINER_HOME, XDG_DATA_HOME or HOME that the
 * image was pulled with.
 * @param store in use now
 * @param home of the account, where there is one
 * @returns undefined where such a task finds that store all the same
 */
export function storeToRemember(store: string, home: string | undefined): string | undefined {
  return home !== undefined && storeHome({}, () => home) === store ? undefined : store;
}

/** One word of a POSIX shell, whatever it holds. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
