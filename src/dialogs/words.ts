// SPDX-License-Identifier: BSD-3-Clause
/**
 * What is typed into the command field, as words. No shell ever reads it; the rule is the part of POSIX sh (Shell
 * Command Language, 2.2 Quoting) that only separates and quotes:
 *
 * - blanks and line ends separate words;
 * - `'...'` keeps everything as it is;
 * - `"..."` keeps everything but a backslash before `"`, `\`, `$` or a backquote, which goes away;
 * - outside of quotes a backslash keeps the next character, and goes away with a line end behind it;
 * - nothing else has a meaning: `$`, `*`, `~`, `|`, `>`, `;` and `#` stand for themselves.
 */

export type Words = { readonly words: readonly string[] } | { readonly problem: WordProblem };

export type WordProblem = 'open-quote' | 'open-backslash';

/** Splits by the rule above. Pure. */
export function splitWords(text: string): Words {
  const words: string[] = [];
  let word: string | undefined;
  let at = 0;
  const keep = (more: string): void => {
    word = (word ?? '') + more;
  };
  while (at < text.length) {
    const here = text.charAt(at);
    const next = text.charAt(at + 1);
    at += 1;
    if (' \t\r\n'.includes(here)) {
      if (word !== undefined) {
        words.push(word);
        word = undefined;
      }
    } else if (here === '\\') {
      if (at === text.length) {
        return { problem: 'open-backslash' };
      }
      at += 1;
      if (next !== '\n') {
        keep(next);
      }
    } else if (here === "'" || here === '"') {
      const quoted = here === "'" ? singleQuoted(text, at) : doubleQuoted(text, at);
      if (quoted === undefined) {
        return { problem: 'open-quote' };
      }
      keep(quoted.text);
      at = quoted.end;
    } else {
      keep(here);
    }
  }
  return { words: word === undefined ? words : [...words, word] };
}

interface IQuoted {
  readonly text: string;
  /** Behind the closing quote. */
  readonly end: number;
}

function singleQuoted(text: string, from: number): IQuoted | undefined {
  const end = text.indexOf("'", from);
  return end < 0 ? undefined : { text: text.slice(from, end), end: end + 1 };
}

function doubleQuoted(text: string, from: number): IQuoted | undefined {
  let kept = '';
  for (let at = from; at < text.length; at += 1) {
    const here = text.charAt(at);
    if (here === '"') {
      return { text: kept, end: at + 1 };
    }
    const next = text.charAt(at + 1);
    if (here === '\\' && next !== '' && '"\\$`\n'.includes(next)) {
      kept += next === '\n' ? '' : next;
      at += 1;
    } else {
      kept += here;
    }
  }
  return undefined;
}

/** Words that would have been operators of a shell: a pipe that is typed here is only a word. Pure. */
export function looksLikeShell(words: readonly string[]): boolean {
  const first = words[0] ?? '';
  // `sh -c 'a | b'` and the like have their operators inside of one word.
  return words.some(word => /^(\||\|\||&&?|;|[0-9]?>>?|[0-9]?>&[0-9]|<)$/.test(word)) || /^[A-Za-z_]\w*=/.test(first);
}
