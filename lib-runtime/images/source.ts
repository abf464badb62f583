// SPDX-License-Identifier: BSD-3-Clause
/** What a user may write where an image is expected -> where to look for it. Pure (reference/runtimes.md 4, URIs). */
import { parseReference, type IReference } from '../registry/reference.ts';
import { ContainerError, printable } from '../support/errors.ts';

export type ImageSource =
  | { readonly kind: 'registry'; readonly text: string; readonly reference: IReference }
  /** `rest` is `PATH[:TAG]`; a path may hold colons, see splitLayout. */
  | { readonly kind: 'oci' | 'oci-archive'; readonly text: string; readonly rest: string }
  /** A SIF, squashfs file or directory. */
  | { readonly kind: 'path'; readonly text: string; readonly path: string }
  /** A bare word: a file of that name, else a name that the store knows. */
  | { readonly kind: 'name'; readonly text: string };

const WORKS = 'docker://, oci:, oci-archive: and paths of SIF files, squashfs files and directories work';

/** Schemes that Apptainer or Docker know and that we do not take yet. */
const LATER = [
  'oras',
  'library',
  'http',
  'https',
  'shub',
  'ipfs',
  'docker-archive',
  'docker-daemon',
  'containers-storage',
  'buildkit',
  'dockerfile',
  'instance',
  'dir'
];

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
      if (!rest.startsWith('//')) {
        throw usage(`${quoted(text)} lacks the two slashes after docker:`, `Write docker://${printable(rest)}`);
      }
      return { kind: 'registry', text: `docker:${rest}`, reference: parseReference(rest.slice(2)) };
    case 'oci':
    case 'oci-archive': {
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
      if (known !== undefined && (LATER.includes(known) || rest.startsWith('//'))) {
        throw new ContainerError({
          code: 'unsupported',
          step: 'find image',
          message: `${quoted(text)} cannot be opened`,
          reason: LATER.includes(known) ? `${known}: sources are not supported yet` : `${known}:// is unknown`,
          fix: `For now ${WORKS}`
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

/** Default file name of a pulled layout, as Apptainer names it: last part of the path, tag or `latest`. */
export function layoutSifName(path: string, tag: string | undefined): string {
  const last =
    path
      .replace(/\/+$/, '')
      .split('/')
      .at(-1)
      ?.replace(/\.(tar|oci)$/, '') || 'image';
  return `${last}_${(tag ?? 'latest').replaceAll('/', '_')}.sif`;
}

const quoted = (text: string): string => `'${printable(text)}'`;

function usage(message: string, fix: string): ContainerError {
  return new ContainerError({ code: 'usage', step: 'find image', message, fix });
}
