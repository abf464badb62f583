// SPDX-License-Identifier: BSD-3-Clause
/** The client's transport in Node: HTTP and WebSockets over the daemon's unix socket. */
import { request as httpRequest } from 'node:http';
import { WebSocket } from 'ws';
import { webSocketChannel } from '../api/channel.ts';
import type { IAnswer, ITransport } from '../api/client.ts';
import { API_HEADER, API_VERSION } from '../api/routes.ts';

/** Milliseconds without an answer. Cancelling a job may take its whole grace. */
const TIMEOUT = 30_000;

/** Rejects with the socket's own error (ENOENT, ECONNREFUSED) when nobody listens. */
export function socketTransport(socketPath: string, timeout: number = TIMEOUT): ITransport {
  return {
    request: (method, path, body) =>
      new Promise<IAnswer>((resolve, reject) => {
        const text = body === undefined ? undefined : JSON.stringify(body);
        const request = httpRequest(
          {
            socketPath,
            method,
            path,
            timeout,
            headers: {
              [API_HEADER]: String(API_VERSION),
              ...(text !== undefined && {
                'content-type': 'application/json',
                'content-length': Buffer.byteLength(text)
              })
            }
          },
          response => {
            let received = '';
            response.setEncoding('utf8').on('data', (chunk: string) => (received += chunk));
            response.on('error', reject);
            response.on('end', () => {
              try {
                resolve({ status: response.statusCode ?? 0, body: JSON.parse(received) as unknown });
              } catch (error) {
                reject(error);
              }
            });
          }
        );
        request.on('timeout', () => request.destroy(new Error('the daemon does not answer')));
        request.on('error', reject);
        request.end(text);
      }),
    open: (path, handlers) =>
      webSocketChannel(
        new WebSocket(`ws+unix://${socketPath}:${path}`, {
          headers: { [API_HEADER]: String(API_VERSION) },
          perMessageDeflate: false
        }),
        handlers
      )
  };
}
