// SPDX-License-Identifier: BSD-3-Clause
/**
 * What Apptainer lays into an image that it makes from an OCI image, and the objects that describe it in the SIF
 * (reference/runtimes.md 1.6, 2.1, 2.2; apptainer internal/pkg/build/sources, Apptainer 1.4.5).
 */
import type { EntryType, ITreeEntry } from '../formats/tree.ts';
import { dockerEnvironmentScript, dockerRunscript, SCRIPTS } from './convention-scripts.ts';
import type { IOciConfig } from './image.ts';
import { parentOf, type IMemoryEntry } from './layer.ts';

/** Where an image comes from, for its labels and its definition. */
export interface IOrigin {
  readonly config: IOciConfig;
  /** The same as the image has it, with the fields that we have no use for. */
  readonly rawConfig?: unknown;
  /** Go's name of the architecture (`amd64`), from the OCI image configuration. */
  readonly architecture: string;
  /** Scheme of the source: `docker`, `oci`, `oci-archive`. */
  readonly bootstrap: string;
  /** The source after its scheme, as the user wrote it. */
  readonly from: string;
  readonly builtAt: Date;
}

/** One name for inspect's JSON and Apptainer's: the attributes of `apptainer inspect --json`. */
export interface IInspectAttributes {
  readonly apps?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly runscript?: string;
  readonly test?: string;
  readonly helpfile?: string;
  readonly deffile?: string;
  readonly startscript?: string;
}

const DIRECTORIES = [
  '.singularity.d',
  '.singularity.d/libs',
  '.singularity.d/actions',
  '.singularity.d/env',
  'dev',
  'proc',
  'root',
  'var',
  'var/tmp',
  'tmp',
  'etc',
  'sys',
  'home'
];

const SYMLINKS: Readonly<Record<string, string>> = {
  singularity: '.singularity.d/runscript',
  '.run': '.singularity.d/actions/run',
  '.exec': '.singularity.d/actions/exec',
  '.test': '.singularity.d/actions/test',
  '.shell': '.singularity.d/actions/shell',
  environment: '.singularity.d/env/90-environment.sh'
};

/** Paths whose type missingEntries() asks for. */
export const WATCHED_PATHS: readonly string[] = [...DIRECTORIES, ...Object.keys(SYMLINKS)];

/** Symlinks of the image under the names of ours are left out: they are made anew, as Apptainer does. */
export function isReplacedSymlink(entry: ITreeEntry): boolean {
  return entry.type === 'symlink' && Object.hasOwn(SYMLINKS, entry.path);
}

/** Labels of the image and of its conversion, sorted by name. */
export function imageLabels(origin: IOrigin): Record<string, string> {
  const labels: Record<string, string> = {
    ...origin.config.Labels,
    'org.label-schema.schema-version': '1.0',
    'org.label-schema.build-date': buildDate(origin.builtAt),
    'org.label-schema.build-arch': origin.architecture,
    'org.label-schema.usage.singularity.deffile.bootstrap': origin.bootstrap,
    'org.label-schema.usage.singularity.deffile.from': origin.from
  };
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The definition that stands for a pull. A line break in the source cannot begin a header of its own. */
export function definitionText(origin: IOrigin): string {
  return `bootstrap: ${origin.bootstrap}\nfrom: ${origin.from.replace(/[\r\n]+/g, ' ')}\n\n`;
}

/** Object `oci-config.json`: the `config` part of the OCI image configuration. */
export function ociConfigText(origin: IOrigin): string {
  return JSON.stringify(origin.rawConfig ?? origin.config);
}

/** Object `inspect-metadata.json`: what `apptainer inspect` shows without starting the image. */
export function inspectMetadataText(origin: IOrigin): string {
  const files = new Map(overlaidTexts(origin));
  const environment = Object.fromEntries(
    ['10-docker2singularity.sh', '90-environment.sh'].map(name => {
      const path = `.singularity.d/env/${name}`;
      return [`/${path}`, trimmed(files.get(path) ?? '')];
    })
  );
  const attributes: IInspectAttributes = {
    environment,
    labels: imageLabels(origin),
    runscript: trimmed(files.get('.singularity.d/runscript') ?? ''),
    deffile: trimmed(definitionText(origin)),
    startscript: trimmed(files.get('.singularity.d/startscript') ?? '')
  };
  return JSON.stringify({ data: { attributes }, type: 'container' });
}

/** Files that replace what the image has at their place, as a layer on top of its own. */
export function overlaidEntries(origin: IOrigin): IMemoryEntry[] {
  const mtime = Math.floor(origin.builtAt.getTime() / 1000);
  return overlaidTexts(origin).map(([path, text]) => {
    const bytes = Buffer.from(text);
    const mode = Object.hasOwn(SCRIPTS, path) || /\.sh$|runscript$/.test(path) ? 0o755 : 0o644;
    return { entry: { path, type: 'file', mode, uid: 0, gid: 0, mtime, size: bytes.length }, bytes };
  });
}

/**
 * Directories and symlinks that the image lacks; what it has stays as it is.
 * @param typeOf type of a path of the image incl. the overlaid files; undefined when there is nothing.
 */
export function missingEntries(typeOf: (path: string) => EntryType | undefined, mtime: number): ITreeEntry[] {
  const owner = { uid: 0, gid: 0, mtime, size: 0 };
  const made = new Set<string>();
  const isDirectory = (path: string): boolean => path === '' || made.has(path) || typeOf(path) === 'directory';
  const entries: ITreeEntry[] = [];
  for (const path of DIRECTORIES) {
    // Below a symlink of the image (`var -> private/var`) nothing is made: it would hide what lies there.
    if (typeOf(path) === undefined && isDirectory(parentOf(path))) {
      made.add(path);
      entries.push({ path, type: 'directory', mode: 0o755, ...owner });
    }
  }
  for (const [path, linkTarget] of Object.entries(SYMLINKS)) {
    if (typeOf(path) === undefined) {
      entries.push({ path, type: 'symlink', mode: 0o777, linkTarget, ...owner });
    }
  }
  return entries;
}

function overlaidTexts(origin: IOrigin): [path: string, text: string][] {
  const { config } = origin;
  return [
    ...Object.entries(SCRIPTS),
    ['etc/hosts', ''],
    ['etc/resolv.conf', ''],
    ['.singularity.d/runscript', dockerRunscript(config.Entrypoint ?? [], config.Cmd ?? [])],
    ['.singularity.d/env/10-docker2singularity.sh', dockerEnvironmentScript(config.Env ?? [])],
    ['.singularity.d/labels.json', JSON.stringify(imageLabels(origin), undefined, '\t')],
    ['.singularity.d/Singularity', definitionText(origin)]
  ];
}

/** As inspect shows files: without the line breaks at their end. */
function trimmed(text: string): string {
  return text.replace(/\n+$/, '');
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December'
];

/** `Monday_2_August_2021_14:9:36_UTC`: no leading zeros, as Apptainer writes it. */
function buildDate(date: Date): string {
  const day = `${date.getUTCDate()}_${MONTHS[date.getUTCMonth()]}_${date.getUTCFullYear()}`;
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].join(':');
  return `${DAYS[date.getUTCDay()]}_${day}_${time}_UTC`;
}
