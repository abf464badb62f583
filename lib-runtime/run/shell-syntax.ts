// SPDX-License-Identifier: BSD-3-Clause
/**
 * A parser for the part of POSIX sh (IEEE 1003.1, Shell Command Language, 2.10) that environment scripts of images are
 * written in. What it can read but shell-assignments.ts cannot perform (loops, pipes, command substitution ...) becomes
 * an `opaque` node, so that a script is understood as long as no such node has to be performed.
 */
import { MAX_DEPTH, META, type Word, WordReader } from './shell-words.ts';

export interface IAssignment {
  readonly name: string;
  readonly append: boolean;
  readonly value: Word;
}

export type ShellNode =
  | {
      readonly kind: 'simple';
      readonly assignments: readonly IAssignment[];
      readonly words: readonly Word[];
      readonly line: number;
    }
  | {
      readonly kind: 'if';
      readonly branches: readonly { readonly condition: readonly ShellNode[]; readonly body: readonly ShellNode[] }[];
      readonly otherwise: readonly ShellNode[];
    }
  | {
      readonly kind: 'case';
      readonly subject: Word;
      readonly items: readonly { readonly patterns: readonly Word[]; readonly body: readonly ShellNode[] }[];
    }
  | { readonly kind: 'and' | 'or'; readonly left: ShellNode; readonly right: ShellNode }
  | { readonly kind: 'not'; readonly node: ShellNode }
  | { readonly kind: 'group'; readonly body: readonly ShellNode[] }
  | { readonly kind: 'opaque'; readonly what: string; readonly line: number };

const RESERVED = new Set([
  'if',
  'then',
  'elif',
  'else',
  'fi',
  'case',
  'esac',
  'for',
  'while',
  'until',
  'do',
  'done',
  '{',
  '}',
  '!'
]);

/**
 * Parses a whole script.
 *
 * @throws ContainerError `unsupported` (shell-words.ts: notUnderstood) when the syntax is outside the subset.
 */
export function parseShell(text: string): readonly ShellNode[] {
  const parser = new Parser(text.replace(/\r\n/g, '\n'));
  return parser.program();
}

class Parser extends WordReader {
  program(): ShellNode[] {
    const nodes = this.list(new Set());
    if (this.position < this.text.length) {
      throw this.failure(`unexpected "${this.text[this.position] ?? ''}"`);
    }
    return nodes;
  }

  private blanks(): void {
    for (;;) {
      if (this.char() === ' ' || this.char() === '\t') {
        this.position += 1;
      } else if (this.char() === '\\' && this.char(1) === '\n') {
        this.position += 2;
      } else if (this.char() === '#') {
        while (this.char() !== '' && this.char() !== '\n') {
          this.position += 1;
        }
      } else {
        return;
      }
    }
  }

  private separators(): void {
    for (;;) {
      this.blanks();
      const here = this.char();
      if (here === '\n' || (here === ';' && this.char(1) !== ';')) {
        this.position += 1;
      } else {
        return;
      }
    }
  }

  /** The reserved word at the position, which must be a command position. */
  private reserved(): string {
    let end = this.position;
    while (end < this.text.length && !META.has(this.text[end] ?? '')) {
      end += 1;
    }
    const word = this.text.slice(this.position, end);
    return RESERVED.has(word) ? word : '';
  }

  private expect(word: string): void {
    this.separators();
    if (this.reserved() !== word) {
      throw this.failure(`"${word}" is missing`);
    }
    this.position += word.length;
  }

  private list(terminators: ReadonlySet<string>): ShellNode[] {
    this.depth += 1;
    if (this.depth > MAX_DEPTH) {
      throw this.failure('too deeply nested');
    }
    const nodes: ShellNode[] = [];
    for (;;) {
      this.separators();
      const here = this.char();
      if (here === '' || here === ')' || (here === ';' && this.char(1) === ';') || terminators.has(this.reserved())) {
        this.depth -= 1;
        return nodes;
      }
      nodes.push(this.andOr());
    }
  }

  private andOr(): ShellNode {
    let left = this.pipeline();
    for (;;) {
      this.blanks();
      const operator = this.text.slice(this.position, this.position + 2);
      if (operator !== '&&' && operator !== '||') {
        break;
      }
      this.position += 2;
      this.newlines();
      left = { kind: operator === '&&' ? 'and' : 'or', left, right: this.pipeline() };
    }
    if (this.char() === '&') {
      this.position += 1;
      return { kind: 'opaque', what: 'a background command', line: this.line };
    }
    return left;
  }

  private newlines(): void {
    this.blanks();
    while (this.char() === '\n') {
      this.position += 1;
      this.blanks();
    }
  }

  private pipeline(): ShellNode {
    this.blanks();
    const line = this.line;
    const negated = this.reserved() === '!';
    if (negated) {
      this.position += 1;
      this.blanks();
    }
    const first = this.command();
    let node = first;
    this.blanks();
    while (this.char() === '|' && this.char(1) !== '|') {
      this.position += 1;
      this.newlines();
      this.command();
      this.blanks();
      node = { kind: 'opaque', what: 'a pipe', line };
    }
    return negated ? { kind: 'not', node } : node;
  }

