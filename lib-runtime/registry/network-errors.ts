// SPDX-License-Identifier: BSD-3-Clause
/**
 * What went wrong on the way to a registry, in words. Addresses are told by host only: the query of a signed address
 * is a secret, and so are headers.
 */
import { ContainerError, messageOf, printable } from '../support/errors.ts';
import type { IErrorDetails } from '../support/errors.ts';

/** Whether trying again may help: `transient` failures do. */
export interface INetworkFailure {
  readonly error: ContainerError;
  readonly transient: boolean;
}

/** What a request was for, for its error message. */
export interface IPurpose {
  /** Host and port that was asked. */
  readonly host: string;
  /** As a person writes it: `ghcr.io/owner/name:1`. */
  readonly image: string;
  /** `the manifest`, `layer 3fa9c1...` */
  readonly what: string;
  /** A file of a web server, not of a registry: other words, other advice. */
  readonly web?: boolean;
  readonly plainHttp?: boolean;
  /** Where the credentials came from, undefined for none. */
  readonly credentials?: string | undefined;
  /** Something that went wrong with the credentials on the way. */
  readonly credentialNote?: string | undefined;
}

const STEP = 'pull';

/** Codes of the error and of all that it wraps, outermost first. */
export function errorCodes(error: unknown): string[] {
  const codes: string[] = [];
  for (let current = error, depth = 0; typeof current === 'object' && current !== null && depth < 8; depth++) {
    const { code, errors, cause } = current as { code?: unknown; errors?: unknown; cause?: unknown };
    if (typeof code === 'string') {
      codes.push(code);
    }
    if (Array.isArray(errors)) {
      codes.push(...errors.flatMap(inner => errorCodes(inner)));
    }
    current = cause;
  }
  return codes;
}

const CERTIFICATE = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*|CERT_.*|ERR_TLS_CERT.*)$/;
const NOT_TLS =
  /^(ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG|ERR_SSL_HTTP_REQUEST|EPROTO|ERR_SSL_.*)$/;

/** Whether the other side's certificate is the trouble. */
export function isCertificateError(error: unknown): boolean {
  return errorCodes(error).some(code => CERTIFICATE.test(code));
}

/** The failure behind what `fetch` or its body threw. */
export function networkFailure(error: unknown, purpose: IPurpose): INetworkFailure {
  const { host } = purpose;
  const kind = purpose.web ? 'server' : 'registry';
  const codes = errorCodes(error);
  const has = (...wanted: readonly string[]) => codes.find(code => wanted.includes(code));
  const fail = (transient: boolean, details: Omit<IErrorDetails, 'step' | 'code' | 'cause'>): INetworkFailure => ({
    transient,
    error: new ContainerError({ code: 'network', step: STEP, ...details, cause: error })
  });

  if (has('ENOTFOUND')) {
    return fail(false, {
      message: `cannot find the ${kind} ${host}`,
      errno: 'ENOTFOUND',
      reason: 'its name is unknown, or this machine has no network',
      fix: `Check the spelling of the ${kind} and the network of this machine`
    });
  }
  if (has('EAI_AGAIN')) {
    return fail(true, {
      message: `cannot find the ${kind} ${host}`,
      errno: 'EAI_AGAIN',
      reason: 'the name server does not answer',
      fix: 'Check the network of this machine'
    });
  }
  if (has('ECONNREFUSED')) {
    return fail(false, {
      message: `cannot reach the ${kind} ${host}`,
      errno: 'ECONNREFUSED',
      reason: 'nothing listens there',
      fix: `Check host and port, and that the ${kind} is running`
    });
  }
  const unreachable = has('ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN');
  if (unreachable) {
    return fail(false, {
      message: `cannot reach the ${kind} ${host}`,
      errno: unreachable,
      reason: 'there is no network route to it',
      fix: 'Check the network of this machine (on Kaggle internet is off by default)'
    });
  }
  if (has('UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT')) {
    return fail(true, {
      message: `the ${kind} ${host} does not answer`,
      errno: 'ETIMEDOUT',
      reason: 'the time limit has passed',
      fix: 'Try again later, and check for a firewall or a proxy (HTTPS_PROXY)'
    });
  }
  const certificate = codes.find(code => CERTIFICATE.test(code));
  if (certificate !== undefined) {
    return fail(false, {
      message: `the certificate of ${host} is not trusted`,
      reason: certificate.toLowerCase().replaceAll('_', ' '),
      fix: 'Give the certificate of its authority in SSL_CERT_FILE=/path/ca.pem'
    });
  }
  if (codes.some(code => NOT_TLS.test(code))) {
    return fail(false, {
      message: `${host} does not speak TLS`,
      reason: `the ${kind} seems to serve plain HTTP`,
      fix: `${purpose.web ? 'Write http://' : 'Use --no-https'}, if you trust the network in between`
    });
  }
  if (error instanceof Error && error.cause instanceof Error && error.cause.message === 'bad port') {
    // https://fetch.spec.whatwg.org/#port-blocking
    return fail(false, {
      message: `the port of ${host} cannot be used`,
      reason: 'it belongs to another protocol, so HTTP clients refuse it',
      fix: `Check the port, or let the ${kind} listen on another one`
    });
  }
  const reset = has('ECONNRESET', 'EPIPE', 'ECONNABORTED', 'UND_ERR_SOCKET');
  return fail(true, {
    message: `the connection to ${host} broke`,
    ...(reset !== undefined && { errno: reset === 'UND_ERR_SOCKET' ? 'ECONNRESET' : reset }),
    reason: reset === undefined ? printable(messageOf(error)) : 'the other side closed it',
    fix: 'Run the same command again: it goes on where it stopped'
  });
}

