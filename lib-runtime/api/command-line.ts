// SPDX-License-Identifier: BSD-3-Clause
/** A request as words of the command line: what the daemon starts, and what the run dialog shows. Pure. */
import type { NewJob, NewShell, RunOptions } from './schema.ts';

/** The words after `nbcontainer`; nothing in them is ever read by a shell. */
export function jobWords(job: NewJob): string[] {
  if (job.kind === 'pull') {
    return [
      'pull',
      ...(job.directory === undefined ? [] : ['--dir', job.directory]),
      ...(job.force ? ['--force'] : []),
      ...(job.plainHttp ? ['--no-https'] : []),
      job.source
    ];
  }
  const action = job.command.length > 0 ? 'exec' : 'run';
  return [action, ...optionWords(job.options ?? {}), job.image, ...job.command];
}

/** The same for a shell. */
export function shellWords(shell: NewShell): string[] {
  const command = shell.command ?? [];
  return [command.length > 0 ? 'exec' : 'shell', ...optionWords(shell.options ?? {}), shell.image, ...command];
}

/** The options of a run, as they stand before the image. */
export function optionWords(options: RunOptions): string[] {
  return [
    ...(options.binds ?? []).map(bind => `--bind=${bind}`),
    ...Object.entries(options.env ?? {}).map(([name, value]) => `--env=${name}=${value}`),
    ...(options.nv ? ['--nv'] : []),
    ...(options.cleanenv ? ['--cleanenv'] : []),
    ...(options.contain ? ['--contain'] : []),
    ...(options.as === undefined ? [] : [`--as=${options.as}`]),
    ...(options.writableTmpfs ? ['--writable-tmpfs'] : []),
    ...(options.pwd === undefined ? [] : [`--pwd=${options.pwd}`])
  ];
}

/** One line that a POSIX shell reads back as these words. */
export function quoteLine(words: readonly string[]): string {
  return words.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}
