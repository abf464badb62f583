// SPDX-License-Identifier: BSD-3-Clause
/** Everything that the command line prints goes through here: one place for levels, quiet mode and escaping. */
import { ContainerError, messageOf, printable } from '../support/errors.ts';

export type Verbosity = 'silent' | 'quiet' | 'normal' | 'debug';

/** What a shell makes of a program that SIGPIPE ended; Node ignores that signal. */
const ENDED_BY_SIGPIPE = 128 + 13;

let verbosity: Verbosity = 'normal';
let printing = false;

export function setVerbosity(level: Verbosity): void {
  verbosity = level;
}

export function isDebug(): boolean {
  return verbosity === 'debug';
}

/** Writes the result of a command (not a message) to standard output. */
export function print(text: string): void {
  if (!printing) {
    printing = true;
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') {
        throw error;
      }
      process.exit(ENDED_BY_SIGPIPE); // `| head` has seen enough
    });
  }
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Messages carry Apptainer's level words, padded as it pads them, so that eyes and scripts find them. */
export function info(text: string): void {
  if (verbosity === 'normal' || verbosity === 'debug') {
    message('INFO:   ', text);
  }
}

export function warn(text: string): void {
  if (verbosity !== 'silent') {
    message('WARNING:', text);
  }
}

export function debug(text: string): void {
  if (verbosity === 'debug') {
    message('DEBUG:  ', text);
  }
}

/** Prints a failure as one paragraph; with `--debug` also where it came from. */
export function fatal(error: unknown): void {
  const text = error instanceof ContainerError ? error.toSentence() : `unexpected failure: ${messageOf(error)}`;
  message('FATAL:  ', text);
  if (verbosity === 'debug') {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      process.stderr.write(`${cause.stack ?? cause.message}\n`);
    }
  } else if (!(error instanceof ContainerError)) {
    message('INFO:   ', 'This is a defect of nbcontainer: run again with --debug and report what it prints');
  }
}

function message(level: string, text: string): void {
  process.stderr.write(`${level} ${printable(text)}\n`);
}

/** Bytes for a person: `12.3 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Left-aligned columns, two spaces apart. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()
    )
    .join('\n');
}