/** Seconds to wait by Retry-After (RFC 9110 10.2.3): a number or a date; undefined when there is none. */
export function retryAfter(headers: Headers, now: number = Date.now()): number | undefined {
  const text = headers.get('retry-after')?.trim();
  if (!text) {
    return undefined;
  }
  if (/^\d+$/.test(text)) {
    return Number(text);
  }
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - now) / 1000);
}

/** First error of a registry's JSON answer (distribution-spec "Error Codes"). */
function registryMessage(body: string): { code: string; message: string } | undefined {
  try {
    const { errors } = JSON.parse(body) as { errors?: { code?: unknown; message?: unknown }[] };
    const first = errors?.[0];
    return first && { code: String(first.code ?? ''), message: String(first.message ?? '').slice(0, 300) };
  } catch {
    return undefined;
  }
}

/** The error of an HTTP status that is no success. `body` is the start of the answer. */
export function statusFailure(status: number, body: string, purpose: IPurpose): INetworkFailure {
  const { host, image, what } = purpose;
  if (purpose.web) {
    return webStatusFailure(status, purpose);
  }
  const said = registryMessage(body);
  const quoted = said?.message ? `the registry says: ${printable(said.message)}` : `it answered ${status}`;
  const fail = (transient: boolean, details: Omit<IErrorDetails, 'step'>): INetworkFailure => ({
    transient,
    error: new ContainerError({ step: STEP, ...details })
  });
  switch (status) {
    case 401:
    case 403:
      return fail(false, {
        code: 'unauthorized',
        message:
          purpose.credentials === undefined
            ? `${host} does not let the public read ${image}, or there is no such image`
            : `${host} does not let you read ${image} with the credentials from ${purpose.credentials}`,
        reason: purpose.credentialNote ?? quoted,
        fix:
          'Check the name; for a private image set APPTAINER_DOCKER_USERNAME and APPTAINER_DOCKER_PASSWORD, ' +
          'or log in with docker, podman or apptainer'
      });
    case 404:
      return fail(false, {
        code: 'not-found',
        message:
          said?.code === 'NAME_UNKNOWN'
            ? `there is no image ${image.replace(/(:[^/:@]*)?(@.*)?$/, '')} in ${host}`
            : said?.code === 'MANIFEST_UNKNOWN'
              ? `there is no ${image} in ${host}: its tag or digest is unknown`
              : `${host} does not have ${what} of ${image}`,
        reason: quoted,
        fix: 'Check the spelling of the name and the tag'
      });
    case 429:
      return fail(true, {
        code: 'refused',
        message: `${host} refuses more requests for now`,
        reason: quoted,
        fix: isDockerHub(host)
          ? "Docker Hub's limit for anonymous users is reached: log in (DOCKER_USERNAME and DOCKER_PASSWORD) or wait"
          : 'Wait a while, or log in: registries allow more to known users'
      });
    case 400:
      if (purpose.plainHttp && /HTTPS server/i.test(body)) {
        return fail(false, {
          code: 'network',
          message: `${host} speaks HTTPS`,
          reason: 'it was asked over plain HTTP',
          fix: 'Leave out --no-https'
        });
      }
  }
  if (status >= 500) {
    return fail(true, {
      code: 'network',
      message: `the registry ${host} failed to deliver ${what} of ${image}`,
      reason: said?.message ? quoted : `it answered ${status}`,
      fix: 'Try again later: it goes on where it stopped'
    });
  }
  return fail(status === 408, {
    code: 'network',
    message: `${host} gave an unexpected answer for ${what} of ${image}`,
    reason: quoted
  });
}

/** The same of a web server, whose pages say nothing that a program could quote. */
function webStatusFailure(status: number, { host, image }: IPurpose): INetworkFailure {
  const fail = (transient: boolean, details: Omit<IErrorDetails, 'step' | 'reason'>): INetworkFailure => ({
    transient,
    error: new ContainerError({ step: STEP, reason: `it answered ${status}`, ...details })
  });
  if (status === 401 || status === 403) {
    const fix = 'Check the address; where a name and a password are needed, write https://NAME:PASSWORD@HOST/...';
    return fail(false, { code: 'unauthorized', message: `${host} does not let you read ${image}`, fix });
  }
  if (status === 404 || status === 410) {
    const fix = 'Check the spelling of the address, best in a browser';
    return fail(false, { code: 'not-found', message: `${host} has no file ${image}`, fix });
  }
  if (status === 429) {
    return fail(true, { code: 'refused', message: `${host} refuses more requests for now`, fix: 'Wait a while' });
  }
  const fix = status >= 500 ? 'Try again later: it goes on where it stopped' : 'Check the address, best in a browser';
  const message = `${host} did not deliver ${image}`;
  return fail(status >= 500 || status === 408, { code: 'network', message, fix });
}

function isDockerHub(host: string): boolean {
  return /(^|\.)docker\.(io|com)$/.test(host);
}
