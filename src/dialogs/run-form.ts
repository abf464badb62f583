// SPDX-License-Identifier: BSD-3-Clause
/** What the run dialog's fields hold, what is wrong with them, and the job that they ask for. Pure. */
import { jobWords } from '../../lib-runtime/api/command-line.ts';
import type { NewJob, RunOptions } from '../../lib-runtime/api/schema.ts';
import { splitWords, type WordProblem } from './words.ts';

export interface IBindRow {
  /** Absolute path on the server. */
  readonly source: string;
  /** Absolute path in the container; empty: the same as outside. */
  readonly destination: string;
  readonly readOnly: boolean;
}

export interface IVariableRow {
  readonly name: string;
  readonly value: string;
}

export interface IRunForm {
  /** A name of the store, a reference, or the path of a file. */
  readonly image: string;
  /** Read by splitWords(). */
  readonly command: string;
  /** Working directory: an absolute path on the server, seen under the same path inside; empty: the user's home. */
  readonly folder: string;
  readonly binds: readonly IBindRow[];
  readonly variables: readonly IVariableRow[];
  readonly gpu: 'auto' | 'on' | 'off';
  readonly identity: 'auto' | 'user' | 'root' | 'fakeroot';
  readonly writable: 'no' | 'memory';
}

export type FormField = 'image' | 'command' | 'folder' | 'binds' | 'variables';

export type FormProblem =
  | WordProblem
  | 'image-missing'
  | 'image-dash'
  | 'nul'
  | 'absolute'
  | 'source-missing'
  | 'destination-twice'
  | 'variable-name'
  | 'variable-twice';

export interface IFieldProblem {
  readonly field: FormField;
  /** Row of binds and variables. */
  readonly row?: number;
  readonly problem: FormProblem;
}

/** Everything that keeps the form from being run, in the order of its fields. */
export function problemsOf(form: IRunForm): IFieldProblem[] {
  const image = form.image.trim();
  const split = splitWords(form.command);
  return [
    ...field('image', image === '' ? 'image-missing' : image.startsWith('-') ? 'image-dash' : nul(image)),
    ...field('command', 'problem' in split ? split.problem : nul(form.command)),
    ...field('folder', form.folder.trim() === '' ? undefined : path(form.folder)),
    ...form.binds.flatMap((bind, row) => field('binds', bindProblem(bind, form.binds.slice(0, row)), row)),
    ...form.variables.flatMap((variable, row) =>
      field('variables', variableProblem(variable, form.variables.slice(0, row)), row)
    )
  ];
}

function field(name: FormField, problem: FormProblem | undefined, row?: number): IFieldProblem[] {
  return problem === undefined ? [] : [{ field: name, problem, ...(row !== undefined && { row }) }];
}

function nul(text: string): 'nul' | undefined {
  return text.includes('\0') ? 'nul' : undefined;
}

function path(text: string): FormProblem | undefined {
  return text.trim().startsWith('/') ? nul(text) : 'absolute';
}

function bindProblem(bind: IBindRow, earlier: readonly IBindRow[]): FormProblem | undefined {
  if (isEmpty(bind)) {
    return undefined;
  }
  if (bind.source.trim() === '') {
    return 'source-missing';
  }
  const twice = earlier.some(other => !isEmpty(other) && target(other) === target(bind));
  return path(bind.source) ?? (path(target(bind)) || (twice ? 'destination-twice' : undefined));
}

function isEmpty(bind: IBindRow): boolean {
  return bind.source.trim() === '' && bind.destination.trim() === '';
}

function target(bind: IBindRow): string {
  return bind.destination.trim() || bind.source.trim();
}

function variableProblem({ name, value }: IVariableRow, earlier: readonly IVariableRow[]): FormProblem | undefined {
  if (name === '' && value === '') {
    return undefined;
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return 'variable-name';
  }
  return earlier.some(other => other.name === name) ? 'variable-twice' : nul(value);
}

/**
 * The options that the fields ask for.
 *
 * The working directory is bound as well as named, so that the line does the same wherever it is pasted.
 * @param gpuFound whether the machine has a GPU: decides `auto`
 */
export function optionsOf(form: IRunForm, gpuFound: boolean): RunOptions {
  const rows = form.binds.filter(bind => !isEmpty(bind));
  const folder = form.folder.trim();
  const known = rows.some(bind => target(bind) === folder);
  const binds = [...(folder !== '' && !known && isOwnFolder(folder) ? [escaped(folder)] : []), ...rows.map(bindText)];
  const variables = form.variables.filter(({ name }) => name !== '');
  return {
    ...(binds.length > 0 && { binds }),
    ...(variables.length > 0 && { env: Object.fromEntries(variables.map(({ name, value }) => [name, value])) }),
    ...((form.gpu === 'on' || (form.gpu === 'auto' && gpuFound)) && { nv: true }),
    ...(form.identity !== 'auto' && { as: form.identity }),
    ...(form.writable === 'memory' && { writableTmpfs: true }),
    ...(folder !== '' && { pwd: folder })
  };
}

/** The job for fields that have no problems. */
export function jobOf(form: IRunForm, gpuFound: boolean): NewJob & { kind: 'run' } {
  const split = splitWords(form.command);
  const options = optionsOf(form, gpuFound);
  return {
    kind: 'run',
    image: resolvedImage(form),
    command: 'words' in split ? [...split.words] : [],
    ...(Object.keys(options).length > 0 && { options })
  };
}

/** What a person would type for it: words, for quoteLine(). */
export function wordsOf(job: NewJob): string[] {
  return ['nbcontainer', ...jobWords(job)];
}

/** The daemon works elsewhere: a file's name alone means one of the working directory. */
export function resolvedImage({ image, folder }: Pick<IRunForm, 'image' | 'folder'>): string {
  const name = image.trim();
  const isFile = /^\.{1,2}\//.test(name) || (/\.(sif|simg)$/i.test(name) && !/^([/~]|[A-Za-z][\w+-]*:)/.test(name));
  const from = folder.trim();
  return isFile && from.startsWith('/') ? `${from.replace(/\/+$/, '')}/${name.replace(/^(\.\/+)+/, '')}` : name;
}

/** Directories that belong to the image: a working directory there is only named. */
function isOwnFolder(folder: string): boolean {
  const plain = folder.replace(/\/+$/, '');
  return (
    plain !== '' &&
    !/^\/(bin|boot|dev|etc|lib(32|64|x32)?|opt|proc|run|sbin|srv|sys|tmp|usr|var)$/.test(plain) &&
    !/^\/(dev|proc|sys)\//.test(plain)
  );
}

/** `SRC[:DST[:ro]]`; a backslash keeps what would separate. */
export function bindText(bind: IBindRow): string {
  const source = bind.source.trim();
  const same = target(bind) === source;
  const parts = [source, ...(same && !bind.readOnly ? [] : [target(bind)])].map(escaped);
  return [...parts, ...(bind.readOnly ? ['ro'] : [])].join(':');
}

function escaped(text: string): string {
  return text.replace(/[\\:,]/g, '\\$&');
}

/** The row of a `SRC[:DST[:ro|rw]]` of the settings. */
export function bindRow(text: string): IBindRow {
  const parts = [''];
  for (const piece of text.match(/\\.|[^\\]|\\$/gs) ?? []) {
    if (piece === ':') {
      parts.push('');
    } else {
      parts.push((parts.pop() ?? '') + (/^\\[\\:,]$/.test(piece) ? piece.slice(1) : piece));
    }
  }
  const [source = '', destination = '', mode = ''] = parts;
  return { source, destination, readOnly: mode === 'ro' };
}
