// SPDX-License-Identifier: BSD-3-Clause
/** Which of the caller's variables reach a container (runtimes.md 2.3 item 1, platforms.md 2.1 row 36). Pure. */

/** Passed even with --cleanenv. */
const ALWAYS_PASSED = new Set([
  'TERM',
  ...['http_proxy', 'https_proxy', 'no_proxy', 'all_proxy', 'ftp_proxy'].flatMap(name => [name, name.toUpperCase()])
]);

/** Never passed from the host under their own name. */
const NEVER_PASSED = new Set(['HOME', 'PATH', 'LD_LIBRARY_PATH']);

/**
 * What a notebook's own software leaves in the environment and what breaks or endangers programs of an image.
 * A difference from Apptainer: `--env NAME=value` or APPTAINERENV_NAME passes any of them.
 */
export const SCRUBBED: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  { pattern: /^LD_(PRELOAD|AUDIT)$/, why: 'names libraries of the host (Colab preloads tcmalloc)' },
  { pattern: /^LIBRARY_PATH$/, why: "Colab's points at CUDA stubs of the host" },
  { pattern: /^PYTHON(PATH|HOME|USERBASE|STARTUP|EXECUTABLE|NOUSERSITE)$/, why: "belongs to the host's Python" },
  { pattern: /^PYTHONWARNINGS$/, why: 'Colab silences warnings of its own pip with it' },
  { pattern: /^MPLBACKEND$/, why: "names a module of the notebook's kernel that the image has not got" },
  { pattern: /^_PYVIZ_COMMS_INSTALLED$/, why: "belongs to the notebook's kernel" },
  { pattern: /^PYDEVD_USE_FRAME_EVAL$/, why: "belongs to the notebook's debugger" },
  { pattern: /^MKL_THREADING_LAYER$/, why: "Kaggle's fits Kaggle's MKL only" },
  { pattern: /^CUDA_(HOME|PATH)$/, why: 'is a directory of the host' },
  { pattern: /^TCLLIBPATH$/, why: 'is a directory of the host' },
  { pattern: /^JPY_/, why: 'holds the session, process and API token of the notebook server' },
  { pattern: /^JUPYTER(HUB)?_/, why: 'holds tokens and directories of the notebook server' },
  { pattern: /^(COLAB|TBE|DATALAB|TPU_ML_PLATFORM)_/, why: "addresses and credentials of Colab's runtime" },
  {
    pattern: /^(USE_AUTH_EPHEM|KMP_TARGET_PORT|KMP_LISTEN_PORT|KMP_EXTRA_ARGS|VM_GCE_METADATA_HOST)$/,
    why: "belongs to Colab's runtime"
  },
  { pattern: /^CLOUDSDK_(CONFIG|PYTHON)$/, why: "directories of Colab's runtime" },
  { pattern: /^GCE_METADATA_/, why: "Colab's metadata server" },
  {
    pattern: /^KAGGLE_(USER_SECRETS_TOKEN|DATA_PROXY_TOKEN|DATA_PROXY_URL|DATA_PROXY_PROJECT|GRPC_.*|URL_BASE)$/,
    why: "tokens of Kaggle's runtime"
  },
  { pattern: /^(APPTAINER|SINGULARITY)_/, why: 'options of the runtime itself' },
  { pattern: /^(APPTAINER|SINGULARITY)ENV_/, why: 'handed over under the name behind the prefix' },
  { pattern: /^NBCONTAINER_/, why: 'options and secrets of nbcontainer itself' }
];

/** A name that a POSIX shell can hold; others (`BASH_FUNC_module%%`) are dropped. */
export function isVariableName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
}

/** The caller's variables that go on under their own name. */
export function passedVariables(
  host: Readonly<Record<string, string | undefined>>,
  cleanEnvironment: boolean
): Map<string, string> {
  const passed = new Map<string, string>();
  for (const [name, value] of Object.entries(host)) {
    if (value === undefined || !isVariableName(name) || NEVER_PASSED.has(name)) {
      continue;
    }
    if (ALWAYS_PASSED.has(name) || (!cleanEnvironment && !SCRUBBED.some(({ pattern }) => pattern.test(name)))) {
      passed.set(name, value);
    }
  }
  if (cleanEnvironment) {
    passed.set('LANG', 'C');
  }
  return passed;
}

export interface IOverrides {
  /** Beats everything in the image, in this order. PATH variants carry Apptainer's internal names. */
  readonly variables: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
}

const PATH_NAMES: Readonly<Record<string, string>> = {
  PREPEND_PATH: 'SING_USER_DEFINED_PREPEND_PATH',
  APPEND_PATH: 'SING_USER_DEFINED_APPEND_PATH',
  PATH: 'SING_USER_DEFINED_PATH'
};
const NOT_PERMITTED = /^(HOME|(APPTAINER|SINGULARITY)_(SHELL|APPNAME))$/;

/** `--env` first, then APPTAINERENV_X, then SINGULARITYENV_X: the first one that names X wins. */
export function overrides(
  host: Readonly<Record<string, string | undefined>>,
  given: Readonly<Record<string, string>>
): IOverrides {
  const variables = new Map<string, string>();
  const warnings: string[] = [];
  const take = (name: string, value: string, from: string): void => {
    if (NOT_PERMITTED.test(name)) {
      warnings.push(`Overriding ${name} environment variable with ${from} is not permitted`);
    } else if (!isVariableName(name)) {
      warnings.push(`${from} is passed over: "${name}" is no name that a shell could hold`);
    } else if (name !== 'UID' && name !== 'GID') {
      const key = PATH_NAMES[name] ?? name;
      variables.set(key, variables.get(key) ?? value);
    }
  };
  for (const [name, value] of Object.entries(given)) {
    take(name, value, `--env ${name}`);
  }
  for (const prefix of ['APPTAINERENV_', 'SINGULARITYENV_']) {
    for (const [name, value] of Object.entries(host)) {
      if (value !== undefined && name.startsWith(prefix) && name !== prefix) {
        take(name.slice(prefix.length), value, name);
      }
    }
  }
  return { variables, warnings };
}
