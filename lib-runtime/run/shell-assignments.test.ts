// SPDX-License-Identifier: BSD-3-Clause
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { evaluateScript, expandDoubleQuoted, type IShellVariable } from './shell-assignments.ts';

function variables(values: Readonly<Record<string, string>>): Map<string, IShellVariable> {
  return new Map(Object.entries(values).map(([name, value]) => [name, { value, exported: true }]));
}

/** Exported variables after a script, or why it was not understood. */
function exported(script: string, before: Readonly<Record<string, string>> = {}): Record<string, string> | string {
  const result = evaluateScript(script, variables({ HOME: '/home/ada', ...before }));
  if (!result.understood) {
    return result.why;
  }
  const after = [...result.variables].filter(([name, { exported: out }]) => out && name !== 'HOME');
  return Object.fromEntries(after.map(([name, { value }]) => [name, value]));
}

const UNDERSTOOD: readonly [script: string, before?: Record<string, string>][] = [
  ['export A=1'],
  ['A=1'],
  ['A=1; export A'],
  ['A=1\nexport A B C=3'],
  ['export A=1 B="two words" C=\'$HOME\''],
  ['export "A=x y"'],
  ['export A="$HOME/bin"; export B=${HOME}/x${A}'],
  ['export A="${X:-"a b"}"'],
  ['export A="${X:-}" B=${X-unset} C=${E-unset} D=${E:-empty}', { E: '' }],
  ['export A="${HOME:+yes}" B="${E:+no}" C="${E+set}"', { E: '' }],
  ['export A=${X:=assigned}; export X'],
  ['export PATH="/opt/bin:$PATH"', { PATH: '/bin' }],
  ['export A=~/x:~ B="~" C=a~'],
  ['# comment\n\nexport A=1 # after\n#export B=2'],
  ['export A=a\\ b B="a\\"b\\$c\\`d\\\\e\\n"'],
  ['export A=a"b"\'c\'$HOME"$HOME"'],
  ['export A=1 \\\n  B=2'],
  ["export A='line\nbreak'"],
  ['if [ -z "$X" ]; then export A=empty; else export A=set; fi'],
  ['if [ -n "$HOME" ]\nthen\n  export A=home\nfi'],
  ['if test "$X" = y; then export A=1; elif [ "$HOME" != "" ]; then export A=2; else export A=3; fi'],
  ['[ -z "$X" ] && export A=1 || export A=2'],
  ['[ -n "$X" ] && export A=1; export B=2'],
  ['! [ -n "$X" ] && export A=1'],
  ['if [ -n "$X" ]; then . /etc/profile; echo `date` > /tmp/x | cat; for i in 1 2; do foo; done; fi; export A=1'],
  ['if [ "$N" -gt 3 ] && [ 2 -le 2 ]; then export A=1; fi', { N: '10' }],
  ['if [ -z $X ]; then export A=1; fi; if [ -n $X ]; then export B=1; fi'],
  ['case ":$PATH:" in *:/opt/bin:*) ;; *) export PATH="/opt/bin:$PATH" ;; esac', { PATH: '/bin' }],
  ['case ":$PATH:" in *:/opt/bin:*) ;; *) export PATH="/opt/bin:$PATH" ;; esac', { PATH: '/opt/bin:/bin' }],
  ['case $X in a|b) export A=1;; ""|c) export A=2;; esac'],
  ['{ export A=1; export B=2; }'],
  ['unset HOSTVAR; export A=1', { HOSTVAR: 'x' }],
  ['export A; A=later'],
  [': "${A:=default}"; export A'],
  ['export A=$UNSET$UNSET2 B=" "'],
  ['export A="a#b" B=a#b'],
  ['export A=x;export B=y;'],
  ['export A="\\\nb"'],
  ['true && export A=1; false || export B=2'],
  ['export A="$" B=a$ C="$ x"'],
  ['export A=äö B="日本"'],
  ['export A=${X:-${HOME}/y} B="${X:-${E:-z}}"', { E: '' }],
  ['export A="it\'s" B=\'say "x"\'']
];

