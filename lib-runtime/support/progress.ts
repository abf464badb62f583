// SPDX-License-Identifier: BSD-3-Clause
/** Progress of a long operation as plain data: the command line draws it, the daemon forwards it. */
export interface IProgress {
  /** What is being done now. */
  readonly phase: 'resolve' | 'download' | 'convert' | 'unpack' | 'verify' | 'done';
  /** Amount done so far, in `unit`. */
  readonly done: number;
  /** Total amount, when it is known. */
  readonly total?: number;
  readonly unit: 'bytes' | 'entries';
  /** Short label for a person, for example a layer's short digest. */
  readonly detail?: string;
}

/** Called at any rate; listeners throttle themselves. */
export type ProgressListener = (progress: IProgress) => void;
