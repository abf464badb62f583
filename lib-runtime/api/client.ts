// SPDX-License-Identifier: BSD-3-Clause
/** The typed client of the daemon, for browsers and Node alike: what carries it is given from outside. */
import type { IChannelOpener } from './channel.ts';
import { type IRouteTypes, ROUTES, type RouteName } from './routes.ts';

export interface IAnswer {
  readonly status: number;
  /** Parsed JSON. */
  readonly body: unknown;
}

/** Carries one request: fetch() with Jupyter's settings in a browser, a unix socket in Node. */
export interface IRequester {
  request(method: string, path: string, body: unknown): Promise<IAnswer>;
}

/** Carries requests, and channels: see webSocketChannel for a browser's. */
export interface ITransport extends IRequester, IChannelOpener {}

/** A refusal of the daemon, with what its error says. */
export class DaemonError extends Error {
  readonly status: number;
  readonly code: string;
  readonly reason: string | undefined;
  readonly fix: string | undefined;

  constructor(status: number, body: unknown) {
    const error = field(body, 'error');
    super(asText(field(error, 'message')) ?? `the daemon answered ${status}`);
    this.name = 'DaemonError';
    this.status = status;
    this.code = asText(field(error, 'code')) ?? 'internal';
    this.reason = asText(field(error, 'reason'));
    this.fix = asText(field(error, 'fix'));
  }
}

type Arguments<N extends RouteName> = (typeof ROUTES)[N]['path'] extends `${string}:id${string}`
  ? IRouteTypes[N]['request'] extends undefined
    ? [id: string]
    : [id: string, request: IRouteTypes[N]['request']]
  : IRouteTypes[N]['request'] extends undefined
    ? []
    : [request: IRouteTypes[N]['request']];

export type DaemonClient = {
  readonly [N in RouteName]: (...args: Arguments<N>) => Promise<IRouteTypes[N]['response']>;
};

/**
 * One method per route: `client.startJob({kind: 'pull', source})`, `client.jobLog(id)`.
 * Methods reject with a DaemonError for a refusal and with the transport's own error when nothing answers.
 */
export function daemonClient(transport: IRequester): DaemonClient {
  const methods = Object.entries(ROUTES).map(([name, route]) => {
    const call = async (...args: readonly unknown[]): Promise<unknown> => {
      const hasId = route.path.includes(':id');
      const path = hasId ? route.path.replace(':id', encodeURIComponent(String(args[0]))) : route.path;
      const { status, body } = await transport.request(route.method, path, args[hasId ? 1 : 0]);
      if (status < 200 || status > 299) {
        throw new DaemonError(status, body);
      }
      return body;
    };
    return [name, call] as const;
  });
  // The table and the types are one: routes.ts; what the daemon sends is held to them by its own types.
  return Object.fromEntries(methods) as unknown as DaemonClient;
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
