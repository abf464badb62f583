// SPDX-License-Identifier: BSD-3-Clause
/** Layers of an OCI image -> one tree with Apptainer's own files in it, into any sink. */
import type { ITreeEntry, ITreeSink } from '../formats/tree.ts';
import { ContainerError } from '../support/errors.ts';
import type { ProgressListener } from '../support/progress.ts';
import { isReplacedSymlink, missingEntries, overlaidEntries, WATCHED_PATHS, type IOrigin } from './convention.ts';
import { flattenLayers } from './flatten.ts';
import { memoryLayer, type ILayer } from './layer.ts';
import { SurveyingSink } from './survey.ts';

export interface IConversion {
  /** Bottom to top. */
  readonly layers: readonly ILayer[];
  readonly origin: IOrigin;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

export interface ISurvey {
  /** `uname -m` name of the programs in the tree; undefined when it has none. */
  readonly machine: string | undefined;
  readonly entries: number;
  /** Bytes of file content. */
  readonly bytes: number;
}

/** A sink that can be begun anew: the first try may turn out to need another order (see flattenLayers). */
export interface IRestartableSink {
  readonly sink: ITreeSink;
  /** Throws away what the sink has. */
  drop(): Promise<void>;
}

/**
 * Flattens an image into the sink that `begin` makes; `begin` is called a second time when the layers have to be read
 * in another way. On failure the sink is dropped.
 * @throws ContainerError of layers and sinks; `cancelled`.
 */
export async function convertLayers<T extends IRestartableSink>(
  conversion: IConversion,
  begin: () => Promise<T>
): Promise<{ readonly target: T; readonly survey: ISurvey }> {
  const first = await attempt(conversion, begin, false);
  return first ?? (await attempt(conversion, begin, true)) ?? never();
}

async function attempt<T extends IRestartableSink>(
  { layers, origin, onProgress, signal }: IConversion,
  begin: () => Promise<T>,
  exact: boolean
): Promise<{ target: T; survey: ISurvey } | undefined> {
  const target = await begin();
  try {
    const report = onProgress && progressReport(onProgress);
    const survey = new SurveyingSink(target.sink, WATCHED_PATHS, report);
    const overlay = memoryLayer('conventions', overlaidEntries(origin));
    const result = await flattenLayers([...layers, overlay], withoutReplaced(survey), {
      exact,
      ...(signal && { signal })
    });
    if (result.kind === 'ambiguous') {
      await target.drop();
      return undefined;
    }
    const mtime = Math.floor(origin.builtAt.getTime() / 1000);
    for (const entry of missingEntries(path => survey.typeOf(path), mtime)) {
      await survey.add(entry);
    }
    return { target, survey: { machine: survey.machine(), entries: survey.entries, bytes: survey.bytes } };
  } catch (error) {
    await target.drop();
    throw error;
  }
}

function withoutReplaced(sink: ITreeSink): ITreeSink {
  return {
    add: (entry: ITreeEntry, content?: AsyncIterable<Uint8Array>) =>
      isReplacedSymlink(entry) ? Promise.resolve() : sink.add(entry, content)
  };
}

const REPORT_EVERY = 64;

function progressReport(onProgress: ProgressListener): (sink: SurveyingSink) => void {
  return sink => {
    if (sink.entries % REPORT_EVERY === 0) {
      onProgress({ phase: 'convert', done: sink.bytes, unit: 'bytes' });
    }
  };
}

function never(): never {
  throw new ContainerError({ code: 'internal', step: 'convert', message: 'the exact way was called ambiguous' });
}
