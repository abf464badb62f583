// SPDX-License-Identifier: BSD-3-Clause
/**
 * Performs environment scripts of images without a shell: assignments, export, unset, test, if, case, && and ||.
 * Anything that would run a program, read a file or change the process is not understood, and the caller lets a
 * shell inside the container do it (run/environment.ts). Behaves as bash does (Apptainer interprets these scripts as
 * bash): no field splitting in the arguments of export.
 */
import { ContainerError } from '../support/errors.ts';
import { parseShell, type ShellNode } from './shell-syntax.ts';
import { notUnderstood, parseDoubleQuoted, type Part, type Word } from './shell-words.ts';

export interface IShellVariable {
  readonly value: string;
  readonly exported: boolean;
}
export type ShellVariables = ReadonlyMap<string, IShellVariable>;

export type ScriptResult =
  | { readonly understood: true; readonly variables: Map<string, IShellVariable> }
  /** `why` names the line and what stands there. */
  | { readonly understood: false; readonly why: string };

/** Total length of the values that a script may build: `X=$X$X` in a loop-free script grows without bound, too. */
const MAX_CHARACTERS = 4 * 1024 * 1024;
const MAX_SCRIPT = 256 * 1024;

/**
 * The variables after a script ran on `variables` (which are not changed). Pure.
 *
 * @param locked names that the script cannot change (readonly in Apptainer's action script).
 */
export function evaluateScript(
  text: string,
  variables: ShellVariables,
  locked: ReadonlySet<string> = new Set()
): ScriptResult {
  const state = new Map(variables);
  if (text.length > MAX_SCRIPT) {
    return { understood: false, why: 'the script is too long' };
  }
  try {
    const evaluator = new Evaluator(state, locked);
    evaluator.list(parseShell(text));
  } catch (error) {
    if (error instanceof ContainerError && error.code === 'unsupported') {
      return { understood: false, why: error.message };
    }
    throw error;
  }
  return { understood: true, variables: state };
}

/**
 * Text with `$X`, `${X}`, `${X:-y}` and `\$` read as between double quotes, or undefined when it holds something else
 * (`$(command)`, `$1`), which is never performed.
 */
export function expandDoubleQuoted(text: string, variables: ShellVariables): string | undefined {
  try {
    return new Evaluator(new Map(variables), new Set()).text(parseDoubleQuoted(text), 1);
  } catch (error) {
    if (error instanceof ContainerError && error.code === 'unsupported') {
      return undefined;
    }
    throw error;
  }
}

class Evaluator {
  private readonly variables: Map<string, IShellVariable>;
  private readonly locked: ReadonlySet<string>;
  private written = 0;
  /** Names exported before they have a value. */
  private readonly marked = new Set<string>();

  constructor(variables: Map<string, IShellVariable>, locked: ReadonlySet<string>) {
    this.variables = variables;
    this.locked = locked;
  }

  list(nodes: readonly ShellNode[]): boolean {
    let status = true;
    for (const node of nodes) {
      status = this.node(node);
    }
    return status;
  }

  private node(node: ShellNode): boolean {
    switch (node.kind) {
      case 'opaque':
        throw notUnderstood(node.what, node.line);
      case 'group':
        return this.list(node.body);
      case 'not':
        return !this.node(node.node);
      case 'and':
        return this.node(node.left) && this.node(node.right);
      case 'or':
        return this.node(node.left) || this.node(node.right);
      case 'if': {
        const branch = node.branches.find(({ condition }) => this.list(condition));
        return this.list(branch?.body ?? node.otherwise);
      }
      case 'case': {
        const subject = this.text(node.subject, 0);
        const item = node.items.find(({ patterns }) => patterns.some(pattern => this.pattern(pattern).test(subject)));
        return this.list(item?.body ?? []);
      }
      case 'simple':
        return this.simple(node);
    }
  }

  private simple({ assignments, words, line }: Extract<ShellNode, { kind: 'simple' }>): boolean {
    const [command, ...rest] = words;
    if (command === undefined) {
      for (const { name, append, value } of assignments) {
        this.assign(name, this.value(value, line), append, line);
      }
      return true;
    }
    const name = this.text(command, line);
    if (assignments.length > 0) {
      throw notUnderstood(`the command ${name}`, line);
    }
    switch (name) {
      case ':':
      case 'true':
        this.fields(rest, line);
        return true;
      case 'false':
        return false;
      case 'export':
        rest.forEach(word => this.exportWord(word, line));
        return true;
      case 'unset':
        this.unset(this.fields(rest, line), line);
        return true;
      case 'test':
        return evaluateTest(this.fields(rest, line), line);
      case '[': {
        const fields = this.fields(rest, line);
        if (fields.pop() !== ']') {
          throw notUnderstood('"]" is missing', line);
        }
        return evaluateTest(fields, line);
      }
      default:
        throw notUnderstood(`the command ${name}`, line);
    }
  }

  private assign(name: string, value: string, append: boolean, line: number): void {
    if (this.locked.has(name)) {
      return;
    }
    const old = this.variables.get(name);
    const text = append ? (old?.value ?? '') + value : value;
    this.written += text.length;
    if (this.written > MAX_CHARACTERS) {
      throw notUnderstood('values without bound', line);
    }
    this.variables.set(name, { value: text, exported: old?.exported ?? this.marked.has(name) });
  }

