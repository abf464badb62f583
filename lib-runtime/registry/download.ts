// SPDX-License-Identifier: BSD-3-Clause
/**
 * One blob into one file: ranged requests side by side, every finished range in a journal, the digest computed while
 * the rest is still coming. A killed download goes on where it stopped; a server without ranges gets one plain request.
 */
import { rename, rm, stat } from 'node:fs/promises';
import { asContainerError, ContainerError } from '../support/errors.ts';
import type { ProgressListener } from '../support/progress.ts';
import { PrefixHasher } from './hasher.ts';
import { openPart } from './journal.ts';
import type { IPart } from './journal.ts';
import type { IPurpose } from './network-errors.ts';
import { parseContentRange } from './ranges.ts';
import type { IRange } from './ranges.ts';
import { cancelled, discard, Failure } from './transport.ts';
import type { Transport } from './transport.ts';

export interface IBlobSource {
  /** Of the content; with `unverified`, a digest of what tells this version of the file from others. */
  readonly digest: string;
  /** Nobody knows the digest of the content: what comes is not compared with it. */
  readonly unverified?: boolean;
  /** False: the server is known to have no ranges, so they are not asked for. */
  readonly ranges?: boolean;
  readonly size: number;
  readonly purpose: IPurpose;
  /** Asks for a range, or for the whole blob; only 200, 206 and 416 come back. @throws Failure otherwise */
  open(range: IRange | undefined, signal: AbortSignal): Promise<Response>;
}

export interface IDownloadOptions {
  readonly onProgress?: ProgressListener;
  /**
   * Told how many bytes from the start lie in `path.part`, unchecked, for those who cannot wait. Not told when an earlier
   * process has fetched some of them: they may turn out wrong, and are then fetched again.
   */
  readonly onGrowth?: (bytes: number) => void;
  readonly signal?: AbortSignal;
  /** Requests side by side for this blob; default 6. */
  readonly connections?: number;
  /** Bytes of one request; default 8 MiB. */
  readonly chunk?: number;
}

const CONNECTIONS = 6;
const CHUNK = 8 << 20;
/** Bytes between two lines of the journal, for each connection: what a kill may cost (with what the kernel holds). */
const FLUSH = 256 << 10;

/** The server does not do ranges. */
class RangesIgnored extends Error {}

/**
 * Fetches a blob to `path` (its directory exists), by way of `path.part` and `path.part.json`. A file of the right
 * size at `path` is taken as done (but when `unverified`), for it got there only by the rename at the end of this function.
 * The caller holds the lock of the digest: two downloads of one blob at once would disturb each other.
 * @returns the digest of the content
 * @throws ContainerError 'digest-mismatch', 'truncated' (both remove what was fetched), 'network', 'unauthorized',
 *   'no-space', 'cancelled' (these keep it for the next time)
 */
export async function downloadTo(
  transport: Transport,
  source: IBlobSource,
  path: string,
  options: IDownloadOptions = {}
): Promise<string> {
  const { what } = source.purpose;
  try {
    const present = await stat(path).catch(() => undefined);
    if (present?.isFile() && present.size === source.size && !source.unverified) {
      report(source, options, source.size);
      return source.digest;
    }
    const digest = await attempt(transport, source, path, options);
    // What an earlier process left did not fit (a power cut may lose data behind a journal): once more, from scratch.
    return digest ?? (await attempt(transport, source, path, options)) ?? source.digest;
  } catch (error) {
    throw options.signal?.aborted ? cancelled() : asContainerError(error, 'pull', `cannot fetch ${what}`);
  }
}

/** @returns the digest, undefined when it does not fit and part of the data was of an earlier process */
async function attempt(
  transport: Transport,
  source: IBlobSource,
  path: string,
  options: IDownloadOptions
): Promise<string | undefined> {
  const part = await openPart(path, source.digest, source.size);
  const hasher = new PrefixHasher(part.data, source.digest);
  try {
    const download = new Download(transport, source, part, hasher, options);
    await download.run();
    const digest = await hasher.finish(source.size);
    if (source.unverified || digest === source.digest) {
      await part.close();
      await rename(`${path}.part`, path);
      await rm(`${path}.part.json`, { force: true });
      return digest;
    }
    await part.remove();
    if (part.resumed > 0) {
      return undefined;
    }
    throw mismatch(source, 'the bytes that came are not those of the digest');
  } catch (error) {
    await hasher.stop();
    if (error instanceof ContainerError && ['truncated', 'digest-mismatch'].includes(error.code)) {
      await part.remove();
    }
    throw error;
  } finally {
    await part.close();
  }
}

