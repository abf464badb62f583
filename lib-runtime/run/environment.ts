// SPDX-License-Identifier: BSD-3-Clause
/**
 * The environment of a container: Apptainer's algorithm (runtimes.md 2.3; its action_script.sh) as a pure function.
 * The image's scripts are performed here when shell-assignments.ts understands them, so that an image needs no shell
 * and a start costs no extra process; otherwise a fixed program sources them inside (environment-program.ts).
 */
import type { IAccount } from '../host/facts.ts';
import type { IImageFacts } from '../images/image.ts';
import { DEFAULT_PATH, environmentProgram } from './environment-program.ts';
import { isVariableName, overrides, passedVariables } from './host-variables.ts';
import { baseOf, hasFile } from './image-tree.ts';
import type { INote } from './plan-types.ts';
import { evaluateScript, expandDoubleQuoted, type IShellVariable } from './shell-assignments.ts';
import type { IRunSpec } from './spec.ts';

export const LIBRARY_DIRECTORY = '/.singularity.d/libs';
const PROMPT = 'Apptainer> ';

export interface IEnvironmentRequest {
  readonly host: Readonly<Record<string, string | undefined>>;
  readonly spec: IRunSpec;
  readonly image: Pick<IImageFacts, 'path' | 'environmentScripts' | 'config' | 'tree'>;
  readonly account: Pick<IAccount, 'uid' | 'gid'>;
  /** HOME inside. */
  readonly home: string;
  /** Working directory inside. */
  readonly workingDirectory: string;
  /** The driver's libraries are bound to LIBRARY_DIRECTORY. */
  readonly driverLibraries: boolean;
  /** Set last, over everything (SHELL for the shell action). */
  readonly final?: Readonly<Record<string, string>>;
}

export interface IContainerEnvironment {
  readonly variables: Readonly<Record<string, string>>;
  /** Words in front of the command: empty, or a shell that sources the image's scripts first. */
  readonly prefix: readonly string[];
  readonly notes: readonly INote[];
}

type State = Map<string, IShellVariable>;

/** Computes the environment; never fails: what cannot be honoured becomes a note. */
export function containerEnvironment(request: IEnvironmentRequest): IContainerEnvironment {
  const { spec, image } = request;
  const { variables: injected, warnings } = overrides(request.host, spec.environment);
  const notes: INote[] = warnings.map(text => ({ level: 'warning', text }));
  const process = processEnvironment(request);
  for (const name of injected.keys()) {
    process.delete(name);
  }
  const scripts = scriptsOf(image);
  const locked = new Set(['APPTAINER_NAME', 'APPTAINER_CONTAINER', 'APPTAINER_INSTANCE']);
  const hasShell = hasFile(image.tree, '/bin/sh');

  let state = initialState(process, request);
  for (const { name, text } of scripts) {
    if (name === '90-environment.sh' && !state.has('PATH')) {
      fixPath(state);
    }
    const result = evaluateScript(text, state, locked);
    if (result.understood) {
      state = result.variables;
    } else if (hasShell) {
      notes.push({
        level: 'info',
        text: `the image's ${name} is run by the image's own shell before the command: ${result.why}`
      });
      return withShell(request, process, injected, scripts, notes);
    } else {
      notes.push({
        level: 'warning',
        text: `the image's ${name} is passed over: the image has no /bin/sh to run it (${result.why})`
      });
    }
    if (isDockerScript(name) || name === OLD_SCRIPT) {
      fixPath(state);
    }
    if (name === '99-base.sh') {
      inject(state, injected, spec.noEval, notes);
    }
  }
  if (!scripts.some(({ name }) => name === '99-base.sh')) {
    inject(state, injected, spec.noEval, notes);
    if (request.driverLibraries && !state.get('LD_LIBRARY_PATH')?.value.includes(LIBRARY_DIRECTORY)) {
      appendPath(state, 'LD_LIBRARY_PATH', LIBRARY_DIRECTORY);
    }
  }
  return { variables: finish(state, process, request), prefix: [], notes };
}

