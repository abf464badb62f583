// SPDX-License-Identifier: BSD-3-Clause
/** Looks a message up in the table of known errors. Pure. */
import { type IKnownError, KNOWN_ERRORS } from './known-errors.ts';

export interface IExplanation {
  /** The line of the text that was recognised. */
  readonly line: string;
  readonly known: IKnownError;
}

/** Longer lines are cut before they are matched: a pasted log may hold a whole file in one. */
const LONGEST_LINE = 2048;

/** Terminal colours (ECMA-48 CSI sequences) of a pasted log. */
const COLOURS = /\u001b\[[0-9;]*[A-Za-z]/g;

/**
 * What is known of the lines of a text, in their order, each row of the table once. A message that the terminal or an
 * issue has wrapped is met as well: where no line is known, the text is tried as one line.
 */
export function explainText(text: string): IExplanation[] {
  const lines = text
    .replace(COLOURS, '')
    .split(/\r?\n/)
    .map(line => line.trim().slice(0, LONGEST_LINE))
    .filter(line => line !== '');
  const found = explainLines(lines);
  return found.length > 0 || lines.length < 2 ? found : explainLines([lines.join(' ').slice(0, LONGEST_LINE)]);
}

function explainLines(lines: readonly string[]): IExplanation[] {
  const found = new Map<string, IExplanation>();
  for (const line of lines) {
    const known = KNOWN_ERRORS.find(({ pattern }) => pattern.test(line));
    if (known !== undefined && !found.has(known.id)) {
      found.set(known.id, { line, known });
    }
  }
  return [...found.values()];
}
