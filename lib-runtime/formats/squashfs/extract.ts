// SPDX-License-Identifier: BSD-3-Clause
/** Unpacks a squashfs image into a directory. (Signature first; the body follows.) */
import { ContainerError } from '../../support/errors.ts';
import type { ProgressListener } from '../../support/progress.ts';
import type { SquashfsReader } from './reader.ts';

export interface IExtractOptions {
  /** True: we are real root, so ownership and device nodes are restored. */
  readonly asRoot: boolean;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

export interface IExtractResult {
  readonly entries: number;
  /** Bytes of file content written. */
  readonly bytes: number;
  /** What could not be kept, each said once (`12 device nodes were skipped`). */
  readonly notes: readonly string[];
}

export function extractSquashfs(
  reader: SquashfsReader,
  directory: string,
  options: IExtractOptions
): Promise<IExtractResult> {
  void reader;
  void options;
  return Promise.reject(
    new ContainerError({ code: 'internal', step: 'unpack', message: `not written yet: ${directory}` })
  );
}
