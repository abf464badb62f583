// SPDX-License-Identifier: BSD-3-Clause
/**
 * REST: from an address to its answer. node:http with the route table of api/ is enough: some addresses, JSON only;
 * a framework would be loaded for nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import { API_HEADER, API_VERSION, type IRouteTypes, matchRoute, type RouteName } from '../api/routes.ts';
import { type GpuStatus, newJobSchema, newShellSchema, renameSchema, type Version } from '../api/schema.ts';
import { gpuUsage } from '../host/gpu-usage.ts';
import { openStore } from '../store/store.ts';
import { asContainerError, ContainerError, type ErrorCode } from '../support/errors.ts';
import { imageDetails } from './details.ts';
import type { EventHub } from './events.ts';
import type { Jobs } from './jobs.ts';
import type { Shells } from './shells.ts';

export interface IServices {
  readonly jobs: Jobs;
  readonly shells: Shells;
  readonly events: EventHub;
  readonly version: () => Version;
}

/** Bytes of a request's body, at most. */
const MAX_BODY = 4 << 20;

/** Milliseconds for which an answer about GPUs is good. */
const GPU_AGE = 1_000;

const STATUS: Partial<Record<ErrorCode, number>> = {
  usage: 400,
  'not-found': 404,
  'not-an-image': 422,
  unsupported: 422,
  architecture: 422,
  corrupt: 422,
  truncated: 422,
  exists: 409,
  locked: 409,
  permission: 403,
  refused: 403,
  'no-space': 507
};

type Handlers = {
  readonly [N in RouteName]: (id: string, body: unknown) => Promise<IRouteTypes[N]['response']>;
};

function handlers({ jobs, shells, events, version }: IServices): Handlers {
  return {
    version: async () => version(),
    images: async () => ({ images: await (await openStore()).images() }),
    removeImage: async id => {
      const freedBytes = await (await openStore()).removeImage(id);
      events.emit({ type: 'images' });
      return { freedBytes };
    },
    jobs: async () => ({ jobs: jobs.list() }),
    startJob: async (_id, body) => jobs.start(checked(newJobSchema, body)),
    job: async id => jobs.get(id),
    jobLog: async id => jobs.log(id),
    removeJob: id => jobs.remove(id),
    inspect: imageDetails,
    gpus: gpuStatus(),
    shells: async () => ({ shells: shells.list() }),
    startShell: async (_id, body) => shells.start(checked(newShellSchema, body)),
    renameShell: async (id, body) => shells.rename(id, checked(renameSchema, body).name),
    removeShell: id => shells.remove(id)
  };
}

/** Several windows ask at the same time: they get one answer. */
function gpuStatus(): () => Promise<GpuStatus> {
  let answer: { readonly status: Promise<GpuStatus>; readonly since: number } | undefined;
  return () => {
    if (!answer || performance.now() - answer.since > GPU_AGE) {
      answer = { status: gpuUsage(process.env), since: performance.now() };
    }
    return answer.status;
  };
}

/** @returns the listener of an HTTP server; it answers every request and never throws */
export function requestListener(services: IServices): (request: IncomingMessage, response: ServerResponse) => void {
  const table = handlers(services);
  return (request, response) => {
    answer(table, request).then(
      body => send(response, 200, body),
      (error: unknown) => {
        const known = asContainerError(error, 'daemon', 'the request failed');
        const status = known.message === WRONG_API ? 409 : (STATUS[known.code] ?? 500);
        send(response, status, { error: known.toJSON() });
      }
    );
  };
}

const WRONG_API = 'the daemon and its client are of different versions';

async function answer(table: Handlers, request: IncomingMessage): Promise<unknown> {
  const route = matchRoute(request.method ?? '', (request.url ?? '').replace(/\?.*$/s, ''));
  if (!route) {
    throw new ContainerError({ code: 'not-found', step: 'daemon', message: 'there is no such address' });
  }
  const api = request.headers[API_HEADER];
  // Anyone may ask for the version: that is how a stranger finds out.
  if (api !== undefined && api !== String(API_VERSION) && route.name !== 'version') {
    throw new ContainerError({
      code: 'refused',
      step: 'daemon',
      message: WRONG_API,
      fix: 'Run nbcontainer daemon stop and try again'
    });
  }
  return table[route.name](route.id, await readBody(request));
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY) {
      throw new ContainerError({ code: 'usage', step: 'daemon', message: 'the request is too large' });
    }
    chunks.push(chunk);
  }
  if (bytes === 0) {
    return undefined;
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
  } catch {
    throw new ContainerError({ code: 'usage', step: 'daemon', message: 'the request is not JSON' });
  }
}

function checked<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.join('.') ?? '';
    throw new ContainerError({
      code: 'usage',
      step: 'daemon',
      message: 'the request cannot be understood',
      reason: `${where === '' ? '' : `${where}: `}${issue?.message ?? 'it is empty'}`
    });
  }
  return parsed.data;
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store'
  });
  response.end(text);
}
