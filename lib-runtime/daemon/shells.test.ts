// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { freeName, shellEnvironment, shellName } from './shells.ts';

test.each([
  ['/data/debian_12.sif', 'debian_12'],
  ['docker://debian:12', 'debian_12'],
  ['docker://ghcr.io/org/tool@sha256:00aa', 'tool'],
  ['/data/sandbox/', 'sandbox'],
  ['image.v2.SIF', 'image.v2'],
  ['/', 'shell']
])('a shell in %s is called %s', (image, name) => {
  expect(shellName(image)).toBe(name);
});

test('names are told apart by a number', () => {
  expect(freeName('a', new Set())).toBe('a');
  expect(freeName('a', new Set(['a', 'a (2)', 'b']))).toBe('a (3)');
});

test('the environment is that of the daemon, in a terminal of its own', () => {
  expect(shellEnvironment({ LANG: 'de_DE.UTF-8', TERM: 'dumb', TMUX: '/x', COLUMNS: '3', X: '1' })).toEqual({
    LANG: 'de_DE.UTF-8',
    X: '1',
    TERM: 'xterm-256color',
    COLORTERM: 'truecolor'
  });
});
