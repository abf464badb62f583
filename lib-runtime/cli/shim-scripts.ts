// SPDX-License-Identifier: BSD-3-Clause
/** The small programs that `nbcontainer shim` installs under Apptainer's names. Pure. */

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
 */
export function shimScripts(command: readonly string[]): Map<string, string> {
  return new Map(
    Object.entries(SCRIPTS).map(([name, words]) => {
      const line = [...command, ...words].map(quote).join(' ');
      return [name, `#!/bin/sh\n${MARK}nbcontainer under the name of ${name}.\nexec ${line} "$@"\n`];
    })
  );
}

/** One word of a POSIX shell, whatever it holds. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
