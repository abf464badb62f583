// SPDX-License-Identifier: BSD-3-Clause
/** What `apptainer help` says of commands and flags, as data; recorded in apptainer-words.json. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface IWords {
  /** Words after `apptainer`. */
  readonly commands: readonly string[];
  /** By command (`''` for those before it), apart by blanks: `-B/--bind=` has a short form and takes a value. */
  readonly flags: Readonly<Record<string, string>>;
}

/** Commands whose flags are compared: those that nbcontainer has. */
export const COMMANDS = [
  ...['', 'exec', 'run', 'shell', 'test', 'run-help', 'build', 'pull', 'inspect', 'completion'],
  ...['instance start', 'instance run', 'instance list', 'instance stats', 'instance stop'],
  ...['overlay create', 'cache list', 'cache clean']
];

export const WORDS = join(import.meta.dirname, 'apptainer-words.json');

export function readWords(): IWords {
  return JSON.parse(readFileSync(WORDS, 'utf8')) as IWords;
}

/** The flags of a page of help (Go's pflag: `  -B, --bind stringArray   text`, the text two columns on at least). */
export function flagsOf(help: string): string {
  const found = help.split('\n').flatMap(line => {
    const [, short, long, type] = /^ +(?:(-\w), )?(--[a-z0-9-]+)(?: ([a-zA-Z0-9]+))?(?: {2,}.*)?$/.exec(line) ?? [];
    const value = type === undefined ? '' : '=';
    return long === undefined || long === '--help' ? [] : [`${short === undefined ? '' : `${short}/`}${long}${value}`];
  });
  return [...new Set(found)].join(' ');
}

/** The words below `Available Commands:`. */
export function commandsOf(help: string): string[] {
  const [, list = ''] = /Available Commands:\n((?: {2}\S.*\n)+)/.exec(help) ?? [];
  return list
    .split('\n')
    .map(line => line.trim().split(' ')[0] ?? '')
    .filter(Boolean);
}
