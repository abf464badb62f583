// SPDX-License-Identifier: BSD-3-Clause
/**
 * Image references in Docker's grammar (github.com/distribution/reference, `reference.go` and `normalize.go`):
 * `[registry[:port]/]path[:tag][@algorithm:hex]`, with Docker Hub and its `library/` as defaults.
 */
import { ContainerError, printable } from '../support/errors.ts';

export interface IReference {
  /** Registry as named by the user, with its port: `docker.io`, `ghcr.io`, `localhost:5000`. */
  readonly registry: string;
  /** Path in the registry: `library/alpine`. */
  readonly repository: string;
  readonly tag?: string;
  /** `sha256:...`; wins over the tag. */
  readonly digest?: string;
}

const DOCKER_HUB = 'docker.io';
const NAME_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const DOMAIN =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]{1,5})?$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 };
/** Longest name (registry and path) that registries take. */
const MAX_NAME = 255;

/**
 * Parses a reference; a leading `docker://` or `oras://` is passed over.
 * @throws ContainerError 'usage' that names what is wrong.
 */
export function parseReference(text: string): IReference {
  const bad = (reason: string, fix?: string): ContainerError =>
    new ContainerError({
      code: 'usage',
      step: 'reference',
      message: `'${printable(text)}' is not an image reference`,
      reason,
      fix: fix ?? 'Write it as [REGISTRY/]NAME[:TAG][@DIGEST], for example docker://ubuntu:24.04'
    });

  let rest = text.replace(/^(?:docker|oras):\/\//, '');
  if (rest === '') {
    throw bad('it is empty');
  }
  const space = /[\s\u0000-\u001f\u007f]/.exec(rest);
  if (space) {
    throw bad('it holds white space or a control character');
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(rest);
  if (scheme) {
    throw bad(`it begins with '${scheme[0]}'`, `Leave out '${scheme[0]}'`);
  }

  let digest: string | undefined;
  const at = rest.indexOf('@');
  if (at >= 0) {
    digest = rest.slice(at + 1);
    rest = rest.slice(0, at);
    checkDigest(digest, bad);
  }

  const slash = rest.indexOf('/');
  const head = slash < 0 ? '' : rest.slice(0, slash);
  const hasRegistry = slash >= 0 && (/[.:]/.test(head) || head === 'localhost' || head !== head.toLowerCase());
  let registry = hasRegistry ? head : DOCKER_HUB;
  let path = hasRegistry ? rest.slice(slash + 1) : rest;
  if (hasRegistry && !DOMAIN.test(registry)) {
    throw bad(`'${registry}' is not the name of a registry`);
  }
  const port = /:(\d+)$/.exec(registry)?.[1];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) {
    throw bad(`the port ${port} of the registry is out of range`);
  }

  let tag: string | undefined;
  const colon = path.indexOf(':');
  if (colon >= 0) {
    tag = path.slice(colon + 1);
    path = path.slice(0, colon);
    if (tag === '') {
      throw bad("the tag after ':' is missing");
    }
    if (!TAG.test(tag)) {
      throw bad(`'${tag}' is not a tag: letters, digits, '_', '.' and '-' only, at most 128`);
    }
  }

  if (path === '') {
    throw bad('the name of the image is missing');
  }
  for (const component of path.split('/')) {
    if (component === '') {
      throw bad("there is an empty part between two '/'");
    }
    if (component !== component.toLowerCase()) {
      throw bad(`'${component}' holds upper-case letters`, `Write it in lower case: ${component.toLowerCase()}`);
    }
    if (!NAME_COMPONENT.test(component)) {
      throw bad(
        `'${component}' may hold only lower-case letters and digits, with single '.', '_', '__' or '-' between`
      );
    }
  }
  if (!hasRegistry && /^[a-f0-9]{64}$/.test(path)) {
    throw bad('64 hexadecimal digits are an image id, not a name', `Write NAME@sha256:${path}`);
  }

  if (registry === 'index.docker.io' || registry === 'registry-1.docker.io') {
    registry = DOCKER_HUB;
  }
  const repository = registry === DOCKER_HUB && !path.includes('/') ? `library/${path}` : path;
  if (registry.length + 1 + repository.length > MAX_NAME) {
    throw bad(`the name is longer than ${MAX_NAME} characters`);
  }
  return {
    registry,
    repository,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest })
  };
}

function checkDigest(digest: string, bad: (reason: string) => ContainerError): void {
  if (digest === '') {
    throw bad("the digest after '@' is missing");
  }
  const [algorithm = '', hex, ...more] = digest.split(':');
  if (hex === undefined || more.length > 0) {
    throw bad(`'${digest}' is not a digest of the form sha256:HEX`);
  }
  const length = DIGEST_LENGTHS[algorithm];
  if (length === undefined) {
    throw bad(`the digest algorithm '${algorithm}' is not known`);
  }
  if (hex.length !== length || !/^[a-f0-9]+$/.test(hex)) {
    throw bad(`a ${algorithm} digest has ${length} lower-case hexadecimal digits`);
  }
}

/** The full canonical form: `docker.io/library/alpine:3.19@sha256:...`; `latest` is spelled out without a digest. */
export function formatReference(reference: IReference): string {
  const { registry, repository, digest } = reference;
  const tag = effectiveTag(reference);
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** As short as a person writes it: `alpine:3.19`, `ghcr.io/owner/name:1`. */
export function shortReference(reference: IReference): string {
  return formatReference(reference)
    .replace(/^docker\.io\/library\//, '')
    .replace(/^docker\.io\//, '');
}

/** The tag, `latest` when there is neither tag nor digest. */
function effectiveTag(reference: IReference): string | undefined {
  return reference.tag ?? (reference.digest === undefined ? 'latest' : undefined);
}

/** What stands behind `manifests/` in a request: the digest, or the tag (`latest` by default). */
export function manifestSelector(reference: IReference): string {
  return reference.digest ?? reference.tag ?? 'latest';
}

/** Host and port that answer for a registry: Docker Hub's name is not that of its server. */
export function registryHost(registry: string): string {
  return registry === DOCKER_HUB ? 'registry-1.docker.io' : registry;
}

/**
 * Default name of a pulled file, as Apptainer's (internal/pkg/util/uri GetName): `<last path>_<tag|latest>.sif`, and
 * `<last path>@<algorithm>_<hex>.sif` where the image is named by digest alone.
 */
export function defaultSifName(reference: IReference): string {
  const last = reference.repository.split('/').at(-1) ?? reference.repository;
  if (reference.tag === undefined && reference.digest !== undefined) {
    return `${last}@${reference.digest.replace(':', '_')}.sif`;
  }
  return `${last}_${reference.tag ?? 'latest'}.sif`;
}
