// SPDX-License-Identifier: BSD-3-Clause
/**
 * A reverse proxy in front of a test registry that misbehaves on request: cuts, damages, slows down, forgets ranges,
 * redirects to signed addresses that expire. Blob requests only, unless said otherwise; all bytes are counted.
 */
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the proxy does to blob answers; change `proxy.behaviour` at any time. */
export interface IBehaviour {
  /** Destroys the connection after this many bytes of a body; for the first `cuts` answers, default for all. */
  cutAfter?: number;
  cuts?: number;
  /** Ends each body cleanly after this many bytes, without a Content-Length. */
  truncateAfter?: number;
  /** Replaces the byte at this position of each body. */
  corruptAt?: number;
  /** Answers a range request with 200 and everything. */
  ignoreRange?: boolean;
  /** Bytes per second and connection. */
  bytesPerSecond?: number;
  /** Redirects blobs to a second origin under a signed address that works this many times. */
  signedUses?: number;
  /** Sends no more of any blob once this many bytes have been sent in all; connections stay open. */
  freezeAt?: number;
  /** Sends nothing for blobs after the headers. */
  stall?: boolean;
  /** Answers of the next requests of any kind, before anything is passed on. */
  next?: { status: number; headers?: Record<string, string>; body?: string }[];
}

export interface ISeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** At the signed address, not at the registry. */
  readonly signed: boolean;
  /** Body bytes that were written to the client. */
  sent: number;
  status: number;
}

export interface ITestProxy {
  readonly host: string;
  readonly port: number;
  /** Origin of the signed addresses: another port, so another origin. */
  readonly storageHost: string;
  behaviour: IBehaviour;
  readonly seen: ISeenRequest[];
  /** Body bytes of blobs written to clients. */
  blobBytes(): number;
  /** Most blob answers at the same time. */
  readonly peak: () => number;
  stop(): Promise<void>;
}

const isBlob = (url: string) => /\/blobs\//.test(url);
const SIGNATURE = /[?&]signature=(\d+)/;

