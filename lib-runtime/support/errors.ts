// SPDX-License-Identifier: BSD-3-Clause
/**
 * The one error type of the runtime. Every failure that a user may see is a ContainerError: what failed, at which
 * step, with which errno, the likely cause and what to do about it.
 */

/** Stable machine-readable codes; front ends may switch on them, users may search for them. */
export type ErrorCode =
  | 'usage'
  | 'not-found'
  | 'not-an-image'
  | 'unsupported'
  | 'architecture'
  | 'network'
  | 'unauthorized'
  | 'digest-mismatch'
  | 'truncated'
  | 'corrupt'
  | 'no-space'
  | 'permission'
  | 'exists'
  | 'locked'
  | 'refused'
  | 'launch'
  | 'exec'
  | 'cancelled'
  | 'internal';

export interface IErrorDetails {
  readonly code: ErrorCode;
  /** What failed, one sentence without a final full stop, in the user's words. */
  readonly message: string;
  /** Where it failed: `pull`, `convert`, `plan`, `launch: bind /data` ... */
  readonly step: string;
  /** Symbolic errno such as `EACCES`, when a system call failed. */
  readonly errno?: string;
  /** The likely cause, one sentence. */
  readonly reason?: string;
  /** What the user can do now, one sentence. */
  readonly fix?: string;
  /** The underlying error, for `--debug`. */
  readonly cause?: unknown;
}

/** Exit status of nbcontainer's own failures, as Apptainer's. */
export const OWN_FAILURE = 255;

export class ContainerError extends Error {
  readonly code: ErrorCode;
  readonly step: string;
  readonly errno: string | undefined;
  readonly reason: string | undefined;
  readonly fix: string | undefined;

  constructor(details: IErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ContainerError';
    this.code = details.code;
    this.step = details.step;
    this.errno = details.errno;
    this.reason = details.reason;
    this.fix = details.fix;
  }

  /** One paragraph for a person: message (errno): reason. Fix. Never holds control characters. */
  toSentence(): string {
    const head = this.errno ? `${this.message} (${this.errno})` : this.message;
    const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);
    const what = sentence(this.reason ? `${head}: ${this.reason}` : head);
    return printable(this.fix ? `${what} ${sentence(this.fix)}` : what);
  }

  /** Plain data for `--json`, the daemon and the front ends. */
  toJSON(): Omit<IErrorDetails, 'cause'> {
    const { code, message, step, errno, reason, fix } = this;
    return {
      code,
      message,
      step,
      ...(errno !== undefined && { errno }),
      ...(reason !== undefined && { reason }),
      ...(fix !== undefined && { fix })
    };
  }
}

/** The symbolic errno of a Node system error (`ENOSPC`), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error === 'object' && error !== null && 'code' in error) {
    const { code } = error as { code: unknown };
    if (typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) && !code.startsWith('ERR_')) {
      return code;
    }
  }
  return undefined;
}

/** Human-readable message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Wraps any failure of one step into a ContainerError; a ContainerError passes through unchanged.
 * ENOSPC, EDQUOT, EACCES, EPERM, EROFS and ENOENT get the code, cause and fix that they always have.
 */
export function asContainerError(error: unknown, step: string, what: string): ContainerError {
  if (error instanceof ContainerError) {
    return error;
  }
  const errno = errnoOf(error);
  const known = errno === undefined ? undefined : KNOWN_ERRNO[errno];
  return new ContainerError({
    code: known?.code ?? 'internal',
    step,
    message: what,
    ...(errno !== undefined && { errno }),
    reason: known?.reason ?? messageOf(error),
    ...(known?.fix !== undefined && { fix: known.fix }),
    cause: error
  });
}

const KNOWN_ERRNO: Readonly<Record<string, { code: ErrorCode; reason: string; fix: string }>> = {
  ENOSPC: {
    code: 'no-space',
    reason: 'the disk is full',
    fix: 'Free some space (nbcontainer images, nbcontainer rm) or set NBCONTAINER_HOME to a larger disk'
  },
  EDQUOT: {
    code: 'no-space',
    reason: 'your disk quota is used up',
    fix: 'Free some space or set NBCONTAINER_HOME to a directory with more quota'
  },
  EACCES: { code: 'permission', reason: 'access is denied', fix: 'Check the permissions of the path' },
  EPERM: { code: 'permission', reason: 'the operation is not permitted', fix: 'See nbcontainer doctor' },
  EROFS: { code: 'permission', reason: 'the file system is read-only', fix: 'Choose a directory that can be written' },
  ENOTDIR: {
    code: 'not-found',
    reason: 'a part of the path is a file, not a directory',
    fix: 'Check the spelling of the path'
  },
  EISDIR: { code: 'usage', reason: 'it is a directory', fix: 'Name a file' },
  EMFILE: { code: 'internal', reason: 'too many files are open', fix: 'Raise the limit: ulimit -n' },
  ENOENT: { code: 'not-found', reason: 'there is no such file or directory', fix: 'Check the spelling of the path' }
};

/** Replaces control characters (newlines in file names, escape sequences) by their escaped form. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, char => JSON.stringify(char).slice(1, -1));
}
