// SPDX-License-Identifier: BSD-3-Clause
/** The shell program that sources an image's environment scripts when they hold more than assignments. */

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * POSIX sh. Fixed text: scripts, variables and the command come as positional parameters only. `eval` sees nothing but
 * names of variables, which run/host-variables.ts has checked (isVariableName). Names begin with nbc_ so as not to meet those of scripts; a
 * script runs in a function, so that its `set --` does not touch our parameters. What a shell sets of itself goes
 * first: nbc_restore would take it for the image's, and the caller's would not be seen.
 */
const PROGRAM = `
nbc_load() { . "$1"; }
nbc_fix_path() {
  for nbc_part in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
    case ":\${PATH-}:" in *":$nbc_part:"*) ;; *) PATH="\${PATH:+$PATH:}$nbc_part" ;; esac
  done
  export PATH
}
nbc_restore() {
  nbc_name="\${1%%=*}"
  eval "nbc_known=\\\${$nbc_name+set}; nbc_value=\\\${$nbc_name-}"
  if [ -z "$nbc_known" ]; then export "$1"; elif [ -z "$nbc_value" ]; then unset "$nbc_name"; fi
}
unset PS1 HOSTNAME HOSTTYPE MACHTYPE OSTYPE
nbc_count=$1; shift
while [ "$nbc_count" -gt 0 ]; do
  if [ -f "$1" ]; then nbc_load "$1"; fi
  case "$1" in */10-docker2singularity.sh|*/10-docker.sh|/environment) nbc_fix_path ;; esac
  shift; nbc_count=$((nbc_count - 1))
done
nbc_count=$1; shift
while [ "$nbc_count" -gt 0 ]; do export "$1"; shift; nbc_count=$((nbc_count - 1)); done
if [ -n "\${SING_USER_DEFINED_PREPEND_PATH:-}" ]; then PATH="$SING_USER_DEFINED_PREPEND_PATH:$PATH"; fi
if [ -n "\${SING_USER_DEFINED_APPEND_PATH:-}" ]; then PATH="$PATH:$SING_USER_DEFINED_APPEND_PATH"; fi
if [ -n "\${SING_USER_DEFINED_PATH:-}" ]; then PATH="$SING_USER_DEFINED_PATH"; fi
unset SING_USER_DEFINED_PREPEND_PATH SING_USER_DEFINED_APPEND_PATH SING_USER_DEFINED_PATH
export PATH
if [ -n "\${LD_LIBRARY_PATH:-}" ]; then
  if [ -n "\${PREPEND_LD_LIBRARY_PATH:-}" ]; then LD_LIBRARY_PATH="$PREPEND_LD_LIBRARY_PATH:$LD_LIBRARY_PATH"; fi
  if [ -n "\${APPEND_LD_LIBRARY_PATH:-}" ]; then LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$APPEND_LD_LIBRARY_PATH"; fi
fi
nbc_count=$1; shift
while [ "$nbc_count" -gt 0 ]; do nbc_restore "$1"; shift; nbc_count=$((nbc_count - 1)); done
if [ -z "\${PS1:-}" ]; then PS1='Apptainer> '; fi
export PS1
if [ -z "\${PROMPT_COMMAND:-}" ]; then
  PROMPT_COMMAND="PS1=\\"$PS1\\"; unset PROMPT_COMMAND"
else
  PROMPT_COMMAND="$PROMPT_COMMAND; PROMPT_COMMAND=\\"\\\${PROMPT_COMMAND%%; PROMPT_COMMAND=*}\\"; PS1=\\"$PS1\\""
fi
export PROMPT_COMMAND
nbc_count=$1; shift
while [ "$nbc_count" -gt 0 ]; do export "$1"; shift; nbc_count=$((nbc_count - 1)); done
unset nbc_count nbc_part nbc_name nbc_known nbc_value
exec "$@"
`;

export interface IProgramInput {
  /** Absolute paths inside, in order. */
  readonly scripts: readonly string[];
  /** Exported after the scripts: beats them. */
  readonly overriding: ReadonlyMap<string, string>;
  /** Exported when no script defined the name; unset when one made it empty. */
  readonly restored: ReadonlyMap<string, string>;
  /** Exported last. */
  readonly final: ReadonlyMap<string, string>;
}

/** The words to put in front of a command. */
export function environmentProgram({ scripts, overriding, restored, final }: IProgramInput): string[] {
  const pairs = (map: ReadonlyMap<string, string>): string[] => [
    String(map.size),
    ...[...map].map(([name, value]) => `${name}=${value}`)
  ];
  return [
    '/bin/sh',
    '-c',
    PROGRAM,
    'nbcontainer',
    String(scripts.length),
    ...scripts,
    ...pairs(overriding),
    ...pairs(restored),
    ...pairs(final)
  ];
}
