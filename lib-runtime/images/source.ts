// SPDX-License-Identifier: BSD-3-Clause
/** What a user may write where an image is expected -> where to look for it. Pure (reference/runtimes.md 4, URIs). */
import { parseReference, type IReference } from '../registry/reference.ts';
import { parseWebAddress } from '../registry/web-address.ts';
import { ContainerError, printable } from '../support/errors.ts';

export type ImageSource =
  | {
      readonly kind: 'registry';
      readonly text: string;
      /** What is in the registry decides, not this word: it is part of the name alone. */
      readonly scheme: 'docker' | 'oras';
      readonly reference: IReference;
    }
  /** A file on a web server. `text` holds no password, `address` may. */
  | { readonly kind: 'web'; readonly text: string; readonly address: string }
  /** `rest` is `PATH[:TAG]`; a path may hold colons, see splitLayout and splitArchive. */
  | { readonly kind: 'oci' | 'oci-archive' | 'docker-archive'; readonly text: string; readonly rest: string }
  /** A SIF, squashfs file or directory. */
  | { readonly kind: 'path'; readonly text: string; readonly path: string }
  /** A bare word: a file of that name, else a name that the store knows. */
  | { readonly kind: 'name'; readonly text: string };

const WORKS =
  'docker://, oras://, https://, oci:, oci-archive:, docker-archive: and paths of SIF files, squashfs files and directories work';

/** Schemes of servers of their own, with what to do instead. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  [
    'library',
    'Download the SIF file in a browser, or with apptainer pull on another machine, and use it by its path; or take docker://NAME of the same software'
  ],
  ['docker-daemon', 'docker save NAME -o FILE, then docker-archive:FILE'],
  ['shub', 'Singularity Hub is closed: take the same software from docker://NAME']
]);

/** Schemes that Apptainer or Docker know and that we do not take yet. */
const LATER = ['ipfs', 'containers-storage', 'buildkit', 'dockerfile', 'instance', 'dir'];

/**
 * @throws ContainerError `usage` for an empty text, a bad reference or a misspelt scheme; `unsupported` for schemes
 *   that we do not take yet.
 */
export function parseSource(text: string): ImageSource {
  if (text === '') {
    throw usage('the name of the image is empty', 'Give a path or a reference such as docker://ubuntu:24.04');
  }
  if (text.includes('\0')) {
    throw usage('the name of the image holds a NUL character', 'Give a path or a reference');
  }
  const [, scheme, rest = ''] = /^([A-Za-z][A-Za-z0-9+-]*):(.*)$/s.exec(text) ?? [];
  const known = scheme?.toLowerCase();
  switch (known) {
    case 'docker':
    case 'oras':
      if (!rest.startsWith('//')) {
        throw usage(`${quoted(text)} lacks the two slashes after ${known}:`, `Write ${known}://${printable(rest)}`);
      }
      return { kind: 'registry', text: `${known}:${rest}`, scheme: known, reference: parseReference(rest.slice(2)) };
    case 'http':
    case 'https': {
      const web = parseWebAddress(text);
      if (web === undefined) {
        throw usage(`${quoted(text)} is no web address`, `Write ${known}://HOST/PATH/IMAGE.sif, spaces as %20`);
      }
      return { kind: 'web', text: web.url, address: text };
    }
    case 'oci':
    case 'oci-archive':
    case 'docker-archive': {
      const path = rest.startsWith('//') ? rest.slice(2) : rest;
      if (path === '') {
        throw usage(`${quoted(text)} names no ${known === 'oci' ? 'directory' : 'file'}`, `Write ${known}:PATH[:TAG]`);
      }
      return { kind: known, text, rest: path };
    }
    case 'file':
      if (rest.startsWith('//')) {
        return { kind: 'path', text, path: rest.slice(2) };
      }
      break;
    default:
      if (known !== undefined && (ELSEWHERE.has(known) || LATER.includes(known) || rest.startsWith('//'))) {
        const isKnown = ELSEWHERE.has(known) || LATER.includes(known);
        throw new ContainerError({
          code: 'unsupported',
          step: 'find image',
          message: `${quoted(text)} cannot be opened`,
          reason: isKnown ? `${known}: sources are not supported` : `${known}:// is unknown`,
          fix: ELSEWHERE.get(known) ?? `For now ${WORKS}`
        });
      }
  }
  return text.includes('/') || text === '.' || text === '..'
    ? { kind: 'path', text, path: text }
    : { kind: 'name', text };
}

/**
 * `PATH[:TAG]` of a layout: the whole text when that exists (paths may hold colons), else what stands before the last
 * colon.
 */
export function splitLayout(rest: string, exists: (path: string) => boolean): { path: string; tag?: string } {
  const colon = rest.lastIndexOf(':');
  if (colon < 0 || exists(rest)) {
    return { path: rest };
  }
  const tag = rest.slice(colon + 1);
  return tag === '' ? { path: rest.slice(0, colon) } : { path: rest.slice(0, colon), tag };
}

/**
 * `PATH[:NAME[:TAG]]` of a saved image: the longest part before a colon that exists (paths and names may hold colons),
 * else what stands before the first colon.
 */
export function splitArchive(rest: string, exists: (path: string) => boolean): { path: string; tag?: string } {
  const parts = rest.split(':');
  const candidates = parts.map((_, at) => parts.length - at).filter(count => exists(parts.slice(0, count).join(':')));
  const [count = 1] = candidates;
  const tag = parts.slice(count).join(':');
  return { path: parts.slice(0, count).join(':'), ...(tag !== '' && { tag }) };
}

/** Default file name of a pulled layout, as Apptainer names it: last part of the path, tag or `latest`. */
export function layoutSifName(path: string, tag: string | undefined): string {
  const last =
    path
      .replace(/\/+$/, '')
      .split('/')
      .at(-1)
      ?.replace(/\.(tar|oci|tar\.gz|tgz)$/, '') || 'image';
  return `${last}_${(tag ?? 'latest').replace(/[/:@]/g, '_')}.sif`;
}

const quoted = (text: string): string => `'${printable(text)}'`;

function usage(message: string, fix: string): ContainerError {
  return new ContainerError({ code: 'usage', step: 'find image', message, fix });
}