/** What Apptainer's engine puts into the process before its action script runs. */
function processEnvironment({ host, spec, image, home, workingDirectory }: IEnvironmentRequest): Map<string, string> {
  const process = passedVariables(host, spec.cleanEnvironment);
  process.set('HOME', home);
  process.set('PATH', DEFAULT_PATH);
  process.set('PWD', workingDirectory);
  process.delete('OLDPWD');
  const binds = spec.binds.map(bind => bind.target).join(',');
  const own: Record<string, string> = {
    CONTAINER: image.path,
    NAME: baseOf(image.path),
    BIND: binds,
    ENVIRONMENT: '/.singularity.d/env/91-environment.sh',
    ...(spec.noEval && { NO_EVAL: '1' }),
    ...(spec.shell !== undefined && { SHELL: spec.shell }),
    ...(spec.app !== undefined && { APPNAME: spec.app }),
    ...(spec.instance !== undefined && { INSTANCE: spec.instance.name })
  };
  for (const [key, value] of Object.entries(own)) {
    process.set(`APPTAINER_${key}`, value);
    process.set(`SINGULARITY_${key}`, value);
  }
  process.set('APPTAINER_APPNAME', spec.app ?? '');
  process.set('APPTAINER_COMMAND', spec.action);
  if (host['PATH'] !== undefined && !spec.cleanEnvironment) {
    process.set('USER_PATH', host['PATH']);
  }
  return process;
}

