// SPDX-License-Identifier: BSD-3-Clause
/** The parser of a command line that starts a container: its own word alone. */
import type { Command } from 'commander';
import { actionWord, isAction } from './action-words.ts';
import { makeProgram, type Report } from './frame.ts';

/** No flag before the first word takes a value. */
const firstWord = (words: readonly string[]): string | undefined => words.find(word => !word.startsWith('-'));

/** Whether these words call exec, run, shell or test. Pure. */
export function isStart(words: readonly string[]): boolean {
  return isAction(firstWord(words));
}

/** @throws CommanderError from `parseAsync` for words that are not understood. */
export function startProgram(version: string, report: Report, name: string, words: readonly string[]): Command {
  const program = makeProgram(version, name);
  const word = firstWord(words);
  if (isAction(word)) {
    actionWord(program, word, report);
  }
  return program;
}
