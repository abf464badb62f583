// SPDX-License-Identifier: BSD-3-Clause
/** HTTP to registries: time limits, retries with backoff, redirects followed by hand. Built on node:http. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ContainerError } from '../support/errors.ts';
import { httpFetch } from './http-fetch.ts';
import { isCertificateError, networkFailure, retryAfter, statusFailure } from './network-errors.ts';
import type { INetworkFailure, IPurpose } from './network-errors.ts';

export interface IRetryPolicy {
  /** Tries in all. */
  readonly attempts: number;
  /** Milliseconds before the second try; doubled for each further one, with jitter. */
  readonly baseDelay: number;
  /** Longest wait in milliseconds; a Retry-After beyond it ends the tries. */
  readonly maxDelay: number;
}

export interface ITransportOptions {
  readonly fetch?: typeof fetch;
  readonly retry?: Partial<IRetryPolicy>;
  /** Milliseconds until an answer begins, and between two pieces of it; default 60 s. */
  readonly timeout?: number;
  readonly plainHttp?: boolean;
  /** Asked when a certificate is not trusted: says whether it may be now. */
  readonly trustMore?: (host: string) => Promise<boolean>;
}

export interface IRequestInit {
  readonly method?: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
}

const DEFAULT_RETRY: IRetryPolicy = { attempts: 5, baseDelay: 400, maxDelay: 30_000 };
const MAX_REDIRECTS = 8;

/** A failure with the knowledge whether to try again; never leaves registry/. */
export class Failure extends Error implements INetworkFailure {
  readonly error: ContainerError;
  readonly transient: boolean;
  /** Seconds that the server asks to wait. */
  readonly wait: number | undefined;

  constructor(failure: INetworkFailure, wait?: number) {
    super(failure.error.message);
    this.error = failure.error;
    this.transient = failure.transient;
    this.wait = wait;
  }
}

export class Transport {
  readonly timeout: number;
  readonly retry: IRetryPolicy;
  readonly plainHttp: boolean;
  private readonly fetch: typeof fetch;
  private readonly trustMore: (host: string) => Promise<boolean>;

  constructor(options: ITransportOptions) {
    this.fetch = options.fetch ?? httpFetch;
    this.retry = { ...DEFAULT_RETRY, ...options.retry };
    this.timeout = options.timeout ?? 60_000;
    this.plainHttp = options.plainHttp ?? false;
    this.trustMore = options.trustMore ?? (() => Promise.resolve(false));
  }

  /**
   * One request, one answer, whatever its status; redirects are not followed.
   * @throws Failure
   */
  async once(url: string, init: IRequestInit, purpose: IPurpose, signal?: AbortSignal): Promise<Response> {
    const slow = new AbortController();
    const timer = setTimeout(() => slow.abort(new DOMException('no answer', 'TimeoutError')), this.timeout);
    try {
      return await this.fetch(url, {
        method: init.method ?? 'GET',
        // Blobs must come as they are stored: fetch would undo a Content-Encoding.
        headers: { 'accept-encoding': 'identity', 'user-agent': 'nbcontainer', ...init.headers },
        ...(init.body !== undefined && { body: init.body }),
        redirect: 'manual',
        signal: signal === undefined ? slow.signal : AbortSignal.any([signal, slow.signal])
      });
    } catch (error) {
      if (isCertificateError(error) && (await this.trustMore(new URL(url).host))) {
        return await this.once(url, init, purpose, signal);
      }
      throw this.failure(error, url, purpose, slow.signal, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Follows redirects. The Authorization header goes to the first host only; a redirect from HTTPS to plain HTTP is
   * refused unless plain HTTP was asked for.
   * @returns the answer and the address it came from
   */
  async follow(
    url: string,
    init: IRequestInit,
    purpose: IPurpose,
    signal?: AbortSignal
  ): Promise<{ response: Response; url: string }> {
    let current = new URL(url);
    let headers = init.headers;
    for (let hops = 0; ; hops++) {
      const response = await this.once(current.href, { ...init, headers }, purpose, signal);
      const location = response.headers.get('location');
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null) {
        return { response, url: current.href };
      }
      await discard(response);
      const next = URL.canParse(location, current.href) ? new URL(location, current.href) : undefined;
      if (hops >= MAX_REDIRECTS || next === undefined || !/^https?:$/.test(next.protocol)) {
        throw badRedirect(purpose, hops >= MAX_REDIRECTS ? 'it sends us in circles' : 'it is no web address');
      }
      if (current.protocol === 'https:' && next.protocol === 'http:' && !this.plainHttp) {
        throw badRedirect(purpose, `it leads from HTTPS to plain HTTP on ${next.host}`);
      }
      if (next.origin !== current.origin) {
        headers = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'authorization'));
      }
      current = next;
    }
  }