describe('evaluateScript', () => {
  // The judge is a real shell: same script, same variables.
  it.each(UNDERSTOOD)('does what sh does: %s', (script, before = {}) => {
    const mine = exported(script, before);
    const shell = spawnSync('/bin/bash', ['--posix', '-c', `${script}\nenv -0`], {
      env: { HOME: '/home/ada', PATH: '/usr/bin:/bin', ...before },
      encoding: 'utf8'
    });
    // The PATH of the table may hide env(1): bash is asked with its own.
    const withEnv =
      shell.stdout ||
      spawnSync('/bin/bash', ['--posix', '-c', `${script}\n/usr/bin/env -0`], {
        env: { HOME: '/home/ada', ...before },
        encoding: 'utf8'
      }).stdout;
    const theirs = Object.fromEntries(
      withEnv
        .split('\0')
        .filter(Boolean)
        .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])
        .filter(([name]) => !['_', 'PWD', 'SHLVL', 'OLDPWD', 'HOME'].includes(name ?? ''))
        .filter(([name]) => name !== 'PATH' || 'PATH' in before)
    );
    expect(mine).toEqual(theirs);
  });

  it.each<[string, string, Record<string, string>?]>([
    ['export A=$(date)', 'a command substitution'],
    ['export A=`date`', 'a command substitution'],
    ['. /etc/profile', 'the command .'],
    ['source x', 'the command source'],
    ['if [ -d /opt ]; then A=1; fi', 'test -d /opt'],
    ['for i in 1 2; do export A=$i; done', 'a for loop'],
    ['export A=1 | cat', 'a pipe'],
    ['export A=1 > /tmp/x', 'a redirection'],
    ['(export A=1)', 'a subshell'],
    ['f() { export A=1; }', 'a function'],
    ['A=1 program', 'the command program'],
    ['export A=${X%/*}', 'a parameter expansion'],
    ['export A=$1', 'a special parameter'],
    ['cat <<EOF\nx\nEOF', 'a here-document'],
    ['A=(1 2)', 'an array'],
    ['export A="open', 'a quote is not closed'],
    ['if true; then export A=1', '"fi" is missing'],
    ['umask 0002', 'the command umask'],
    ['export A=~root/x', 'the home of another user'],
    ['sleep 1 &', 'a background command'],
    ['[ $X = a ]', 'split into words', { X: 'b c' }],
    [`${'{ '.repeat(100)}`, 'too deeply nested'],
    [`export A=${'${A:-'.repeat(100)}`, 'too deeply nested'],
    [`X=aaaaaaaaaaaaaaaa\n${'X=$X$X\n'.repeat(30)}`, 'without bound']
  ])('gives up on %s', (script, why, before = {}) => {
    expect(exported(script, before)).toContain(why);
  });

  it('names the line', () => {
    expect(exported('export A=1\n\nexport B=$(x)')).toMatch(/^line 3: /);
  });

  it('changes nothing of what it was given, and leaves locked names alone', () => {
    const before = variables({ A: 'old', LOCKED: 'old' });
    const result = evaluateScript('export A=new LOCKED=new; unset LOCKED', before, new Set(['LOCKED']));
    expect(before.get('A')?.value).toBe('old');
    expect(result.understood && result.variables.get('A')?.value).toBe('new');
    expect(result.understood && result.variables.get('LOCKED')?.value).toBe('old');
  });
});

describe('expandDoubleQuoted', () => {
  const state = variables({ PATH: '/bin', HOME: '/root' });
  it.each([
    ['/opt/bin:$PATH', '/opt/bin:/bin'],
    ['${HOME}/x', '/root/x'],
    ['say "x" \\$HOME', 'say "x" $HOME'],
    ['${NONE:-y}', 'y'],
    ['a\\nb', 'a\\nb'],
    ['', '']
  ])('%s', (text, expected) => {
    expect(expandDoubleQuoted(text, state)).toBe(expected);
  });
  it.each(['$(reboot)', '`reboot`', '$1', '${X', '${X%y}'])('%s is not performed', text => {
    expect(expandDoubleQuoted(text, state)).toBeUndefined();
  });
});
