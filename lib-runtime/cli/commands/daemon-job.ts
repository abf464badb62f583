// SPDX-License-Identifier: BSD-3-Clause
/**
 * The hidden word `daemon job`: one job in a process of its own. It ends with the daemon that started it, also when
 * that is killed: its channel then closes.
 */
import { jobWords } from '../../api/command-line.ts';
import { newJobSchema } from '../../api/schema.ts';
import { pullImage, pullIntoStore } from '../../images/pull.ts';
import { openStore } from '../../store/store.ts';
import { ContainerError } from '../../support/errors.ts';
import type { ProgressListener } from '../../support/progress.ts';
import { formatBytes, info, warn } from '../output.ts';

/** Progress goes out at most this often, in milliseconds; the last word of a phase always does. */
const INTERVAL = 100;
/** A job whose daemon has died ends itself after this time, in milliseconds, if asking was not enough. */
const GRACE = 5_000;

/** `run` performs words of the command line in this process and gives the exit status. */
export async function daemonJobCommand(
  text: string,
  run: (words: readonly string[]) => Promise<number>
): Promise<number> {
  const parsed = newJobSchema.safeParse(parseJson(text));
  if (!parsed.success) {
    throw new ContainerError({ code: 'usage', step: 'daemon', message: 'the job cannot be read' });
  }
  process.once('disconnect', () => {
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), GRACE).unref();
  });
  // The channel is only listened to; it must not keep a finished job alive.
  process.channel?.unref();
  const job = parsed.data;
  if (job.kind === 'run') {
    return run(jobWords(job));
  }
  const abort = new AbortController();
  process.on('SIGTERM', () => abort.abort());
  process.on('SIGINT', () => abort.abort());
  const onProgress = reporter();
  onProgress({ phase: 'resolve', done: 0, unit: 'bytes' });
  const request = {
    store: await openStore(),
    plainHttp: job.plainHttp === true,
    onProgress,
    onNotice: warn,
    signal: abort.signal
  };
  const image =
    job.directory === undefined
      ? await pullIntoStore(job.source, request)
      : await pullImage({ ...request, source: job.source, directory: job.directory, force: job.force === true });
  onProgress({ phase: 'done', done: image.sizeBytes, total: image.sizeBytes, unit: 'bytes' });
  info(`Pulled ${image.name} (${formatBytes(image.sizeBytes)}) to ${image.path}`);
  return 0;
}

function reporter(): ProgressListener {
  let last = 0;
  let phase = '';
  return progress => {
    const now = Date.now();
    const final = progress.total !== undefined && progress.done >= progress.total;
    if ((progress.phase !== phase || final || now - last >= INTERVAL) && process.connected) {
      last = now;
      phase = progress.phase;
      process.send?.(progress);
    }
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
