// SPDX-License-Identifier: BSD-3-Clause
/** A client of OCI registries (OCI distribution-spec v1.1, Docker Registry HTTP API V2): manifests and blobs. */
import { createHash } from 'node:crypto';
import { parseDigest } from '../formats/oci/digest.ts';
import { parseImageConfig, parseManifestOrIndex } from '../formats/oci/documents.ts';
import type { IDescriptor, IImageConfig, IIndex, IManifest } from '../formats/oci/documents.ts';
import { MANIFEST_ACCEPT } from '../formats/oci/media-types.ts';
import { selectPlatform } from '../formats/oci/platform.ts';
import { ContainerError } from '../support/errors.ts';
import { Authorizer } from './auth.ts';
import { findCredentials } from './credentials.ts';
import type { Environment, ICredentials } from './credentials.ts';
import { downloadTo } from './download.ts';
import type { IBlobSource, IDownloadOptions } from './download.ts';
import { trustMore, useProxies } from './environment.ts';
import type { IPurpose } from './network-errors.ts';
import type { IRange } from './ranges.ts';
import { manifestSelector, registryHost, shortReference } from './reference.ts';
import type { IReference } from './reference.ts';
import { discard, Transport } from './transport.ts';
import type { IRequestInit, IRetryPolicy } from './transport.ts';

export interface IRegistryOptions {
  /** Plain HTTP in place of HTTPS (`--no-https`). */
  readonly plainHttp?: boolean;
  /** Given by the user; otherwise they are looked for, see credentials.ts. */
  readonly credentials?: ICredentials;
  /** `--authfile`. */
  readonly authFile?: string;
  /** Default `process.env`. */
  readonly env?: Environment;
  readonly fetch?: typeof fetch;
  /** Ends everything that this client does. */
  readonly signal?: AbortSignal;
  readonly retry?: Partial<IRetryPolicy>;
  /** Milliseconds without a byte after which a connection counts as broken; default 60 s. */
  readonly timeout?: number;
}

/** What `getManifest` found; every digest is of the raw bytes and has been checked. */
export interface IResolvedManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly manifest: IManifest;
  readonly raw: Uint8Array;
  /** The index that it was chosen from. */
  readonly indexDigest?: string;
  readonly index?: IIndex;
}

export interface IPlatformChoice {
  /** `uname -m`. */
  readonly machine: string;
  readonly variant?: string;
}

/** Manifests may have 4 MiB (distribution-spec); some are larger. */
const MAX_MANIFEST = 8 << 20;
const MAX_CONFIG = 16 << 20;
const MAX_TOKEN = 1 << 20;

export class RegistryClient {
  private readonly options: IRegistryOptions;
  private readonly transport: Transport;
  private readonly authorizers = new Map<string, Authorizer>();

  constructor(options: IRegistryOptions = {}) {
    this.options = options;
    const env = options.env ?? process.env;
    if (options.fetch === undefined) {
      useProxies(env);
    }
    this.transport = new Transport({ ...options, trustMore: host => trustMore(host, env) });
  }

  /**
   * The manifest of an image for a machine; of an index, the entry that runs there.
   * @throws ContainerError 'not-found', 'unauthorized', 'network', 'digest-mismatch', 'architecture', 'corrupt' ...
   */
  async getManifest(reference: IReference, platform: IPlatformChoice): Promise<IResolvedManifest> {
    const top = await this.fetchManifest(reference, manifestSelector(reference));
    const document = parseManifestOrIndex(top.raw, top.mediaType);
    if (document.kind === 'manifest') {
      return { ...top, manifest: document.manifest };
    }
    const chosen = selectPlatform(document.index, { os: 'linux', ...platform });
    const inner = await this.fetchManifest(reference, chosen.digest);
    const child = parseManifestOrIndex(inner.raw, chosen.mediaType);
    if (child.kind !== 'manifest') {
      throw new ContainerError({
        code: 'unsupported',
        step: 'pull',
        message: `${shortReference(reference)} is an index of indexes`
      });
    }
    return { ...inner, manifest: child.manifest, indexDigest: top.digest, index: document.index };
  }

  /** The image configuration of a manifest, with the raw bytes that its digest is of. */
  async getConfig(
    reference: IReference,
    manifest: IManifest
  ): Promise<{ readonly config: IImageConfig; readonly raw: Uint8Array }> {
    const raw = await this.getBlob(reference, manifest.config, { limit: MAX_CONFIG, what: 'the configuration' });
    return { config: parseImageConfig(raw), raw };
  }

