// SPDX-License-Identifier: BSD-3-Clause
/** Words of POSIX sh (IEEE 1003.1, Shell Command Language, 2.2 and 2.6): quotes and expansions, not yet performed. */
import { ContainerError } from '../support/errors.ts';

export type Part =
  | { readonly kind: 'text'; readonly text: string; readonly quoted: boolean }
  | {
      readonly kind: 'parameter';
      readonly name: string;
      /** `:-`, `-`, `:+`, `+`, `:=`, `=`; empty for a plain `$X`. */
      readonly operator: string;
      readonly word: Word;
      readonly quoted: boolean;
    }
  | { readonly kind: 'opaque'; readonly what: string };
export type Word = readonly Part[];

/** The one way in which this module and the evaluator give up; callers turn it into a fallback, not into a failure. */
export function notUnderstood(what: string, line: number): ContainerError {
  return new ContainerError({ code: 'unsupported', step: 'environment', message: `line ${line}: ${what}` });
}

export const META = new Set([' ', '\t', '\n', ';', '&', '|', '<', '>', '(', ')']);
/** Deeper nesting than any person writes: stops a hostile script from exhausting the stack. */
export const MAX_DEPTH = 60;

/** Reads words at a position; shell-syntax.ts adds the commands around them. */
export class WordReader {
  protected position = 0;
  protected depth = 0;
  private counted = 0;
  private lines = 1;
  protected readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  quotedToEnd(): Word {
    const parts: Part[] = [];
    while (this.position < this.text.length) {
      this.quotedPiece(parts);
    }
    return parts;
  }

  protected get line(): number {
    // Positions only grow: what was counted before need not be counted again.
    for (; this.counted < this.position; this.counted += 1) {
      this.lines += this.text[this.counted] === '\n' ? 1 : 0;
    }
    return this.lines;
  }

  protected failure(what: string): ContainerError {
    return notUnderstood(what, this.line);
  }

  protected char(offset = 0): string {
    return this.text[this.position + offset] ?? '';
  }

  protected word(): Word {
    const parts: Part[] = [];
    const start = this.position;
    for (;;) {
      const here = this.char();
      if (here === '' || META.has(here)) {
        break;
      }
      if (here === "'") {
        const end = this.text.indexOf("'", this.position + 1);
        if (end < 0) {
          throw this.failure('a quote is not closed');
        }
        parts.push({ kind: 'text', text: this.text.slice(this.position + 1, end), quoted: true });
        this.position = end + 1;
      } else if (here === '"') {
        this.position += 1;
        parts.push({ kind: 'text', text: '', quoted: true });
        while (this.char() !== '"') {
          if (this.char() === '') {
            throw this.failure('a quote is not closed');
          }
          this.quotedPiece(parts);
        }
        this.position += 1;
      } else if (here === '\\') {
        if (this.char(1) !== '\n') {
          parts.push({ kind: 'text', text: this.char(1), quoted: true });
        }
        this.position += 2;
      } else if (here === '$' || here === '`') {
        parts.push(this.expansion(false));
      } else {
        parts.push({ kind: 'text', text: here, quoted: false });
        this.position += 1;
      }
    }
    if (this.position === start) {
      throw this.failure(`unexpected "${this.char()}"`);
    }
    return parts;
  }

  /** One character or expansion between double quotes. */
  protected quotedPiece(parts: Part[]): void {
    const here = this.char();
    if (here === '\\' && '$`"\\\n'.includes(this.char(1)) && this.char(1) !== '') {
      if (this.char(1) !== '\n') {
        parts.push({ kind: 'text', text: this.char(1), quoted: true });
      }
      this.position += 2;
    } else if (here === '$' || here === '`') {
      parts.push(this.expansion(true));
    } else {
      parts.push({ kind: 'text', text: here, quoted: true });
      this.position += 1;
    }
  }

  protected expansion(quoted: boolean): Part {
    if (this.char() === '`') {
      const end = this.text.indexOf('`', this.position + 1);
      if (end < 0) {
        throw this.failure('a quote is not closed');
      }
      this.position = end + 1;
      return { kind: 'opaque', what: 'a command substitution' };
    }
    const rest = this.text.slice(this.position, this.position + 300);
    if (rest.startsWith('$(')) {
      this.position += 2;
      this.substitution();
      return { kind: 'opaque', what: 'a command substitution' };
    }
    const plain = /^\$([A-Za-z_][A-Za-z0-9_]*)/.exec(rest);
    if (plain !== null) {
      this.position += plain[0].length;
      return { kind: 'parameter', name: plain[1] ?? '', operator: '', word: [], quoted };
    }
    if (rest.startsWith('${')) {
      return this.braced(quoted);
    }
    if (/^\$[0-9@*#?$!-]/.test(rest)) {
      this.position += 2;
      return { kind: 'opaque', what: 'a special parameter' };
    }
    this.position += 1;
    return !quoted && (this.char() === "'" || this.char() === '"')
      ? { kind: 'opaque', what: 'a $ quote' }
      : { kind: 'text', text: '$', quoted: true };
  }

  protected braced(quoted: boolean): Part {
    const head = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(:[-+=]|[-+=]|(?=\}))/.exec(this.text.slice(this.position));
    if (head === null) {
      this.position += 2;
      this.braceContent(quoted);
      return { kind: 'opaque', what: 'a parameter expansion' };
    }
    this.position += head[0].length;
    const word = this.braceContent(quoted);
    return { kind: 'parameter', name: head[1] ?? '', operator: head[2] ?? '', word, quoted };
  }

  /** The word of `${X:-word}` up to its closing brace, which is consumed. */
  protected braceContent(quoted: boolean): Word {
    this.depth += 1;
    if (this.depth > MAX_DEPTH) {
      throw this.failure('too deeply nested');
    }
    const parts: Part[] = [];
    for (;;) {
      const here = this.char();
      if (here === '') {
        throw this.failure('a brace is not closed');
      }
      if (here === '}') {
        this.position += 1;
        this.depth -= 1;
        return parts;
      }
      if (here === '"') {
        this.position += 1;
        while (this.char() !== '"') {
          if (this.char() === '') {
            throw this.failure('a quote is not closed');
          }
          this.quotedPiece(parts);
        }
        this.position += 1;
      } else if (here === "'" && !quoted) {
        const end = this.text.indexOf("'", this.position + 1);
        if (end < 0) {
          throw this.failure('a quote is not closed');
        }
        parts.push({ kind: 'text', text: this.text.slice(this.position + 1, end), quoted: true });
        this.position = end + 1;
      } else if (here === '\\' && (this.char(1) === '}' || !quoted)) {
        parts.push({ kind: 'text', text: this.char(1), quoted: true });
        this.position += 2;
      } else {
        this.quotedPiece(parts);
      }
    }
  }

  /** Skips the inside of `$( )` and its closing parenthesis, minding quotes and nesting. */
  protected substitution(): void {
    let open = 1;
    while (open > 0) {
      const here = this.char();
      if (here === '') {
        throw this.failure('a parenthesis is not closed');
      }
      if (here === '\\') {
        this.position += 2;
        continue;
      }
      if (here === "'" || here === '"') {
        const end = this.text.indexOf(here, this.position + 1);
        if (end < 0) {
          throw this.failure('a quote is not closed');
        }
        this.position = end + 1;
        continue;
      }
      open += here === '(' ? 1 : here === ')' ? -1 : 0;
      this.position += 1;
    }
  }
}

/** Parses text as if it stood between double quotes, to the end of the text; a bare `"` is itself. */
export function parseDoubleQuoted(text: string): Word {
  return new WordReader(text).quotedToEnd();
}