class Download {
  private readonly transport: Transport;
  private readonly source: IBlobSource;
  private readonly part: IPart;
  private readonly hasher: PrefixHasher;
  private readonly options: IDownloadOptions;

  constructor(transport: Transport, source: IBlobSource, part: IPart, hasher: PrefixHasher, options: IDownloadOptions) {
    this.transport = transport;
    this.source = source;
    this.part = part;
    this.hasher = hasher;
    this.options = options;
  }

  async run(): Promise<void> {
    report(this.source, this.options, this.part.done.total);
    this.hasher.advance(this.part.done.prefix);
    if (this.source.ranges === false) {
      return this.plain();
    }
    try {
      await this.ranged();
    } catch (error) {
      if (!(error instanceof RangesIgnored)) {
        throw error;
      }
      await this.plain();
    }
  }

  /** Pieces in ascending order, so that the hasher can follow; the first one finds out whether there are ranges. */
  private async ranged(): Promise<void> {
    const pieces = this.part.done.missing(this.source.size, this.options.chunk ?? CHUNK);
    const stop = new AbortController();
    const signal = this.options.signal ? AbortSignal.any([this.options.signal, stop.signal]) : stop.signal;
    const workers: Promise<void>[] = [];
    let failure: unknown;
    const work = async (onAnswer?: () => void) => {
      try {
        for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) {
          await this.fetchPiece(piece, signal, true, onAnswer);
        }
      } catch (error) {
        failure ??= error;
        stop.abort();
      }
    };
    const others = Math.min(this.options.connections ?? CONNECTIONS, pieces.length) - 1;
    workers.push(
      work(() => {
        while (workers.length <= others) {
          workers.push(work());
        }
      })
    );
    for (let index = 0; index < workers.length; index++) {
      await workers[index];
    }
    if (failure !== undefined) {
      throw failure;
    }
  }

  /** One request for everything; what is there already is passed over. */
  private async plain(): Promise<void> {
    const { prefix } = this.part.done;
    if (prefix < this.source.size) {
      const never = new AbortController();
      await this.fetchPiece({ start: prefix, end: this.source.size }, this.options.signal ?? never.signal, false);
    }
  }

  /** Fetches one piece, in as many requests as the connection needs. */
  private async fetchPiece(piece: IRange, signal: AbortSignal, ranged: boolean, onAnswer?: () => void): Promise<void> {
    let position = piece.start;
    for (let failures = 0; position < piece.end;) {
      const before = position;
      try {
        const whole = position === 0 && piece.end === this.source.size;
        const asked = ranged && !whole ? { start: position, end: piece.end } : undefined;
        const response = await this.source.open(asked, signal);
        const skip = await this.checkAnswer(response, asked, position);
        onAnswer?.();
        for await (const written of this.write(response, position, piece.end, skip, signal)) {
          position = written;
        }
        if (position < piece.end) {
          throw new Failure({ transient: true, error: this.tooShort() });
        }
      } catch (error) {
        if (position === piece.end) {
          // It broke behind the last byte.
          return;
        }
        if (!(error instanceof Failure)) {
          throw error;
        }
        // A connection that breaks now and then but gets on is no reason to give up.
        failures = position - before >= FLUSH ? 1 : failures + 1;
        if (!(await this.transport.pause(error, failures, signal))) {
          throw error.error;
        }
      }
    }
  }

  /** @returns bytes to pass over at the start of the answer */
  private async checkAnswer(response: Response, asked: IRange | undefined, position: number): Promise<number> {
    const { size, purpose } = this.source;
    const refuse = async (error: Error): Promise<never> => {
      await discard(response);
      throw error;
    };
    if (response.status === 416) {
      return refuse(this.tooShort());
    }
    if (response.status === 206) {
      const range = parseContentRange(response.headers.get('content-range'));
      if (asked === undefined || range?.start !== asked.start || range.end > asked.end) {
        return refuse(
          new ContainerError({
            code: 'network',
            step: 'pull',
            message: `${purpose.host} answered with another range of ${purpose.what} than was asked for`
          })
        );
      }
      return range.size === undefined || range.size === size ? 0 : refuse(this.wrongSize(range.size));
    }
    if (asked !== undefined) {
      return refuse(new RangesIgnored());
    }
    const length = Number(response.headers.get('content-length') ?? size);
    return length === size ? position : refuse(this.wrongSize(length));
  }

  /** Writes the body from `position` on; yields the position after each piece that is in file and journal. */
  private async *write(
    response: Response,
    position: number,
    end: number,
    skip: number,
    signal: AbortSignal
  ): AsyncGenerator<number, void, void> {
    let pending: Uint8Array[] = [];
    let length = 0;
    let toSkip = skip;
    const flush = async () => {
      const [chunks, start] = [pending, position];
      pending = [];
      position += length;
      length = 0;
      await writeAll(this.part, chunks, start);
      await this.part.record({ start, end: position });
      this.hasher.advance(this.part.done.prefix);
      if (this.part.resumed === 0) {
        this.options.onGrowth?.(this.part.done.prefix);
      }
      report(this.source, this.options, this.part.done.total);
      return position;
    };
    let broken: unknown;
    try {
      for await (const piece of this.transport.body(response, this.source.purpose, signal)) {
        const chunk = piece.subarray(Math.min(toSkip, piece.length));
        toSkip -= piece.length - chunk.length;
        if (position + length + chunk.length > end) {
          throw mismatch(this.source, 'more bytes came than the manifest says');
        }
        if (chunk.length > 0) {
          pending.push(chunk);
          length += chunk.length;
        }
        if (length >= FLUSH || (length > 0 && position + length === end)) {
          yield await flush();
        }
      }
    } catch (error) {
      broken = error;
    }
    if (length > 0) {
      yield await flush();
    }
    if (broken !== undefined) {
      throw broken;
    }
  }

  private tooShort(): ContainerError {
    const { what, host } = this.source.purpose;
    return new ContainerError({
      code: 'truncated',
      step: 'pull',
      message: `${host} sends less of ${what} than its ${this.source.size} bytes`,
      fix: `Try again; if it stays so, the image is damaged ${this.source.purpose.web ? 'on the server' : 'in the registry'}`
    });
  }

  private wrongSize(size: number): ContainerError {
    return size < this.source.size
      ? this.tooShort()
      : mismatch(this.source, `the registry has ${size} bytes, the manifest says ${this.source.size}`);
  }
}

