// SPDX-License-Identifier: BSD-3-Clause
/** A cell, its notebook's language and the chosen image -> what the notebook's kernel is given to execute. Pure. */
import { optionWords, quoteLine } from '../../lib-runtime/api/command-line.ts';
import type { RunOptions } from '../../lib-runtime/api/schema.ts';

export interface ICell {
  readonly source: string;
  /** As the kernel calls it in its `language_info`: `python`, `bash`, `R` ... */
  readonly language: string;
  readonly image: string;
  readonly options: RunOptions;
}

/** `own-container`: the cell says itself where it runs. `magic`: it is of a kind that only the kernel knows. */
export type CellProblem = 'language' | 'own-container' | 'magic' | 'magic-options' | 'image' | 'too-long';

export type CellPlan =
  | { readonly kind: 'run'; readonly code: string }
  | {
      readonly kind: 'refused';
      readonly problem: CellProblem;
      /** The language or magic in question. */
      readonly what: string;
    };

/** Bytes of one word of a command line that Linux takes (MAX_ARG_STRLEN), less some. */
const MAX_WORD = 120 * 1024;

const SHELLS: Readonly<Record<string, string>> = { bash: '#!/usr/bin/env bash', sh: '#!/bin/sh' };
const INTERPRETERS: Readonly<Record<string, string>> = { ...SHELLS, R: '#!/usr/bin/env Rscript' };
const PYTHONS = ['python', 'python3'];

/** What the kernel executes, so that the cell's text stays as it is. */
export function planCell(cell: ICell): CellPlan {
  if (cell.image === '' || cell.image.startsWith('-') || cell.image.includes('\0')) {
    return { kind: 'refused', problem: 'image', what: cell.image };
  }
  switch (cell.language.toLowerCase()) {
    case 'python':
    case 'ipython':
      return planPython(cell);
    case 'bash':
      return inBash(cell);
    case 'r':
      return inR(cell);
    default:
      return { kind: 'refused', problem: 'language', what: cell.language };
  }
}

/** The words that a person would type for this, without the cell: for a question or a tooltip. */
export function execLine(image: string, options: RunOptions): string {
  return quoteLine(['nbcontainer', 'exec', ...optionWords(options), image]);
}

function planPython({ source, image, options }: ICell): CellPlan {
  const lines = source.split('\n');
  const at = lines.findIndex(line => line.trim() !== '');
  const [, magic, rest = ''] = /^%%(\S+)(.*)$/.exec(lines[at] ?? '') ?? [];
  const words = [...optionWords(options), image];
  if (magic === undefined) {
    return inPython(['exec', '--python', ...words], source);
  }
  if (magic === 'container') {
    return { kind: 'refused', problem: 'own-container', what: `%%${magic}` };
  }
  const interpreter = INTERPRETERS[magic];
  if (interpreter === undefined && !PYTHONS.includes(magic)) {
    return { kind: 'refused', problem: 'magic', what: `%%${magic}` };
  }
  if (rest.trim() !== '') {
    return { kind: 'refused', problem: 'magic-options', what: `%%${magic}${rest}` };
  }
  // Each line keeps its number, for the sake of messages.
  const others = lines.filter((_line, index) => index !== at);
  return interpreter === undefined
    ? inPython(['exec', '--python', ...words], ['', ...others].join('\n'))
    : inPython(['exec', ...words], [interpreter, ...others].join('\n'));
}

/** One line, so that it is one request to the kernel: nothing can come between loading and running. */
function inPython(words: readonly string[], cell: string): CellPlan {
  const line = words.map(magicWord).join(' ');
  return {
    kind: 'run',
    code:
      `get_ipython().extension_manager.load_extension('nbcontainer'); ` +
      `get_ipython().run_cell_magic('container', ${literal(line)}, ${literal(cell)})`
  };
}

/** A word of the magic's line: in single quotes nothing is replaced by Python's values. */
function magicWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

/** Text as a literal of Python and R: JSON's escapes are theirs too. What they take for the end of a line is escaped. */
function literal(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  );
}

/** Kernels without magics are given the command line itself. Here the cell is one of its words. */
function inBash({ source, image, options }: ICell): CellPlan {
  if (new TextEncoder().encode(source).length > MAX_WORD || source.includes('\0')) {
    return { kind: 'refused', problem: 'too-long', what: 'bash' };
  }
  const words = ['nbcontainer', 'exec', ...optionWords(options), image, 'bash', '-c', source];
  return { kind: 'run', code: `${quoteLine(words)} </dev/null` };
}

/**
 * A file of R's own, since `Rscript -e` rewrites what it is given. system2 puts its words into a shell's line, so they
 * come quoted. The output is shown when all of it is there.
 */
function inR({ source, image, options }: ICell): CellPlan {
  if (source.includes('\0')) {
    return { kind: 'refused', problem: 'too-long', what: 'R' };
  }
  const quoted = (words: readonly string[]): string => words.map(word => literal(quoteLine([word]))).join(', ');
  const before = quoted(['exec', ...optionWords(options)]);
  return {
    kind: 'run',
    code: [
      '(function() {',
      '  cell <- tempfile("cell", fileext = ".R")',
      '  on.exit(unlink(cell))',
      `  writeLines(${literal(source)}, cell, useBytes = TRUE)`,
      '  bind <- shQuote(paste0("--bind=", cell, ":", cell, ":ro"))',
      `  words <- c(${before}, bind, ${quoted([image, 'Rscript'])}, shQuote(cell))`,
      '  out <- suppressWarnings(',
      '    system2("nbcontainer", words, stdout = TRUE, stderr = TRUE, stdin = "/dev/null"))',
      '  writeLines(out)',
      '  status <- attr(out, "status")',
      '  if (!is.null(status)) stop("exit status ", status, call. = FALSE)',
      '})()'
    ].join('\n')
  };
}
