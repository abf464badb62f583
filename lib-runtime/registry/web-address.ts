// SPDX-License-Identifier: BSD-3-Clause
/** Addresses of files on web servers: one spelling for each, and never a password in it. Pure. */

export interface IWebAddress {
  /** Host in lower case, no default port, no fragment, no user and password. */
  readonly url: string;
  /** Value of the Authorization header, where the address held a user and a password (RFC 7617). */
  readonly authorization?: string;
}

/** Undefined for what is no `http://` or `https://` address with a host. */
export function parseWebAddress(text: string): IWebAddress | undefined {
  if (!/^https?:\/\//i.test(text) || /[\s\u0000-\u001f\u007f]/.test(text) || !URL.canParse(text)) {
    return undefined;
  }
  const url = new URL(text);
  const { username, password } = url;
  url.hash = '';
  url.username = '';
  url.password = '';
  if (username === '' && password === '') {
    return { url: url.href };
  }
  const login = [username, password].map(decode).join(':');
  return { url: url.href, authorization: `Basic ${Buffer.from(login).toString('base64')}` };
}

/** Host and path for a message: a query may hold a signature or a token. */
export function shownAddress(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/**
 * Default name of a fetched file: the last part of the path as it is written (Apptainer, internal/pkg/util/uri
 * GetName), without the query; empty where the path ends with a slash.
 */
export function webFileName(url: string): string {
  return new URL(url).pathname.split('/').at(-1) ?? '';
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