  /** A small blob into memory, checked. @throws ContainerError 'corrupt' when it is larger than `limit` bytes */
  async getBlob(
    reference: IReference,
    descriptor: Pick<IDescriptor, 'digest' | 'size'>,
    options: { readonly limit: number; readonly what?: string }
  ): Promise<Uint8Array> {
    const what = options.what ?? `blob ${shortDigest(descriptor.digest)}`;
    if (descriptor.size > options.limit) {
      throw tooLarge(what, options.limit);
    }
    const path = `blobs/${descriptor.digest}`;
    const { raw } = await this.fetchSmall(reference, path, {}, descriptor.size, what);
    verify(raw, descriptor.digest, what, reference);
    return raw;
  }

  /**
   * A blob into a file; see `downloadTo` for how it resumes. The caller holds the lock of the digest.
   * @throws ContainerError
   */
  async downloadBlob(
    reference: IReference,
    descriptor: Pick<IDescriptor, 'digest' | 'size'>,
    path: string,
    options: IDownloadOptions = {}
  ): Promise<void> {
    const { digest, size } = descriptor;
    parseDigest(digest);
    const purpose = await this.purpose(reference, `blob ${shortDigest(digest)}`);
    const place = new BlobPlace(this, this.transport, reference, digest, purpose);
    const source: IBlobSource = { digest, size, purpose, open: (range, signal) => place.open(range, signal) };
    const signals = [this.options.signal, options.signal].filter(signal => signal !== undefined);
    await downloadTo(this.transport, source, path, {
      ...options,
      ...(signals.length > 0 && { signal: AbortSignal.any(signals) })
    });
  }

  /**
   * One request to the registry's API with authorization; redirects are followed. Any status but 401 comes back.
   * @param path behind `/v2/NAME/`
   */
  async request(
    reference: IReference,
    path: string,
    headers: Record<string, string>,
    purpose: IPurpose,
    signal: AbortSignal | undefined = this.options.signal
  ): Promise<{ response: Response; url: string }> {
    const scheme = this.options.plainHttp ? 'http' : 'https';
    const url = `${scheme}://${registryHost(reference.registry)}/v2/${reference.repository}/${path}`;
    const authorizer = this.authorizer(reference);
    const scope = `repository:${reference.repository}:pull`;
    for (let tries = 0; ; tries++) {
      const authorization = await authorizer.header(scope);
      const answer = await this.transport.follow(
        url,
        { headers: { ...headers, ...(authorization !== undefined && { authorization }) } },
        purpose,
        signal
      );
      const { response } = answer;
      const own = new URL(answer.url).origin === new URL(url).origin;
      if (response.status !== 401 || !own || tries >= 2) {
        return answer;
      }
      const again = authorizer.answer(response, scope, authorization);
      // An answer that nobody reads would keep its connection, and so the process.
      if (!(await again.catch(() => discard(response).then(() => again)))) {
        return answer;
      }
      await discard(response);
    }
  }

  private authorizer(reference: IReference): Authorizer {
    // Credentials may differ between organisations in one registry.
    const key = `${reference.registry}/${reference.repository}`;
    let authorizer = this.authorizers.get(key);
    if (authorizer === undefined) {
      const { credentials, authFile, env, plainHttp = false } = this.options;
      const host = registryHost(reference.registry);
      authorizer = new Authorizer(
        host,
        plainHttp,
        () =>
          findCredentials(reference.registry, reference.repository, {
            ...(credentials !== undefined && { explicit: credentials }),
            ...(authFile !== undefined && { authFile }),
            ...(env !== undefined && { env })
          }),
        (url, init) => this.askToken(reference, url, init)
      );
      this.authorizers.set(key, authorizer);
    }
    return authorizer;
  }

  /** A token server's whole answer, which must come and be small. @throws Failure */
  private async askToken(reference: IReference, url: string, init: IRequestInit): Promise<Response> {
    const purpose: IPurpose = { host: new URL(url).host, image: shortReference(reference), what: 'a token' };
    const { signal } = this.options;
    const response = await this.transport.once(url, init, purpose, signal);
    const { status, ok } = response;
    if (!ok) {
      await discard(response);
      return new Response(null, { status });
    }
    return new Response(await this.transport.start(response, purpose, MAX_TOKEN, signal), { status: 200 });
  }