  private command(): ShellNode {
    this.blanks();
    const line = this.line;
    let node: ShellNode;
    const reserved = this.reserved();
    switch (reserved) {
      case 'if':
        node = this.ifClause();
        break;
      case 'case':
        node = this.caseClause();
        break;
      case 'for':
      case 'while':
      case 'until':
        node = this.loop(reserved);
        break;
      case '{':
        this.position += 1;
        node = { kind: 'group', body: this.list(new Set(['}'])) };
        this.expect('}');
        break;
      case '':
        if (this.char() === '(') {
          this.position += 1;
          this.list(new Set());
          this.closing();
          node = { kind: 'opaque', what: 'a subshell', line };
          break;
        }
        return this.simple();
      default:
        throw this.failure(`unexpected "${reserved}"`);
    }
    return this.redirections() ? { kind: 'opaque', what: 'a redirection', line } : node;
  }

  private closing(): void {
    if (this.char() !== ')') {
      throw this.failure('")" is missing');
    }
    this.position += 1;
  }

  private ifClause(): ShellNode {
    this.expect('if');
    const branches: { condition: ShellNode[]; body: ShellNode[] }[] = [];
    for (;;) {
      const condition = this.list(new Set(['then']));
      this.expect('then');
      branches.push({ condition, body: this.list(new Set(['elif', 'else', 'fi'])) });
      if (this.reserved() !== 'elif') {
        break;
      }
      this.expect('elif');
    }
    let otherwise: ShellNode[] = [];
    if (this.reserved() === 'else') {
      this.expect('else');
      otherwise = this.list(new Set(['fi']));
    }
    this.expect('fi');
    return { kind: 'if', branches, otherwise };
  }

  private caseClause(): ShellNode {
    this.expect('case');
    this.blanks();
    const subject = this.word();
    this.newlines();
    if (this.text.slice(this.position, this.position + 2) !== 'in') {
      throw this.failure('"in" is missing');
    }
    this.position += 2;
    const items: { patterns: Word[]; body: ShellNode[] }[] = [];
    for (;;) {
      this.separators();
      if (this.reserved() === 'esac') {
        break;
      }
      if (this.char() === '(') {
        this.position += 1;
      }
      const patterns: Word[] = [];
      do {
        this.position += this.char() === '|' ? 1 : 0;
        this.blanks();
        patterns.push(this.word());
        this.blanks();
      } while (this.char() === '|');
      this.closing();
      items.push({ patterns, body: this.list(new Set(['esac'])) });
      if (this.char() === ';' && this.char(1) === ';') {
        this.position += 2;
      }
    }
    this.expect('esac');
    return { kind: 'case', subject, items };
  }

  private loop(kind: string): ShellNode {
    const line = this.line;
    this.expect(kind);
    if (kind === 'for') {
      this.blanks();
      while (this.char() !== '' && this.char() !== '\n' && this.char() !== ';') {
        this.word();
        this.blanks();
      }
    } else {
      this.list(new Set(['do']));
    }
    this.expect('do');
    this.list(new Set(['done']));
    this.expect('done');
    return { kind: 'opaque', what: `a ${kind} loop`, line };
  }

  /** Reads redirections; true when there was one. */
  private redirections(): boolean {
    let any = false;
    for (;;) {
      this.blanks();
      const match = /^\d*(<<|>>|>&|<&|<>|>\||<|>)/.exec(this.text.slice(this.position, this.position + 12));
      if (match === null) {
        return any;
      }
      if (match[1] === '<<') {
        throw this.failure('a here-document');
      }
      this.position += match[0].length;
      this.blanks();
      this.word();
      any = true;
    }
  }

  private simple(): ShellNode {
    const line = this.line;
    const assignments: IAssignment[] = [];
    const words: Word[] = [];
    let redirected = false;
    for (;;) {
      redirected = this.redirections() || redirected;
      const here = this.char();
      if (here === '(' && words.length === 1 && assignments.length === 0) {
        this.position += 1;
        this.blanks();
        this.closing();
        this.newlines();
        this.command();
        return { kind: 'opaque', what: 'a function', line };
      }
      if (here === '' || META.has(here)) {
        break;
      }
      const name = words.length === 0 ? /^([A-Za-z_][A-Za-z0-9_]*)(\+?)=/.exec(this.text.slice(this.position)) : null;
      if (name !== null) {
        this.position += name[0].length;
        const value = META.has(this.char()) || this.char() === '' ? [] : this.word();
        if (this.char() === '(') {
          throw this.failure('an array');
        }
        assignments.push({ name: name[1] ?? '', append: name[2] === '+', value });
      } else {
        words.push(this.word());
      }
    }
    if (this.char() === '(' || (assignments.length === 0 && words.length === 0 && !redirected)) {
      throw this.failure(`unexpected "${this.char()}"`);
    }
    return redirected ? { kind: 'opaque', what: 'a redirection', line } : { kind: 'simple', assignments, words, line };
  }
}