  /**
   * Repeats `task` while it fails transiently.
   * @throws ContainerError; 'cancelled' on abort
   */
  async retrying<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await task();
      } catch (error) {
        if (!(error instanceof Failure)) {
          throw error;
        }
        if (!(await this.pause(error, attempt, signal))) {
          throw error.error;
        }
      }
    }
  }

  /** Waits before try `attempt + 1`. @returns false when there shall be none */
  async pause(failure: Failure, attempt: number, signal?: AbortSignal): Promise<boolean> {
    const delay = retryDelay(failure, attempt, this.retry, Math.random());
    if (delay === undefined) {
      return false;
    }
    await sleep(delay, undefined, signal ? { signal } : {}).catch(() => undefined);
    if (signal?.aborted) {
      throw cancelled();
    }
    return true;
  }

  /** The failure of an answer whose status is no success; reads the start of its body. */
  async statusFailure(response: Response, purpose: IPurpose): Promise<Failure> {
    const body = await this.start(response, purpose, 4096).catch(() => '');
    return new Failure(statusFailure(response.status, body, purpose), retryAfter(response.headers));
  }

  /**
   * The body piece by piece, with a time limit for each.
   * @throws Failure when the connection breaks or stalls
   */
  async *body(response: Response, purpose: IPurpose, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    const reader = (response.body as ReadableStream<Uint8Array> | null)?.getReader();
    if (reader === undefined) {
      return;
    }
    const slow = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const stop = () => void reader.cancel().catch(() => undefined);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      for (;;) {
        // One timer for the whole body, set back at each piece.
        timer = timer?.refresh() ?? setTimeout(() => (slow.abort(), stop()), this.timeout);
        const { done, value } = await reader.read();
        if (slow.signal.aborted || signal?.aborted) {
          throw new Error('stopped');
        }
        if (done) {
          return;
        }
        yield value;
      }
    } catch (error) {
      throw error instanceof Failure ? error : this.failure(error, response.url, purpose, slow.signal, signal);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      stop();
    }
  }

  /**
   * The first `limit` bytes of a body, or all of it, as text.
   * @throws Failure when the connection breaks or stalls
   */
  async start(response: Response, purpose: IPurpose, limit: number, signal?: AbortSignal): Promise<string> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of this.body(response, purpose, signal)) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= limit) {
        break;
      }
    }
    return Buffer.concat(chunks).subarray(0, limit).toString('utf8');
  }

  private failure(
    error: unknown,
    url: string,
    purpose: IPurpose,
    slow: AbortSignal,
    signal: AbortSignal | undefined
  ): Failure | ContainerError {
    if (signal?.aborted) {
      return cancelled();
    }
    const host = URL.canParse(url) ? new URL(url).host : purpose.host;
    const cause = slow.aborted ? Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' }) : error;
    return new Failure(networkFailure(cause, { ...purpose, host }));
  }
}

/** Milliseconds to wait before the next try, undefined for none. `random` in 0..1. */
export function retryDelay(
  failure: { readonly transient: boolean; readonly wait?: number | undefined },
  attempt: number,
  policy: IRetryPolicy,
  random: number
): number | undefined {
  if (!failure.transient || attempt >= policy.attempts) {
    return undefined;
  }
  if (failure.wait !== undefined) {
    return failure.wait * 1000 > policy.maxDelay ? undefined : failure.wait * 1000;
  }
  return Math.min(policy.baseDelay * 2 ** (attempt - 1), policy.maxDelay) * (0.75 + random / 2);
}

export function cancelled(): ContainerError {
  return new ContainerError({
    code: 'cancelled',
    step: 'pull',
    message: 'the download was cancelled',
    fix: 'Run the same command again: it goes on where it stopped'
  });
}

function badRedirect(purpose: IPurpose, reason: string): ContainerError {
  return new ContainerError({
    code: 'network',
    step: 'pull',
    message: `${purpose.host} redirects to an address that cannot be used`,
    reason,
    fix: `Check the ${purpose.web ? 'address' : 'name of the image'}; if it is right, tell those who run ${purpose.host}`
  });
}

/** Ends an answer that nobody reads. */
export async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => undefined);
}