  private async purpose(reference: IReference, what: string): Promise<IPurpose> {
    const { source, note } = await this.authorizer(reference).credentials();
    return {
      host: registryHost(reference.registry),
      image: shortReference(reference),
      what,
      plainHttp: this.options.plainHttp ?? false,
      credentials: source,
      credentialNote: note
    };
  }

  private async fetchManifest(
    reference: IReference,
    selector: string
  ): Promise<{ raw: Uint8Array; digest: string; mediaType: string }> {
    const accept = MANIFEST_ACCEPT.join(', ');
    const { raw, headers } = await this.fetchSmall(
      reference,
      `manifests/${selector}`,
      { accept },
      MAX_MANIFEST,
      'the manifest'
    );
    const told = headers.get('docker-content-digest');
    const expected = selector.includes(':') ? selector : told;
    const digest = expected ?? `sha256:${createHash('sha256').update(raw).digest('hex')}`;
    verify(raw, digest, 'the manifest', reference);
    return { raw, digest, mediaType: headers.get('content-type')?.split(';')[0]?.trim() ?? '' };
  }

  private async fetchSmall(
    reference: IReference,
    path: string,
    headers: Record<string, string>,
    limit: number,
    what: string
  ): Promise<{ raw: Uint8Array; headers: Headers }> {
    const purpose = await this.purpose(reference, what);
    const { signal } = this.options;
    return this.transport.retrying(async () => {
      const { response } = await this.request(reference, path, headers, purpose, signal);
      if (response.status !== 200) {
        throw await this.transport.statusFailure(response, purpose);
      }
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of this.transport.body(response, purpose, signal)) {
        chunks.push(chunk);
        length += chunk.length;
        if (length > limit) {
          throw tooLarge(what, limit);
        }
      }
      return { raw: Buffer.concat(chunks), headers: response.headers };
    }, signal);
  }
}

/** Where the bytes of a blob are: at the registry, or at the signed address that it redirects to for a while. */
class BlobPlace {
  private readonly client: RegistryClient;
  private readonly transport: Transport;
  private readonly reference: IReference;
  private readonly digest: string;
  private readonly purpose: IPurpose;
  private address: string | undefined;

  constructor(client: RegistryClient, transport: Transport, reference: IReference, digest: string, purpose: IPurpose) {
    this.client = client;
    this.transport = transport;
    this.reference = reference;
    this.digest = digest;
    this.purpose = purpose;
  }

  async open(range: IRange | undefined, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> =
      range === undefined ? {} : { range: `bytes=${range.start}-${range.end - 1}` };
    const { address } = this;
    if (address !== undefined) {
      const { response } = await this.transport.follow(address, { headers }, this.purpose, signal);
      if (isAnswer(response)) {
        return response;
      }
      if (response.status >= 500 || response.status === 429) {
        throw await this.transport.statusFailure(response, this.purpose);
      }
      // 400, 401, 403, 404, 410: the signature has expired. The registry gives a new one.
      await discard(response);
      if (this.address === address) {
        this.address = undefined;
      }
    }
    const { response, url } = await this.client.request(
      this.reference,
      `blobs/${this.digest}`,
      headers,
      this.purpose,
      signal
    );
    if (!isAnswer(response)) {
      throw await this.transport.statusFailure(response, this.purpose);
    }
    if (new URL(url).host !== this.purpose.host) {
      this.address = url;
    }
    return response;
  }
}

function isAnswer(response: Response): boolean {
  return [200, 206, 416].includes(response.status);
}

function shortDigest(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, 12);
}

function verify(raw: Uint8Array, expected: string, what: string, reference: IReference): void {
  const { algorithm } = parseDigest(expected);
  const actual = `${algorithm}:${createHash(algorithm).update(raw).digest('hex')}`;
  if (actual !== expected) {
    throw new ContainerError({
      code: 'digest-mismatch',
      step: 'pull',
      message: `${what} of ${shortReference(reference)} is not what its digest says`,
      reason: `expected ${expected}, got ${actual}`,
      fix: 'Try again; if it stays so, a proxy or the registry damages the data'
    });
  }
}

function tooLarge(what: string, limit: number): ContainerError {
  return new ContainerError({
    code: 'corrupt',
    step: 'pull',
    message: `${what} is larger than ${limit} bytes`,
    reason: 'that is more than any image needs'
  });
}
