// SPDX-License-Identifier: BSD-3-Clause
/** completion: a script for bash or zsh, made of the very commands and flags that the parser knows. */
import type { Command } from 'commander';

/** The words that a shell may offer at the start, and after each command. */
export interface ICompletionWords {
  readonly commands: readonly string[];
  readonly flags: Readonly<Record<string, readonly string[]>>;
}

/** What the parser knows, hidden flags left out; `cache list` counts as a command of two words. */
export function completionWords(program: Command): ICompletionWords {
  const flags: Record<string, string[]> = {};
  const visit = (command: Command, path: string): void => {
    flags[path] = command.options
      .filter(({ hidden }) => !hidden)
      .flatMap(({ short, long }) => [short, long].filter(isWord));
    flags[path].push('--help');
    for (const child of command.commands) {
      visit(child, path === '' ? child.name() : `${path} ${child.name()}`);
    }
  };
  visit(program, '');
  return { commands: program.commands.map(command => command.name()), flags };
}

function isWord(text: string | undefined): text is string {
  return text !== undefined;
}

/** The script; `names` are the programs that it completes. Words of the parser hold letters and dashes only. */
export function completionScript(shell: 'bash' | 'zsh', names: readonly string[], words: ICompletionWords): string {
  const cases = Object.entries(words.flags)
    .filter(([path]) => path !== '')
    .map(([path, flags]) => `    '${path}') words='${flags.join(' ')}' ;;`);
  const nested = [...new Set(Object.keys(words.flags).flatMap(path => path.split(' ').slice(0, -1)))].filter(Boolean);
  const children = nested.map(name => {
    const own = Object.keys(words.flags).filter(path => path.startsWith(`${name} `));
    return `    '${name}') words='${own.map(path => path.slice(name.length + 1)).join(' ')}' ;;`;
  });
  return [
    ...(shell === 'zsh' ? ['autoload -U +X bashcompinit && bashcompinit'] : []),
    '_nbcontainer() {',
    '  local current="${COMP_WORDS[COMP_CWORD]}" command="" index word words="" images=""',
    '  for ((index = 1; index < COMP_CWORD; index++)); do',
    '    word="${COMP_WORDS[index]}"',
    '    case "$word" in -*) continue ;; esac',
    `    case "$command" in ${['', ...nested].map(name => `'${name}'`).join(' | ')}) command="\${command:+$command }$word" ;; esac`,
    '  done',
    '  case "$command" in',
    `    '') words='${words.commands.join(' ')}' ;;`,
    ...children,
    '  esac',
    '  case "$current" in -*)',
    `    words='${(words.flags[''] ?? []).join(' ')}'`,
    '    case "$command" in',
    ...cases,
    '    esac ;;',
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    `complete -o default -F _nbcontainer ${names.join(' ')}`,
    ''
  ].join('\n');
}