/** Starts a proxy for `target` (`127.0.0.1:PORT`, plain HTTP). */
export async function startProxy(target: string, behaviour: IBehaviour = {}): Promise<ITestProxy> {
  const seen: ISeenRequest[] = [];
  let [active, peak, signatures] = [0, 0, 0];
  const uses = new Map<string, number>();

  const forward = async (incoming: IncomingMessage, outgoing: ServerResponse, signed: boolean) => {
    const { behaviour: now } = proxy;
    const url = incoming.url ?? '/';
    const record: ISeenRequest = {
      method: incoming.method ?? 'GET',
      url,
      headers: incoming.headers,
      signed,
      sent: 0,
      status: 0
    };
    seen.push(record);
    const answer = (status: number, headers: Record<string, string> = {}, body = '') => {
      record.status = status;
      outgoing.writeHead(status, headers).end(body);
    };
    const planned = now.next?.shift();
    if (planned !== undefined) {
      return answer(planned.status, planned.headers, planned.body);
    }
    const blob = isBlob(url);
    if (signed) {
      const signature = SIGNATURE.exec(url)?.[1] ?? '';
      const left = uses.get(signature) ?? 0;
      if (left <= 0 || incoming.headers.authorization !== undefined) {
        return answer(left <= 0 ? 403 : 400, {}, '<Error>Request has expired</Error>');
      }
      uses.set(signature, left - 1);
    }

    const headers = { ...incoming.headers, host: target };
    if (now.ignoreRange && blob) {
      delete headers.range;
    }
    // What the second origin serves is fetched with the login that the first one was given.
    const login = signed ? logins.get(SIGNATURE.exec(url)?.[1] ?? '') : undefined;
    if (login !== undefined) {
      headers.authorization = login;
    }
    const upstream = httpRequest({
      host: target.split(':')[0],
      port: Number(target.split(':')[1]),
      method: incoming.method,
      path: url.replace(SIGNATURE, ''),
      headers
    });
    upstream.end();
    const [response] = (await once(upstream, 'response')) as [IncomingMessage];
    const status = response.statusCode ?? 502;
    if (blob && !signed && status < 300 && now.signedUses !== undefined) {
      response.destroy();
      const signature = String(++signatures);
      uses.set(signature, now.signedUses);
      if (incoming.headers.authorization !== undefined) {
        logins.set(signature, incoming.headers.authorization);
      }
      return answer(307, { location: `http://${proxy.storageHost}${url}?signature=${signature}` });
    }
    record.status = status;
    const outHeaders = { ...response.headers };
    if (blob && status < 300) {
      if (now.truncateAfter !== undefined) {
        delete outHeaders['content-length'];
      }
      outgoing.writeHead(status, outHeaders);
      active++;
      peak = Math.max(peak, active);
      try {
        await sendBody(response, outgoing, record, now, () => proxy.blobBytes());
      } finally {
        active--;
      }
    } else {
      outgoing.writeHead(status, outHeaders);
      response.pipe(outgoing);
    }
  };
  const logins = new Map<string, string>();
  const handler = (signed: boolean) => (incoming: IncomingMessage, outgoing: ServerResponse) => {
    forward(incoming, outgoing, signed).catch(() => outgoing.destroy());
  };
  const servers = [createServer(handler(false)), createServer(handler(true))] as const;
  const ports = await Promise.all(servers.map(listen));
  const [port = 0, storagePort = 0] = ports;

  const proxy: ITestProxy = {
    host: `127.0.0.1:${port}`,
    port,
    storageHost: `127.0.0.1:${storagePort}`,
    behaviour,
    seen,
    blobBytes: () => seen.filter(({ url }) => isBlob(url)).reduce((sum, { sent }) => sum + sent, 0),
    peak: () => peak,
    async stop() {
      await Promise.all(
        servers.map(async server => {
          const closed = once(server, 'close');
          server.close();
          server.closeAllConnections();
          await closed;
        })
      );
    }
  };
  return proxy;
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      outgoing.off('drain', done).off('close', done);
      resolve();
    };
    outgoing.on('drain', done).on('close', done);
  });
}

async function sendBody(
  response: IncomingMessage,
  outgoing: ServerResponse,
  record: ISeenRequest,
  behaviour: IBehaviour,
  total: () => number
): Promise<void> {
  if (behaviour.stall) {
    outgoing.flushHeaders();
    await once(outgoing, 'close');
    return;
  }
  const cut = behaviour.cutAfter !== undefined && (behaviour.cuts === undefined || behaviour.cuts-- > 0);
  const limit = cut ? behaviour.cutAfter : behaviour.truncateAfter;
  const started = performance.now();
  for await (const piece of response as AsyncIterable<Buffer>) {
    // Small pieces, so that a slow connection is slow all the time.
    for (let offset = 0; offset < piece.length; offset += 16_384) {
      let chunk = piece.subarray(offset, offset + 16_384);
      if (limit !== undefined) {
        chunk = chunk.subarray(0, limit - record.sent);
      }
      const at = behaviour.corruptAt === undefined ? -1 : behaviour.corruptAt - record.sent;
      if (at >= 0 && at < chunk.length) {
        chunk = Buffer.from(chunk);
        chunk[at] = (chunk[at] ?? 0) ^ 0xff;
      }
      while (behaviour.freezeAt !== undefined && total() >= behaviour.freezeAt && !outgoing.destroyed) {
        await sleep(5);
      }
      if (outgoing.destroyed) {
        return;
      }
      record.sent += chunk.length;
      if (!outgoing.write(chunk)) {
        await drained(outgoing);
      }
      if (limit !== undefined && record.sent >= limit) {
        response.destroy();
        if (cut) {
          // Let what was written arrive first.
          await sleep(150);
          outgoing.destroy();
        } else {
          outgoing.end();
        }
        return;
      }
      if (behaviour.bytesPerSecond !== undefined) {
        const due = (record.sent / behaviour.bytesPerSecond) * 1000 - (performance.now() - started);
        if (due > 4) {
          await sleep(due);
        }
      }
    }
  }
  outgoing.end();
}
