// SPDX-License-Identifier: BSD-3-Clause
/**
 * A file on a web server, as it is: which version of it there is now, and its bytes, by ranges side by side where the
 * server knows them. There is no digest to check against, so versions are told apart by ETag, Last-Modified and size.
 */
import { createHash, randomUUID } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { asContainerError, ContainerError } from '../support/errors.ts';
import type { ProgressListener } from '../support/progress.ts';
import type { Environment } from './credentials.ts';
import { downloadTo } from './download.ts';
import type { IDownloadOptions } from './download.ts';
import { trustMore, useProxies } from './environment.ts';
import type { IPurpose } from './network-errors.ts';
import { parseContentRange } from './ranges.ts';
import type { IRange } from './ranges.ts';
import { cancelled, discard, Transport } from './transport.ts';
import type { ITransportOptions } from './transport.ts';
import { shownAddress } from './web-address.ts';
import type { IWebAddress } from './web-address.ts';

export interface IWebOptions extends Pick<ITransportOptions, 'retry' | 'timeout'> {
  /** A redirect may lead from HTTPS to plain HTTP (`--no-https`). */
  readonly plainHttp?: boolean;
  /** Default `process.env`. */
  readonly env?: Environment;
  /** Ends everything about this file. */
  readonly signal?: AbortSignal;
}

/** What the server says of the file. */
export interface IWebVersion {
  /** Bytes; undefined where the server does not say. */
  readonly size: number | undefined;
  /** Parts of the file can be asked for. */
  readonly ranges: boolean;
  readonly etag: string | undefined;
  /** Last-Modified as it came. */
  readonly modified: string | undefined;
  /** Media type without parameters. */
  readonly type: string;
  /** The first bytes of the file, at most HEAD. */
  readonly head: Uint8Array;
}

/** Bytes asked for to see what there is: those that tell an image from a page. */
const HEAD = 512;
/** A file that changes while it is fetched is fetched anew this many times. */
const VERSIONS = 3;

/** The text by which versions are compared; undefined when the server gives nothing to tell them apart. */
export function versionName({ size, etag, modified }: IWebVersion): string | undefined {
  return etag === undefined && modified === undefined ? undefined : [etag, modified, size].join(' ');
}

export class WebFile {
  readonly url: string;
  private readonly authorization: string | undefined;
  private readonly options: IWebOptions;
  private readonly transport: Transport;
  private readonly purpose: IPurpose;
  private known: IWebVersion | undefined;
  private changed = false;

  constructor({ url, authorization }: IWebAddress, options: IWebOptions = {}) {
    const env = options.env ?? process.env;
    useProxies(env);
    const plainHttp = options.plainHttp ?? false;
    this.url = url;
    this.authorization = authorization;
    this.options = options;
    this.transport = new Transport({
      ...options,
      plainHttp,
      trustMore: host => trustMore(host, env)
    });
    this.purpose = { host: new URL(url).host, image: shownAddress(url), what: 'the file', web: true, plainHttp };
  }

