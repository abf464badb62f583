// SPDX-License-Identifier: BSD-3-Clause
/** The daemon's addresses as plain data, with the types of what goes in and comes out. No code of zod: for browsers. */
import type { GpuStatus, Image, ImageDetails, Job, JobLog, NewJob, NewShell, Shell, Version } from './schema.ts';

/** Raised when the meaning of an address or an event changes; the parties of a conversation must agree on it. */
export const API_VERSION = 2;

/** Method and path of every REST address; `:id` is one segment, percent-encoded. */
export const ROUTES = {
  version: { method: 'GET', path: '/version' },
  images: { method: 'GET', path: '/images' },
  removeImage: { method: 'DELETE', path: '/images/:id' },
  jobs: { method: 'GET', path: '/jobs' },
  startJob: { method: 'POST', path: '/jobs' },
  job: { method: 'GET', path: '/jobs/:id' },
  jobLog: { method: 'GET', path: '/jobs/:id/log' },
  /** Cancels a job that runs, forgets one that has ended. */
  removeJob: { method: 'DELETE', path: '/jobs/:id' },
  /** What an image says of itself; `:id` is a name of the store, a path or a `docker://` reference that was pulled. */
  inspect: { method: 'GET', path: '/inspect/:id' },
  gpus: { method: 'GET', path: '/gpus' },
  shells: { method: 'GET', path: '/shells' },
  startShell: { method: 'POST', path: '/shells' },
  renameShell: { method: 'PATCH', path: '/shells/:id' },
  /** Ends a shell that runs, forgets one that has ended. */
  removeShell: { method: 'DELETE', path: '/shells/:id' }
} as const;

export type RouteName = keyof typeof ROUTES;

/** Request and answer of each address. */
export interface IRouteTypes {
  version: { request: undefined; response: Version };
  images: { request: undefined; response: { images: Image[] } };
  removeImage: { request: undefined; response: { freedBytes: number } };
  jobs: { request: undefined; response: { jobs: Job[] } };
  startJob: { request: NewJob; response: Job };
  job: { request: undefined; response: Job };
  jobLog: { request: undefined; response: JobLog };
  removeJob: { request: undefined; response: Job };
  inspect: { request: undefined; response: ImageDetails };
  gpus: { request: undefined; response: GpuStatus };
  shells: { request: undefined; response: { shells: Shell[] } };
  startShell: { request: NewShell; response: Shell };
  renameShell: { request: { name: string }; response: Shell };
  removeShell: { request: undefined; response: Shell };
}

/** WebSocket address: one JSON event a text message, first the jobs and shells as they are. */
export const EVENTS_PATH = '/events';

/** WebSocket address of one shell: the binary frames of shell-frames.ts. */
export function shellSocketPath(id: string): string {
  return `/shells/${encodeURIComponent(id)}/socket`;
}

/** The id in such an address, decoded; undefined for another address. Pure. */
export function matchShellSocket(path: string): string | undefined {
  const [, segment] = /^\/shells\/([^/]+)\/socket$/.exec(path) ?? [];
  return segment === undefined ? undefined : decoded(segment) || undefined;
}

/** Code with which a shell's WebSocket is closed when the daemon has no such shell. */
export const NO_SUCH_SHELL = 4404;

/** A client may say which API it speaks; the daemon answers 409 to another one. */
export const API_HEADER = 'x-nbcontainer-api';

/** The route for a method and path, with its `:id` decoded; undefined when there is none. Pure. */
export function matchRoute(method: string, path: string): { name: RouteName; id: string } | undefined {
  const given = path.split('/');
  for (const name of Object.keys(ROUTES) as RouteName[]) {
    const route = ROUTES[name];
    const wanted = route.path.split('/');
    if (route.method !== method || wanted.length !== given.length) {
      continue;
    }
    let id = '';
    const fits = wanted.every((segment, at) => {
      const actual = given[at] ?? '';
      if (segment !== ':id') {
        return segment === actual;
      }
      id = decoded(actual);
      return id !== '';
    });
    if (fits) {
      return { name, id };
    }
  }
  return undefined;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}