  private exportWord(word: Word, line: number): void {
    const [first] = word;
    const literal = word
      .map(part => (part.kind === 'text' ? part.text : '\0'))
      .join('')
      .split('\0')[0];
    const head = /^([A-Za-z_][A-Za-z0-9_]*)(\+?)=/.exec(literal ?? '');
    const text = head === null ? this.text(word, line) : this.value(word, line, head[0].length);
    if (head !== null && first !== undefined) {
      this.assign(head[1] ?? '', text.slice(head[0].length), head[2] === '+', line);
    } else if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(text)) {
      throw notUnderstood(`export ${text}`, line);
    }
    const name = head?.[1] ?? text;
    const variable = this.variables.get(name);
    if (!this.locked.has(name) && variable !== undefined) {
      this.variables.set(name, { value: variable.value, exported: true });
    } else if (!this.locked.has(name)) {
      this.marked.add(name);
    }
  }

  private unset(names: readonly string[], line: number): void {
    for (const name of names) {
      if (name === '-v') {
        continue;
      }
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        throw notUnderstood(`unset ${name}`, line);
      }
      if (!this.locked.has(name)) {
        this.variables.delete(name);
      }
    }
  }

  /** A word as the right side of an assignment: tilde expansion, no splitting. `skip` characters lead in (`NAME=`). */
  private value(word: Word, line: number, skip = 0): string {
    let seen = 0;
    let previous = ':';
    let result = '';
    word.forEach((part, index) => {
      const text = this.part(part, line);
      const isTilde = part.kind === 'text' && !part.quoted && text === '~' && (previous === ':' || seen === skip);
      if (isTilde) {
        const next = word[index + 1];
        const bounded =
          next === undefined || (next.kind === 'text' && !next.quoted && (next.text === '/' || next.text === ':'));
        if (!bounded) {
          throw notUnderstood('the home of another user', line);
        }
        result += this.variables.get('HOME')?.value ?? '~';
      } else {
        result += text;
      }
      previous = part.kind === 'text' && !part.quoted ? text : '';
      seen += text.length;
    });
    return result;
  }

  /** The text of a word as between double quotes. */
  text(word: Word, line: number): string {
    return word.map(part => this.part(part, line)).join('');
  }

  /** Words as arguments of a command: unquoted expansions that are empty vanish, those that would split are refused. */
  private fields(words: readonly Word[], line: number): string[] {
    const fields: string[] = [];
    for (const word of words) {
      const text = this.text(word, line);
      const bare = word.filter(part => part.kind === 'parameter' && !part.quoted);
      if (bare.some(part => /[\s*?[]/.test(this.part(part, line)))) {
        throw notUnderstood('an expansion that is split into words', line);
      }
      if (word.some(part => part.kind === 'text' && !part.quoted && /[*?~]/.test(part.text))) {
        throw notUnderstood('a file name pattern', line);
      }
      if (text !== '' || word.some(part => part.kind === 'text')) {
        fields.push(text);
      }
    }
    return fields;
  }

  private part(part: Part, line: number): string {
    if (part.kind === 'text') {
      return part.text;
    }
    if (part.kind === 'opaque') {
      throw notUnderstood(part.what, line);
    }
    const value = this.variables.get(part.name)?.value;
    const missing = value === undefined || (part.operator.startsWith(':') && value === '');
    switch (part.operator.replace(':', '')) {
      case '-':
        return missing ? this.text(part.word, line) : value;
      case '+':
        return missing ? '' : this.text(part.word, line);
      case '=': {
        if (!missing) {
          return value;
        }
        const text = this.text(part.word, line);
        this.assign(part.name, text, false, line);
        return text;
      }
      default:
        return value ?? '';
    }
  }

  private pattern(word: Word): RegExp {
    let source = '';
    for (const part of word) {
      const text = this.part(part, 0);
      if (part.kind === 'text' && !part.quoted) {
        if (text === '[' || text === ']') {
          throw notUnderstood('a bracket pattern', 0);
        }
        source += text === '*' ? '[^]*' : text === '?' ? '[^]' : escapeRegExp(text);
      } else if (part.kind === 'parameter' && !part.quoted && /[*?[\\]/.test(text)) {
        throw notUnderstood('a pattern from a variable', 0);
      } else {
        source += escapeRegExp(text);
      }
    }
    return new RegExp(`^${source}$`);
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/** test(1) for strings and integers, by the number of arguments as POSIX has it; files are not looked at. */
function evaluateTest(args: readonly string[], line: number): boolean {
  const [first = '', second = '', third = ''] = args;
  if (args.length > 1 && first === '!') {
    return !evaluateTest(args.slice(1), line);
  }
  for (const [operator, join] of [
    ['-o', (left: boolean, right: boolean) => left || right],
    ['-a', (left: boolean, right: boolean) => left && right]
  ] as const) {
    const at = args.length > 3 ? args.indexOf(operator, 1) : -1;
    if (at > 0) {
      const left = evaluateTest(args.slice(0, at), line);
      return join(left, evaluateTest(args.slice(at + 1), line));
    }
  }
  if (args.length < 2) {
    return first !== '';
  }
  if (args.length === 2 && (first === '-n' || first === '-z')) {
    return (second === '') === (first === '-z');
  }
  if (args.length === 3) {
    const numbers = /^-?\d+$/.test(first) && /^-?\d+$/.test(third) ? [Number(first), Number(third)] : undefined;
    const [left = NaN, right = NaN] = numbers ?? [];
    switch (second) {
      case '=':
      case '==':
        return first === third;
      case '!=':
        return first !== third;
      case '-eq':
        return left === right;
      case '-ne':
        return numbers !== undefined && left !== right;
      case '-gt':
        return left > right;
      case '-ge':
        return left >= right;
      case '-lt':
        return left < right;
      case '-le':
        return left <= right;
    }
  }
  throw notUnderstood(`test ${args.join(' ')}`, line);
}
