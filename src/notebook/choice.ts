// SPDX-License-Identifier: BSD-3-Clause
/** The image that a notebook remembers in its metadata, and what may come of one from elsewhere. Pure. */
import type { Image, RunOptions } from '../../lib-runtime/api/schema.ts';
import type { ISettingValues } from '../setting-values.ts';

/** Key of the notebook's metadata. */
export const METADATA_KEY = 'nbcontainer';

export interface INotebookChoice {
  /** As on the command line: a name of the store, a path, a reference. */
  readonly image: string;
  /** Of its manifest, when it is known: the very image that was used. */
  readonly digest?: string;
  /** What is wanted beyond the user's settings. */
  readonly options: RunOptions;
}

/** What the metadata says, as far as it makes sense; undefined without an image. */
export function readChoice(metadata: unknown): INotebookChoice | undefined {
  const { image, digest, options } = record(metadata);
  // What begins with a dash would be read as an option.
  if (typeof image !== 'string' || image.trim() === '' || image.startsWith('-') || image.includes('\0')) {
    return undefined;
  }
  return {
    image,
    ...(typeof digest === 'string' && digest !== '' && { digest }),
    options: readOptions(record(options))
  };
}

/** For the metadata: nothing that is empty. */
export function writeChoice({ image, digest, options }: INotebookChoice): Record<string, string | RunOptions> {
  return {
    image,
    ...(digest !== undefined && { digest }),
    ...(Object.keys(options).length > 0 && { options })
  };
}

function readOptions(given: Readonly<Record<string, unknown>>): RunOptions {
  const binds = Array.isArray(given.binds) ? given.binds.filter(isWord) : [];
  const env = Object.entries(record(given.env)).filter(
    (pair): pair is [string, string] => /^[A-Za-z_][A-Za-z0-9_]*$/.test(pair[0]) && isText(pair[1])
  );
  const as = (['user', 'root', 'fakeroot'] as const).find(one => one === given.as);
  const flags = (['nv', 'cleanenv', 'contain', 'writableTmpfs'] as const).filter(
    name => typeof given[name] === 'boolean'
  );
  return {
    ...(binds.length > 0 && { binds }),
    ...(env.length > 0 && { env: Object.fromEntries(env) }),
    ...Object.fromEntries(flags.map(name => [name, given[name] === true])),
    ...(as !== undefined && { as }),
    ...(isWord(given.pwd) && { pwd: given.pwd })
  };
}

/** A choice's options with the user's settings below them. */
export function withSettings(options: RunOptions, settings: ISettingValues, hasGpu: boolean): RunOptions {
  const binds = [...new Set([...settings.binds, ...(options.binds ?? [])])];
  const as = options.as ?? (settings.identity === 'auto' ? undefined : settings.identity);
  return {
    ...options,
    nv: options.nv ?? (settings.gpu === 'auto' ? hasGpu : settings.gpu === 'on'),
    ...(binds.length > 0 && { binds }),
    ...(as !== undefined && { as })
  };
}

/** A GPU takes nothing from anybody; everything else may. */
export function wantsMore(options: RunOptions): boolean {
  return Object.keys(options).some(name => name !== 'nv');
}

export interface IQuestion {
  /** The whole notebook, when it was opened: Jupyter knows that this user ran or wrote it. */
  readonly trusted: boolean;
  /** Of the notebook alone, without the settings. */
  readonly options: RunOptions;
  /** The line that would run. */
  readonly line: string;
  /** Lines that the user chose or agreed to. */
  readonly accepted: readonly string[];
}

/** Whether the user is to see the line and agree before it runs. */
export function mustAsk({ trusted, options, line, accepted }: IQuestion): boolean {
  return (!trusted || wantsMore(options)) && !accepted.includes(line);
}

/** Remembered lines. */
const REMEMBERED = 100;

/** Puts a line first; what a database holds may be anything. */
export function acceptLine(stored: unknown, line?: string): string[] {
  const lines = Array.isArray(stored) ? stored.filter(isWord) : [];
  return line === undefined ? lines : [line, ...lines.filter(other => other !== line)].slice(0, REMEMBERED);
}

/** The digest of an image that the store has under this name or fetched from this source. */
export function digestOf(image: string, images: readonly Image[] | undefined): string | undefined {
  return images?.find(one => one.name === image || one.path === image || one.source === image)?.manifestDigest;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0');
}

function isWord(value: unknown): value is string {
  return isText(value) && value !== '';
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
