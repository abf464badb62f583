// SPDX-License-Identifier: BSD-3-Clause
/**
 * The scripts that an image carries under /.singularity.d (reference/runtimes.md 2.1 to 2.3). Apptainer interprets
 * some of them in its own shell and replaces others; they also have to do their work under any /bin/sh.
 */

const SOURCE_ENVIRONMENT = `for script in /.singularity.d/env/*.sh; do
    if [ -f "$script" ]; then
        . "$script"
    fi
done
`;

function action(body: string): string {
  return `#!/bin/sh\n\n${SOURCE_ENVIRONMENT}\n${body}`;
}

/** Runs a file of the app that APPTAINER_APPNAME names (SCIF layout), when it names one. */
function ofApp(file: string, missing: string): string {
  return `if [ -n "\${APPTAINER_APPNAME:-}" ]; then
    app="/scif/apps/\${APPTAINER_APPNAME}/scif/${file}"
    if [ -x "$app" ]; then
        exec "$app" "$@"
    fi
    echo "${missing} \${APPTAINER_APPNAME}" 1>&2
    exit 1
fi
`;
}

const RUN = action(`${ofApp('runscript', 'This image has no runscript for the app')}
if [ -x /.singularity.d/runscript ]; then
    exec /.singularity.d/runscript "$@"
fi
exec /bin/sh "$@"
`);

const SHELL = action(`if [ -n "\${APPTAINER_SHELL:-}" ] && [ -x "$APPTAINER_SHELL" ]; then
    exec "$APPTAINER_SHELL" "$@"
fi
if [ -x /bin/bash ]; then
    SHELL=/bin/bash
    export SHELL
    exec /bin/bash --norc "$@"
fi
if [ -x /bin/sh ]; then
    SHELL=/bin/sh
    export SHELL
    exec /bin/sh "$@"
fi
echo "This image has no shell" 1>&2
exit 1
`);

/** The instance's first process waits for SIGCONT before it takes up its work. */
const START = `#!/bin/sh

kill -CONT 1

${SOURCE_ENVIRONMENT}
if [ -x /.singularity.d/startscript ]; then
    exec /.singularity.d/startscript "$@"
fi
`;

const TEST = action(`${ofApp('test', 'This image has no test for the app')}
if [ -x /.singularity.d/test ]; then
    exec /.singularity.d/test "$@"
fi
exec /bin/sh -c true
`);

/** SCIF: bin and lib of the chosen app, then its own environment. */
const APPS = `#!/bin/sh

if [ -n "\${APPTAINER_APPNAME:-}" ]; then
    export APPTAINER_APPNAME
    SCIF_APPS=/scif/apps
    SCIF_APPROOT="$SCIF_APPS/$APPTAINER_APPNAME"
    if [ -d "$SCIF_APPROOT" ]; then
        PATH="$SCIF_APPROOT:$PATH"
        if [ -d "$SCIF_APPROOT/bin" ]; then
            PATH="$SCIF_APPROOT/bin:$PATH"
        fi
        if [ -d "$SCIF_APPROOT/lib" ]; then
            LD_LIBRARY_PATH="$SCIF_APPROOT/lib\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
            export LD_LIBRARY_PATH
        fi
        export PATH SCIF_APPS SCIF_APPROOT
        for script in 01-base.sh 90-environment.sh; do
            if [ -f "$SCIF_APPROOT/scif/env/$script" ]; then
                . "$SCIF_APPROOT/scif/env/$script"
            fi
        done
    else
        echo "This image has no app $APPTAINER_APPNAME" 1>&2
        exit 1
    fi
fi
`;

/** Host libraries (GPU drivers) are bound into /.singularity.d/libs. */
const LIBRARIES = `#!/bin/sh

LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/.singularity.d/libs"
PS1="Apptainer> "
export LD_LIBRARY_PATH PS1
`;

/** What the user asked for the PATH at run time comes last. */
const RUNTIME = `#!/bin/sh

PATH="\${SING_USER_DEFINED_PREPEND_PATH:+$SING_USER_DEFINED_PREPEND_PATH:}$PATH"
PATH="$PATH\${SING_USER_DEFINED_APPEND_PATH:+:$SING_USER_DEFINED_APPEND_PATH}"
PATH="\${SING_USER_DEFINED_PATH:-$PATH}"
unset SING_USER_DEFINED_PREPEND_PATH SING_USER_DEFINED_APPEND_PATH SING_USER_DEFINED_PATH
export PATH
`;

