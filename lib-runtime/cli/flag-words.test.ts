// SPDX-License-Identifier: BSD-3-Clause
import { Option } from 'commander';
import { describe, expect, it } from 'vitest';
import { FlagCommand, plainWords } from './flag-words.ts';

const OPTIONS = [
  new Option('-B, --bind <spec>', ''),
  new Option('-e, --cleanenv', ''),
  new Option('-c, --contain', ''),
  new Option('--no-https', '')
];

describe('plainWords', () => {
  it.each<[string, string, Record<string, boolean>]>([
    ['--cleanenv IMAGE', '--cleanenv IMAGE', {}],
    ['--cleanenv=true IMAGE', '--cleanenv IMAGE', {}],
    ['--cleanenv=F IMAGE', 'IMAGE', { cleanenv: false }],
    ['--cleanenv --cleanenv=0 IMAGE', '--cleanenv IMAGE', { cleanenv: false }],
    ['--cleanenv=0 -ce IMAGE', '-c -e IMAGE', {}],
    ['--no-https=false IMAGE', 'IMAGE', { https: true }],
    ['-e=1 IMAGE', '-e IMAGE', {}],
    ['-ce=false IMAGE', '-c IMAGE', { cleanenv: false }],
    ['-B=/a:/b IMAGE', '-B /a:/b IMAGE', {}],
    ['-B/a:/b IMAGE', '-B /a:/b IMAGE', {}],
    ['-ecB /a IMAGE', '-e -c -B /a IMAGE', {}],
    ['-B= IMAGE', '-B = IMAGE', {}],
    ['--bind=--contain=0 IMAGE', '--bind=--contain=0 IMAGE', {}],
    ['--bind --contain=0 IMAGE', '--bind --contain=0 IMAGE', {}],
    ['IMAGE --cleanenv=false -B=x', 'IMAGE --cleanenv=false -B=x', {}],
    ['-- --cleanenv=false', '-- --cleanenv=false', {}],
    ['- -B=x', '- -B=x', {}],
    // What follows a word that is not known is not looked at: no help is shown in place of the complaint.
    ['--typo IMAGE --help', '--typo', {}],
    ['-eZ IMAGE --help', '-e -Z', {}],
    ['--help IMAGE --cleanenv=0', '--help IMAGE --cleanenv=0', {}]
  ])('%s', (given, words, values) => {
    expect(plainWords(OPTIONS, given.split(' '), true)).toEqual({
      words: words.split(' '),
      values: new Map(Object.entries(values))
    });
  });

  it('goes on behind the first word where flags may follow it', () => {
    expect(plainWords(OPTIONS, ['IMAGE', '-B=x', '--', '-B=x'], false).words).toEqual([
      ...['IMAGE', '-B', 'x', '--', '-B=x']
    ]);
  });

  it('refuses a value that is neither true nor false', () => {
    expect(() => plainWords(OPTIONS, ['--cleanenv=maybe'], true)).toThrow(/"maybe".*--cleanenv/);
  });
});

describe('FlagCommand', () => {
  const parse = (...words: string[]): unknown => {
    let seen: unknown;
    const program = new FlagCommand('test').exitOverride().enablePositionalOptions();
    program.configureOutput({ writeErr: () => undefined });
    const command = program.command('exec').argument('<words...>').passThroughOptions().exitOverride();
    OPTIONS.forEach(option => command.addOption(option));
    command.action((rest: string[], values: unknown) => {
      seen = [rest, values];
    });
    program.parse(['exec', ...words], { from: 'user' });
    return seen;
  };

  it('hands over false beside what was not given', () => {
    expect(parse('--cleanenv=false', '-B=/a', 'IMAGE', '--contain=1')).toEqual([
      ['IMAGE', '--contain=1'],
      { cleanenv: false, bind: '/a', https: true }
    ]);
  });

  it.each([
    ['--cleanenv=maybe', 'IMAGE'],
    ['--typo', 'IMAGE', '--help']
  ])('complains of %s', (...words) => {
    expect(() => parse(...words)).toThrow(/maybe|unknown option '--typo'/);
  });
});