/** The scripts in the order they are sourced; a tree with an OCI configuration and no scripts acts as if converted. */
function scriptsOf(image: Pick<IImageFacts, 'environmentScripts' | 'config'>): IImageFacts['environmentScripts'] {
  // 99-runtimevars.sh is virtual in Apptainer, too: finish() does what it does.
  const scripts = image.environmentScripts.filter(({ name }) => baseOf(name) !== '99-runtimevars.sh');
  if (scripts.length > 0 || image.config?.Env === undefined) {
    return scripts.map(({ name, text }) => ({ name: baseOf(name), text }));
  }
  const lines = image.config.Env.map(item => {
    const equals = item.indexOf('=');
    const [name, value] = equals < 0 ? [item, ''] : [item.slice(0, equals), item.slice(equals + 1)];
    const quoted = value.replace(/[\\"`$]/g, '\\$&');
    return isVariableName(name) ? `export ${name}="${quoted}"` : '';
  });
  return [{ name: '10-docker2singularity.sh', text: lines.join('\n') }];
}

/** Images from before Singularity 2.3 have one script, at `/environment`. */
const OLD_SCRIPT = 'environment';

const KEPT = [
  'PWD',
  'HOME',
  'OPTIND',
  'APPTAINER_NAME',
  'APPTAINER_CONTAINER',
  'SINGULARITY_SHELL',
  'SINGULARITY_APPNAME'
];

function initialState(process: ReadonlyMap<string, string>, { account }: IEnvironmentRequest): State {
  const state: State = new Map();
  for (const name of KEPT) {
    const value = process.get(name);
    if (value !== undefined) {
      state.set(name, { value, exported: true });
    }
  }
  state.set('UID', { value: String(account.uid), exported: false });
  state.set('GID', { value: String(account.gid), exported: false });
  return state;
}

function isDockerScript(name: string): boolean {
  return name === '10-docker2singularity.sh' || name === '10-docker.sh';
}

/** Appends the parts of the default PATH that are missing. */
function fixPath(state: State): void {
  const parts = (state.get('PATH')?.value ?? '').split(':').filter(part => part !== '');
  const missing = DEFAULT_PATH.split(':').filter(part => !parts.includes(part));
  state.set('PATH', { value: [...parts, ...missing].join(':'), exported: true });
}

function appendPath(state: State, name: string, directory: string): void {
  const old = state.get(name)?.value;
  state.set(name, { value: old ? `${old}:${directory}` : directory, exported: true });
}

/** APPTAINERENV_X and --env: read as between double quotes (Apptainer evaluates them), literally with --no-eval. */
function inject(state: State, injected: ReadonlyMap<string, string>, noEval: boolean, notes: INote[]): void {
  if (!state.has('PATH')) {
    state.set('PATH', { value: DEFAULT_PATH, exported: true });
  }
  for (const [name, text] of injected) {
    const full = name === 'LD_LIBRARY_PATH' && text !== '' ? `${text}:${LIBRARY_DIRECTORY}` : text;
    const value = noEval ? full : expandDoubleQuoted(full, state);
    if (value === undefined) {
      notes.push({
        level: 'warning',
        text: `the value of ${name} is taken literally: commands in the value of a variable are never run`
      });
    }
    state.set(name, { value: value ?? full, exported: true });
  }
}

function exportedValue(state: State, name: string): string {
  return state.get(name)?.value ?? '';
}

/** What comes after the scripts: library path, PATH variants, the host's variables, the prompt. */
function finish(
  state: State,
  process: ReadonlyMap<string, string>,
  request: IEnvironmentRequest
): Record<string, string> {
  const prependPath = exportedValue(state, 'SING_USER_DEFINED_PREPEND_PATH');
  const appendedPath = exportedValue(state, 'SING_USER_DEFINED_APPEND_PATH');
  const path = [prependPath, exportedValue(state, 'PATH'), appendedPath].filter(Boolean).join(':');
  state.set('PATH', { value: exportedValue(state, 'SING_USER_DEFINED_PATH') || path, exported: true });
  for (const name of ['PREPEND_PATH', 'APPEND_PATH', 'PATH']) {
    state.delete(`SING_USER_DEFINED_${name}`);
  }
  const libraries = state.get('LD_LIBRARY_PATH');
  if (libraries !== undefined && libraries.value !== '') {
    const [before, after] = ['PREPEND', 'APPEND'].map(where => exportedValue(state, `${where}_LD_LIBRARY_PATH`));
    const value = [before, libraries.value, after].filter(Boolean).join(':');
    state.set('LD_LIBRARY_PATH', { ...libraries, value });
  }
  for (const [name, value] of process) {
    const known = state.get(name);
    if (known === undefined) {
      state.set(name, { value, exported: true });
    } else if (known.value === '') {
      state.delete(name);
    }
  }
  const prompt = exportedValue(state, 'PS1') || PROMPT;
  state.set('PS1', { value: prompt, exported: true });
  state.set('PROMPT_COMMAND', { value: promptCommand(exportedValue(state, 'PROMPT_COMMAND'), prompt), exported: true });
  const variables: Record<string, string> = {};
  for (const [name, { value, exported }] of state) {
    if (exported && isVariableName(name)) {
      variables[name] = value;
    }
  }
  return { ...variables, ...request.final };
}

/** bash's own start-up files set PS1; its PROMPT_COMMAND is the one place that comes later. */
function promptCommand(own: string, prompt: string): string {
  return own === ''
    ? `PS1="${prompt}"; unset PROMPT_COMMAND`
    : `${own}; PROMPT_COMMAND="\${PROMPT_COMMAND%%; PROMPT_COMMAND=*}"; PS1="${prompt}"`;
}

/** The same with a shell of the image: everything that depends on its scripts is left to environmentProgram. */
function withShell(
  request: IEnvironmentRequest,
  process: ReadonlyMap<string, string>,
  injected: ReadonlyMap<string, string>,
  scripts: IImageFacts['environmentScripts'],
  notes: INote[]
): IContainerEnvironment {
  const literal: State = new Map(initialState(process, request));
  const overriding = new Map<string, string>();
  for (const [name, text] of injected) {
    const full = name === 'LD_LIBRARY_PATH' && text !== '' ? `${text}:${LIBRARY_DIRECTORY}` : text;
    const references = !request.spec.noEval && /[$`\\]/.test(full);
    const value = references ? expandDoubleQuoted(full, literal) : full;
    if (references) {
      notes.push({
        level: 'warning',
        text: `references in the value of ${name} see only HOME and PWD: the image's variables are known to its shell alone`
      });
    }
    overriding.set(name, value ?? full);
  }
  const variables: Record<string, string> = {};
  for (const [name, { value, exported }] of initialState(process, request)) {
    if (exported) {
      variables[name] = value;
    }
  }
  const restored = new Map([...process].filter(([name]) => name !== 'PATH'));
  const needsLibraries = request.driverLibraries && !scripts.some(({ name }) => name === '99-base.sh');
  if (needsLibraries) {
    restored.set('LD_LIBRARY_PATH', LIBRARY_DIRECTORY);
  }
  return {
    variables: { ...variables, PATH: DEFAULT_PATH },
    prefix: environmentProgram({
      scripts: scripts.map(({ name }) => (name === OLD_SCRIPT ? '/environment' : `/.singularity.d/env/${name}`)),
      overriding,
      restored,
      final: new Map(Object.entries(request.final ?? {}))
    }),
    notes
  };
}