/** Path below the root -> text; all are 0755. */
export const SCRIPTS: Readonly<Record<string, string>> = {
  '.singularity.d/actions/exec': action('exec "$@"\n'),
  '.singularity.d/actions/run': RUN,
  '.singularity.d/actions/shell': SHELL,
  '.singularity.d/actions/start': START,
  '.singularity.d/actions/test': TEST,
  '.singularity.d/env/01-base.sh': '#!/bin/sh\n# Defaults of every image go here.\n',
  '.singularity.d/env/90-environment.sh': '#!/bin/sh\n# The environment section of the definition goes here.\n',
  '.singularity.d/env/95-apps.sh': APPS,
  '.singularity.d/env/99-base.sh': LIBRARIES,
  '.singularity.d/env/99-runtimevars.sh': RUNTIME,
  '.singularity.d/startscript': '#!/bin/sh\n'
};

/** Text that stays one word, unchanged, between double quotes of a shell. */
export function escapeDoubleQuoted(text: string): string {
  return text.replace(/[\\"`$]/g, '\\$&');
}

/** Text as one word between single quotes of a shell. */
export function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}

/**
 * `env/10-docker2singularity.sh`: the image's own variables as defaults, PATH as it is.
 * Names that a shell cannot hold are left out; values are escaped once, as Apptainer does from 1.5.
 */
export function dockerEnvironmentScript(env: readonly string[]): string {
  const lines = env.map(assignment => {
    const equals = assignment.indexOf('=');
    const name = equals < 0 ? assignment : assignment.slice(0, equals);
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) {
      return '';
    }
    if (equals < 0) {
      return `export ${name}="\${${name}:-}"\n`;
    }
    const value = escapeDoubleQuoted(assignment.slice(equals + 1));
    return name === 'PATH' ? `export PATH="${value}"\n` : `export ${name}="\${${name}:-"${value}"}"\n`;
  });
  return `#!/bin/sh\n${lines.join('')}`;
}

/**
 * The runscript of an image with ENTRYPOINT and CMD. By default its words go through the shell once more, as
 * Apptainer has it; under SINGULARITY_NO_EVAL they are taken literally. Apptainer knows this kind of runscript by the
 * line with `eval "set`.
 */
export function dockerRunscript(entrypoint: readonly string[], command: readonly string[]): string {
  const quoted = (words: readonly string[]): string =>
    singleQuoted(words.map(word => `"${escapeDoubleQuoted(word)}"`).join(' '));
  const prepend = (words: readonly string[], indent: string): string =>
    [...words]
      .reverse()
      .map(word => `${indent}set -- ${singleQuoted(word)} "$@"\n`)
      .join('');
  const defaults = command.length === 0 ? '' : `    if [ $# -eq 0 ]; then\n${prepend(command, ' '.repeat(8))}    fi\n`;
  return `#!/bin/sh
OCI_ENTRYPOINT=${quoted(entrypoint)}
OCI_CMD=${quoted(command)}

if [ $# -eq 0 ] && [ -z "$OCI_ENTRYPOINT$OCI_CMD" ]; then
    echo "This image names no command: say which one to run" 1>&2
    exit 1
fi

# As an OCI runtime does: no word is evaluated.
if [ -n "\${SINGULARITY_NO_EVAL:-}" ]; then
${defaults}${prepend(entrypoint, '    ')}    exec "$@"
fi

CMDLINE_ARGS=""
for arg in "$@"; do
    CMDLINE_ARGS="\${CMDLINE_ARGS} \\"$arg\\""
done

# The arguments given take the place of CMD.
if [ $# -gt 0 ]; then
    SINGULARITY_OCI_RUN="\${OCI_ENTRYPOINT} \${CMDLINE_ARGS}"
else
    SINGULARITY_OCI_RUN="\${OCI_ENTRYPOINT} \${OCI_CMD}"
fi

eval "set \${SINGULARITY_OCI_RUN}"
exec "$@"
`;
}
