// SPDX-License-Identifier: BSD-3-Clause
/**
 * Flags in the notations of pflag, which Apptainer reads its command lines with, where commander knows another one or
 * none: `--flag=false`, `-e=true`, `-B=value` (github.com/spf13/pflag, `parseLongArg`, `parseSingleShortArg`).
 */
import { Command, type Option } from 'commander';
import { booleanOf } from './flag-variables.ts';

export interface IPlainWords {
  /** What commander understands. */
  readonly words: string[];
  /** Flags that were given as false, by commander's property; for a `--no-` flag of commander's own the opposite. */
  readonly values: Map<string, boolean>;
}

/**
 * Words of a command line in commander's notation. Words that are not known stay, and what follows them is dropped:
 * the complaint is about them, not about what commander makes of the rest.
 *
 * @param stops flags end at the first word that is none.
 * @throws Error for a value that is neither true nor false.
 */
export function plainWords(options: readonly Option[], words: readonly string[], stops: boolean): IPlainWords {
  const plain: string[] = [];
  const values = new Map<string, boolean>();
  const rest = [...words];
  const turn = (option: Option, flag: string, text: string | undefined): void => {
    const given = text === undefined ? true : booleanOf(text);
    if (given === undefined) {
      throw new Error(`invalid argument "${text}" for ${option.long ?? flag}: it is neither true nor false`);
    }
    values.delete(option.attributeName());
    if (given) {
      plain.push(flag);
    } else {
      values.set(option.attributeName(), option.negate);
    }
  };
  const letters = (group: string): boolean => {
    for (let at = 1; at < group.length; at += 1) {
      const flag = `-${group[at]}`;
      const option = options.find(({ short }) => short === flag);
      // A lone = at the end is no value but a letter, or the value of a flag that takes one.
      const value = group[at + 1] === '=' && group.length > at + 2 ? group.slice(at + 2) : undefined;
      if (option === undefined) {
        plain.push(flag);
        return false;
      }
      if (takesValue(option)) {
        const text = value ?? (group.slice(at + 1) || rest.shift());
        plain.push(flag, ...(text === undefined ? [] : [text]));
        return true;
      }
      turn(option, flag, value);
      if (value !== undefined) {
        return true;
      }
    }
    return true;
  };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const isFlag = word.length > 1 && word.startsWith('-');
    if (word === '--' || word === '--help' || word === '-h' || (!isFlag && stops)) {
      plain.push(word, ...rest);
      break;
    }
    if (!isFlag) {
      plain.push(word);
      continue;
    }
    if (!word.startsWith('--')) {
      if (!letters(word)) {
        break;
      }
      continue;
    }
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const option = options.find(({ long }) => long === name);
    if (option === undefined) {
      plain.push(word);
      break;
    }
    if (!takesValue(option)) {
      turn(option, name, equals < 0 ? undefined : word.slice(equals + 1));
    } else {
      plain.push(word, ...(equals < 0 ? rest.splice(0, 1) : []));
    }
  }
  return { words: plain, values };
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

/** A command that understands these notations, and whose words below it do. */
export class FlagCommand extends Command {
  private passesThrough = false;

  override createCommand(name?: string): Command {
    return new FlagCommand(name);
  }

  override passThroughOptions(passThrough = true): this {
    this.passesThrough = passThrough;
    return super.passThroughOptions(passThrough);
  }

  override parseOptions(argv: string[]): { operands: string[]; unknown: string[] } {
    let plain: IPlainWords;
    try {
      plain = plainWords(this.options, argv, this.passesThrough || this.commands.length > 0);
    } catch (error) {
      return this.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    }
    const parsed = super.parseOptions(plain.words);
    for (const [name, value] of plain.values) {
      this.setOptionValueWithSource(name, value, 'cli');
    }
    return parsed;
  }
}
