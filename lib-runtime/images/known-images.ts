// SPDX-License-Identifier: BSD-3-Clause
/**
 * What was read of an image at an earlier start, for as long as nothing that it was read from has changed: reading the
 * squashfs of a SIF takes longer than starting its container. One file per image in the runtime directory, which is
 * ours alone.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { localCandidates, storeHome } from '../store/layout.ts';
import { requireHome } from '../support/home.ts';
import { shortName } from '../support/short-name.ts';
import type { IImageFacts } from './image.ts';
import { type ImageSource, parseSource, splitArchive, splitLayout } from './source.ts';

/** To be raised with every change of IImageFacts. */
const FORMAT = 2;
/** Files kept; each holds some ten kilobytes. */
const KEPT = 32;
/** Milliseconds: what changed later than that before it was read could change again within one tick of the clock. */
const SETTLED = 2000;

export interface IKnownImageQuestion {
  /** The image as the user wrote it. */
  readonly text: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** IHostFacts.runtimeDirectory. */
  readonly runtimeDirectory: string;
  /** As in gatherImageFacts. */
  readonly pathsOfInterest: readonly string[];
}

interface IRecord {
  readonly key: string;
  readonly paths: readonly string[];
  /** By path of the host: what stat(2) said. */
  readonly stamps: Readonly<Record<string, string>>;
  readonly facts: IImageFacts;
}

/** The facts of an earlier start; undefined when there was none, or something has changed since. */
export function recallImage(question: IKnownImageQuestion): IImageFacts | undefined {
  const place = placeOf(question);
  const record = place && readRecord(place.file);
  if (place === undefined || record?.key !== place.key) {
    return undefined;
  }
  const paths = new Set(record.paths);
  const current =
    question.pathsOfInterest.every(path => paths.has(path)) &&
    Object.entries(record.stamps).every(([path, stamp]) => stampOf(path).text === stamp);
  return current ? record.facts : undefined;
}

/**
 * Keeps what was read for the next start; does nothing where that would not be safe, or not possible.
 *
 * @param touched paths of the host that were looked at below a directory.
 */
export function rememberImage(question: IKnownImageQuestion, facts: IImageFacts, touched: Iterable<string>): void {
  const place = placeOf(question);
  if (place === undefined) {
    return;
  }
  const stamps: Record<string, string> = {};
  const latest = Date.now() - SETTLED;
  for (const path of new Set([...place.sources, facts.path, ...touched])) {
    const { text, changedMs } = stampOf(path);
    if (changedMs > latest) {
      return;
    }
    stamps[path] = text;
  }
  const record: IRecord = { key: place.key, paths: question.pathsOfInterest, stamps, facts };
  try {
    const temporary = `${place.file}.${process.pid}`;
    mkdirSync(place.directory, { mode: 0o700, recursive: true });
    writeFileSync(temporary, JSON.stringify(record), { mode: 0o600 });
    renameSync(temporary, place.file);
    forgetOldest(place.directory);
  } catch {
    // A full or read-only file system is no reason not to start.
  }
}

/** Undefined for a directory that may be written anew behind its name (oci:), and for what is no image at all. */
function placeOf({
  text,
  cwd,
  env,
  runtimeDirectory
}: IKnownImageQuestion):
  | { readonly directory: string; readonly file: string; readonly key: string; readonly sources: readonly string[] }
  | undefined {
  const home = storeHome(env, () => requireHome(env));
  const source = sourceOf(text);
  if (source === undefined || source.kind === 'oci') {
    return undefined;
  }
  const path = pathOf(source, cwd).map(name => resolve(cwd, name));
  const directory = join(runtimeDirectory, 'images');
  const code = fileURLToPath(import.meta.url);
  // Which image a name means, and under which key its trees lie, is up to the store.
  const key = [FORMAT, stampOf(code).text, source.text, ...path, home, ...localCandidates(env, 0)].join('\n');
  const sources = [...path, join(home, 'refs'), join(home, 'images')];
  return { directory, file: join(directory, `${shortName(key)}.json`), key, sources };
}

/** The file or directory that is named, none for what lies elsewhere. */
function pathOf(source: ImageSource, cwd: string): readonly string[] {
  const isThere = (path: string): boolean => existsSync(resolve(cwd, path));
  switch (source.kind) {
    case 'registry':
    case 'web':
      return [];
    case 'path':
      return [source.path];
    case 'name':
      return [source.text];
    case 'docker-archive':
      return [splitArchive(source.rest, isThere).path];
    default:
      return [splitLayout(source.rest, isThere).path];
  }
}

function sourceOf(text: string): ImageSource | undefined {
  try {
    return parseSource(text);
  } catch {
    return undefined;
  }
}

function stampOf(path: string): { readonly text: string; readonly changedMs: number } {
  try {
    const { dev, ino, mode, uid, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    const changed = mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
    return { text: [dev, ino, mode, uid, size, mtimeNs, ctimeNs].join(' '), changedMs: Number(changed / 1_000_000n) };
  } catch {
    return { text: 'none', changedMs: 0 };
  }
}

function readRecord(file: string): IRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(file, 'utf8')) as Partial<IRecord> | null;
    return record?.key !== undefined && record.paths && record.stamps && record.facts ? (record as IRecord) : undefined;
  } catch {
    return undefined;
  }
}

function forgetOldest(directory: string): void {
  const files = readdirSync(directory).map(name => join(directory, name));
  if (files.length > KEPT) {
    const age = new Map(files.map(file => [file, statSync(file).mtimeMs]));
    const old = files.sort((a, b) => (age.get(b) ?? 0) - (age.get(a) ?? 0)).slice(KEPT);
    old.forEach(file => rmSync(file, { force: true }));
  }
}
