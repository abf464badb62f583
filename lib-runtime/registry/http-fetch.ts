// SPDX-License-Identifier: BSD-3-Clause
/**
 * fetch() on node:http, for servers that close each connection behind its answer (`python3 -m http.server`). Node's own
 * fetch, as of Node 24.19, ends the process with a failed assertion (undici, Parser.finish) when such a close comes
 * while the reader of a body is slower than the network.
 */
import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import type { ReadableStream as NodeStream } from 'node:stream/web';

/** Answers that have no body (Fetch standard, null body status). */
const NO_BODY = [204, 205, 304];

/**
 * As much of fetch as registry/transport.ts uses: method, headers, a body that is text, signal; redirects are never followed, an encoded
 * body stays encoded. Proxies and authorities of certificates are those of the process, see environment.ts.
 */
export const httpFetch: typeof fetch = (input, init = {}) =>
  new Promise((resolve, reject) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const request = (url.protocol === 'https:' ? https : http).request(url, {
      method: init.method ?? 'GET',
      headers: Object.fromEntries(new Headers(init.headers) as unknown as Iterable<[string, string]>),
      ...(init.signal && { signal: init.signal })
    });
    request.once('error', reject);
    request.once('response', message => {
      const status = message.statusCode ?? 0;
      if (status < 200 || status > 599) {
        message.destroy();
        reject(new Error(`it answered ${status}`));
        return;
      }
      const headers = new Headers();
      for (const [name, values = []] of Object.entries(message.headersDistinct)) {
        values.forEach(value => headers.append(name, value));
      }
      if (NO_BODY.includes(status)) {
        message.resume();
        resolve(new Response(null, { status, headers }));
        return;
      }
      // The same class under two declarations.
      const body = Readable.toWeb(message) as NodeStream<Uint8Array> as unknown as ReadableStream<Uint8Array>;
      resolve(new Response(body, { status, headers }));
    });
    request.end(typeof init.body === 'string' ? init.body : undefined);
  });
