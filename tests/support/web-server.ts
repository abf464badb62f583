// SPDX-License-Identifier: BSD-3-Clause
/** A web server of files in memory that misbehaves on request: no ranges, cuts, changes, redirects, no lengths. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface IServedFile {
  content: Buffer;
  /** Default: a digest of the content; empty for none. */
  etag?: string;
  /** Empty (the default) for none. */
  modified?: string;
  type?: string;
  /** Default true: `Range` and `If-Range` are honoured. */
  ranges?: boolean;
  /** Sends no Content-Length. */
  chunked?: boolean;
  /** Answers with this alone. */
  answer?: { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };
  /** Closes the connection behind the answer, as HTTP/1.0 does. */
  close?: boolean;
  /** Destroys the connection after this many bytes of an answer, this many times. */
  cutAfter?: number;
  cuts?: number;
  /** Called before each answer with the number of answers so far. */
  before?: (answers: number) => unknown;
  /** `NAME:PASSWORD` that is asked for. */
  login?: string;
  /** Bytes per second of each connection; default as fast as it goes. */
  pace?: number;
}

export interface IWebRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  sent: number;
}

export interface ITestWebServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** By path, with its slash. */
  readonly files: Map<string, IServedFile>;
  readonly seen: IWebRequest[];
  /** Most answers at the same time. */
  readonly peak: () => number;
  stop(): Promise<void>;
}

export async function startWebServer(tls?: { readonly cert: Buffer; readonly key: Buffer }): Promise<ITestWebServer> {
  const files = new Map<string, IServedFile>();
  const seen: IWebRequest[] = [];
  let [active, peak] = [0, 0];
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? '/').replace(/\?.*$/, '');
    const record: IWebRequest = { path, headers: request.headers, sent: 0 };
    const file = files.get(path);
    file?.before?.(seen.filter(other => other.path === path).length);
    seen.push(record);
    active++;
    peak = Math.max(peak, active);
    try {
      await answer(file, request, response, record);
    } finally {
      active--;
    }
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    handle(request, response).catch(() => response.destroy());
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    files,
    seen,
    peak: () => peak,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    }
  };
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

async function answer(
  file: IServedFile | undefined,
  request: IncomingMessage,
  response: ServerResponse,
  record: IWebRequest
): Promise<void> {
  if (file === undefined) {
    response.writeHead(404, { 'content-type': 'text/html' }).end('<html>404 Not Found</html>');
    return;
  }
  if (file.answer) {
    response.writeHead(file.answer.status, file.answer.headers).end(file.answer.body);
    return;
  }
  if (file.login !== undefined) {
    const given = Buffer.from(request.headers.authorization?.replace(/^Basic /, '') ?? '', 'base64').toString();
    if (given !== file.login) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="files"' }).end();
      return;
    }
  }
  const { content, modified = '', ranges = true } = file;
  const etag = file.etag ?? `"${createHash('sha256').update(content).digest('hex').slice(0, 16)}"`;
  const headers: Record<string, string> = {
    'content-type': file.type ?? 'application/octet-stream',
    ...(ranges && { 'accept-ranges': 'bytes' }),
    ...(file.close && { connection: 'close' }),
    ...(etag !== '' && { etag }),
    ...(modified !== '' && { 'last-modified': modified })
  };
  const condition = request.headers['if-range'];
  const honoured = ranges && (condition === undefined || condition === etag || condition === modified);
  const range = honoured ? /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') : null;
  let body = content;
  if (range) {
    const start = Number(range[1]);
    const end = Math.min(Number(range[2]) + 1, content.length);
    if (start >= content.length) {
      response.writeHead(416, { ...headers, 'content-range': `bytes */${content.length}` }).end();
      return;
    }
    body = content.subarray(start, end);
    headers['content-range'] = `bytes ${start}-${end - 1}/${content.length}`;
  }
  if (!file.chunked) {
    headers['content-length'] = String(body.length);
  }
  response.writeHead(range ? 206 : 200, headers);
  const cut = file.cutAfter !== undefined && body.length > file.cutAfter && (file.cuts ?? 0) > 0;
  if (cut) {
    file.cuts = (file.cuts ?? 0) - 1;
    body = body.subarray(0, file.cutAfter);
  }
  const step = 1 << 16;
  for (let at = 0; at < body.length && !response.destroyed; at += step) {
    const piece = body.subarray(at, at + step);
    record.sent += piece.length;
    if (!response.write(piece)) {
      await drained(response);
    }
    if (file.pace !== undefined) {
      await new Promise(resolve => setTimeout(resolve, (piece.length / (file.pace ?? 1)) * 1000));
    }
  }
  if (cut) {
    // What was written arrives first.
    await new Promise(resolve => setTimeout(resolve, 100));
    response.destroy();
    return;
  }
  response.end();
}