  /**
   * The version that there is, by asking for its first bytes (HEAD is refused by some servers, and shows no content).
   * @throws ContainerError 'not-found', 'unauthorized', 'network' ...
   */
  async look(): Promise<IWebVersion> {
    const { signal } = this.options;
    this.known = await this.transport.retrying(async () => {
      const response = await this.answer({ range: `bytes=0-${HEAD - 1}` }, signal);
      const { headers } = response;
      const common = {
        ranges: response.status !== 200,
        etag: headers.get('etag') ?? undefined,
        modified: headers.get('last-modified') ?? undefined,
        type: headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? ''
      };
      if (response.status === 416) {
        await discard(response);
        return { ...common, size: 0, head: new Uint8Array() };
      }
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of this.transport.body(response, this.purpose, signal)) {
        chunks.push(chunk);
        length += chunk.length;
        if (length >= HEAD) {
          break;
        }
      }
      return { ...common, size: sizeOf(response), head: Buffer.concat(chunks).subarray(0, HEAD) };
    }, signal);
    return this.known;
  }

  /** What `look` or, after a change on the way, `download` found last. */
  get version(): IWebVersion | undefined {
    return this.known;
  }

  /**
   * Fetches the file to `path`, which is replaced. An interrupted download goes on where it stopped, within one boot
   * of the machine: what a power cut loses of the data nobody could tell. A file that changes meanwhile is fetched
   * anew. The caller holds a lock of the path.
   * @returns the sha256 digest of what came
   * @throws ContainerError as downloadTo
   */
  async download(
    path: string,
    options: Pick<IDownloadOptions, 'onProgress' | 'chunk' | 'connections'>
  ): Promise<string> {
    const { signal } = this.options;
    for (let tries = 1; ; tries++) {
      const version = this.known ?? (await this.look());
      this.changed = false;
      try {
        if (version.size === undefined) {
          return await this.stream(path, options.onProgress);
        }
        const size = version.size;
        const source = {
          digest: await identity(this.url, version),
          unverified: true,
          ranges: version.ranges,
          size,
          purpose: this.purpose,
          open: (range: IRange | undefined, stop: AbortSignal) => this.open({ ...version, size }, range, stop)
        };
        return await downloadTo(this.transport, source, path, { ...options, ...(signal && { signal }) });
      } catch (error) {
        // Set by open(), which nobody sees from here.
        if (!(this.changed as boolean) || tries >= VERSIONS) {
          throw error;
        }
        this.known = undefined;
      }
    }
  }

  /** A range, or all, of one version. */
  private async open(
    version: IWebVersion & { readonly size: number },
    range: IRange | undefined,
    signal: AbortSignal
  ): Promise<Response> {
    // RFC 9110 13.1.5: a weak ETag will not do.
    const same = version.etag?.startsWith('"') ? version.etag : version.modified;
    const headers = {
      ...(range && { range: `bytes=${range.start}-${range.end - 1}` }),
      ...(range && same !== undefined && { 'if-range': same })
    };
    const response = await this.answer(headers, signal);
    const now = (name: string): string | undefined => response.headers.get(name) ?? undefined;
    const differs = (was: string | undefined, is: string | undefined): boolean => is !== undefined && is !== was;
    const size = response.status === 416 ? emptyRangeSize(response) : sizeOf(response);
    if (
      differs(version.etag, now('etag')) ||
      differs(version.modified, now('last-modified')) ||
      (size !== undefined && size !== version.size)
    ) {
      await discard(response);
      this.changed = true;
      throw new ContainerError({
        code: 'network',
        step: 'pull',
        message: `${this.purpose.image} changes while it is fetched`,
        reason: 'its server shows another version at each request',
        fix: 'Try again when its owner has finished writing it'
      });
    }
    return response;
  }

  /** One request; 200, 206 (when a range was asked for) and 416 come back. @throws Failure */
  private async answer(headers: Record<string, string>, signal: AbortSignal | undefined): Promise<Response> {
    const { authorization } = this;
    const { response } = await this.transport.follow(
      this.url,
      { headers: { ...headers, ...(authorization !== undefined && { authorization }) } },
      this.purpose,
      signal
    );
    if (![200, 206, 416].includes(response.status)) {
      throw await this.transport.statusFailure(response, this.purpose);
    }
    return response;
  }

  /** A file whose length the server does not tell: one request, from its beginning at each try. */
  private async stream(path: string, onProgress: ProgressListener | undefined): Promise<string> {
    const { signal } = this.options;
    const part = `${path}.part`;
    try {
      return await this.transport.retrying(async () => {
        const hash = createHash('sha256');
        const file = await open(part, 'w', 0o600);
        let done = 0;
        try {
          const response = await this.answer({}, signal);
          for await (const chunk of this.transport.body(response, this.purpose, signal)) {
            await file.writeFile(chunk);
            hash.update(chunk);
            done += chunk.length;
            onProgress?.({ phase: 'download', done, unit: 'bytes' });
          }
        } finally {
          await file.close();
        }
        await rename(part, path);
        return `sha256:${hash.digest('hex')}`;
      }, signal);
    } catch (error) {
      await rm(part, { force: true });
      throw signal?.aborted ? cancelled() : asContainerError(error, 'pull', `cannot fetch ${this.purpose.image}`);
    }
  }
}

/** Size of the whole file by an answer; undefined where it does not say. */
function sizeOf({ status, headers }: Response): number | undefined {
  if (status === 206) {
    return parseContentRange(headers.get('content-range'))?.size;
  }
  const length = headers.get('content-length');
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

/** RFC 9110 15.5.17: an unsatisfiable range is answered with the size after a star and a slash. */
function emptyRangeSize({ headers }: Response): number | undefined {
  const size = /^bytes \*\/(\d{1,15})$/.exec(headers.get('content-range') ?? '')?.[1];
  return size === undefined ? undefined : Number(size);
}

/** In the shape of a digest, for the journal; without anything to tell versions apart, different each time. */
async function identity(url: string, version: IWebVersion): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => randomUUID());
  const parts = [url, versionName(version) ?? randomUUID(), boot];
  return `sha256:${createHash('sha256').update(parts.join('\n')).digest('hex')}`;
}
