// SPDX-License-Identifier: BSD-3-Clause
/**
 * Every command and flag of Apptainer 1.4.5 is known: it is there and takes a value where Apptainer's does, or one
 * sentence says what to do instead, and docs/compatibility.md says so.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Option } from 'commander';
import { describe, expect, it } from 'vitest';
import { REPOSITORY } from '../../platforms/build.ts';
import { buildProgram } from '../../lib-runtime/cli/program.ts';
import { commandOf, REFUSED_COMMANDS, REFUSED_FLAGS, refusalOf } from '../../lib-runtime/cli/refused.ts';
import { COMMANDS, commandsOf, flagsOf, readWords } from '../differential/help.ts';

const WORDS = readWords();
const PROGRAM = buildProgram('0', () => undefined);
const DOCS = readFileSync(join(REPOSITORY, 'docs', 'compatibility.md'), 'utf8');

function commandNamed(name: string): Command {
  return name
    .split(' ')
    .filter(Boolean)
    .reduce<Command>((command, word) => {
      const found = command.commands.find(item => item.name() === word);
      if (found === undefined) {
        throw new Error(`there is no command ${name}`);
      }
      return found;
    }, PROGRAM);
}

/** Short and long form without dashes, and whether a value follows. */
interface IWanted {
  readonly short?: string;
  readonly long: string;
  readonly value: boolean;
}

function wanted(text: string): IWanted {
  const [, short, long = '', value] = /^(?:(-\w)\/)?(--[a-z0-9-]+)(=?)$/.exec(text) ?? [];
  return { ...(short !== undefined && { short }), long, value: value === '=' };
}

function ours(command: Command, { long }: IWanted): Option | undefined {
  return command.options.find(option => option.long === long);
}

const FLAGS = COMMANDS.flatMap(command =>
  (WORDS.flags[command] ?? '')
    .split(' ')
    .filter(Boolean)
    .map(flag => [command, flag] as const)
);

describe('the words of Apptainer', () => {
  it('are all recorded', () => {
    expect(FLAGS.length).toBeGreaterThan(400);
    expect(Object.keys(WORDS.flags)).toEqual(COMMANDS);
  });

  it.each(WORDS.commands)('%s is a command, or has a sentence', name => {
    const known = name === 'help' || PROGRAM.commands.some(command => command.name() === name);
    expect([name, known]).toEqual([name, REFUSED_COMMANDS[name] === undefined]);
  });

  it.each(FLAGS)('%s %s is a flag, or has a sentence', (name, text) => {
    const flag = wanted(text);
    const option = ours(commandNamed(name), flag);
    const sentence = REFUSED_FLAGS[name]?.[flag.long];
    if (option === undefined) {
      expect(sentence, `${name} ${flag.long}`).toBeDefined();
      expect(DOCS, 'docs/compatibility.md').toContain(`\`${flag.long}\``);
      expect(
        refusalOf([...name.split(' '), flag.short ?? flag.long], `error: unknown option '${flag.long}'`)?.fix
      ).toBe(`${sentence?.[0]?.toUpperCase()}${sentence?.slice(1)}`);
      return;
    }
    expect(sentence, 'a flag that is honoured needs no sentence').toBeUndefined();
    expect([flag.long, option.required || option.optional]).toEqual([flag.long, flag.value]);
    expect([flag.long, option.short ?? undefined]).toEqual([flag.long, flag.short]);
  });

  it('have no sentence that nobody needs', () => {
    for (const [command, sentences] of Object.entries(REFUSED_FLAGS)) {
      const flags = (WORDS.flags[command] ?? '').split(' ').map(text => wanted(text).long);
      // Of one table for six commands, some flags belong to a few of them.
      const shared = ['exec', 'instance run'].flatMap(name => (WORDS.flags[name] ?? '').split(' '));
      const all = sentences === REFUSED_FLAGS['exec'] ? shared.map(text => wanted(text).long) : flags;
      expect(Object.keys(sentences).filter(flag => !all.includes(flag))).toEqual([]);
    }
    expect(Object.keys(REFUSED_COMMANDS).filter(name => !WORDS.commands.includes(name))).toEqual([]);
  });
});

describe('a line that was not understood', () => {
  it('is answered for its own command', () => {
    const said = (flag: string): string => `error: unknown option '${flag}'`;
    expect(refusalOf(['build', '-u', 'x.sif', 'x.def'], said('-u'))?.message).toBe('--update is not supported');
    expect(refusalOf(['instance', 'list', '-u', 'root'], said('-u'))?.message).toBe('--user is not supported');
    expect(refusalOf(['-c', 'exec', 'a', 'b'], said('-c'))?.message).toBe('--config is not supported');
    expect(refusalOf(['exec', '--no-such', 'a', 'b'], said('--no-such'))).toBeUndefined();
    expect(refusalOf(['pull', '--encrypt', 'a'], said('--encrypt'))).toBeUndefined();
    expect(refusalOf(['sign', 'a.sif'], "error: unknown command 'sign'")?.message).toBe('sign is not supported');
    expect(refusalOf(['bogus'], "error: unknown command 'bogus'")).toBeUndefined();
    expect(refusalOf(['instance', 'sign'], "error: unknown command 'sign'")).toBeUndefined();
  });

  it('names its command', () => {
    expect(commandOf(['-q', 'exec', '--bind', 'a', 'b'])).toBe('exec');
    expect(commandOf(['instance', '-x', 'list'])).toBe('instance list');
    expect(commandOf([])).toBe('');
  });
});

describe('a page of help', () => {
  it('is read', () => {
    const page = [
      'Available Commands:',
      '  build       Build an image',
      '  run-help    Show help',
      '',
      'Options:',
      '  -B, --bind stringArray          a user-bind path',
      "                                  '--bind' in a text",
      '      --no-home                   do NOT mount',
      '  -h, --help                      help for exec',
      ''
    ].join('\n');
    expect(flagsOf(page)).toBe('-B/--bind= --no-home');
    expect(commandsOf(page)).toEqual(['build', 'run-help']);
  });
});