/** pwritev(2) may write less than it was given. */
async function writeAll(part: IPart, chunks: Uint8Array[], start: number): Promise<void> {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const { bytesWritten } = await part.data.writev(chunks, start);
  if (bytesWritten < length) {
    const rest = Buffer.concat(chunks).subarray(bytesWritten);
    for (let offset = 0; offset < rest.length;) {
      const result = await part.data.write(rest, offset, rest.length - offset, start + bytesWritten + offset);
      offset += result.bytesWritten;
    }
  }
}

function mismatch(source: IBlobSource, reason: string): ContainerError {
  if (source.unverified) {
    return new ContainerError({
      code: 'digest-mismatch',
      step: 'pull',
      message: `${source.purpose.host} sends more of ${source.purpose.image} than the ${source.size} bytes announced`,
      fix: 'Try again; if it stays so, tell those who run the server'
    });
  }
  return new ContainerError({
    code: 'digest-mismatch',
    step: 'pull',
    message: `${source.purpose.what} of ${source.purpose.image} from ${source.purpose.host} is not what its digest says`,
    reason,
    fix: 'Try again; if it stays so, a proxy or the registry damages the data'
  });
}

function report(source: IBlobSource, options: IDownloadOptions, done: number): void {
  const detail = source.digest.slice(source.digest.indexOf(':') + 1).slice(0, 12);
  options.onProgress?.({ phase: 'download', done, total: source.size, unit: 'bytes', detail });
}
