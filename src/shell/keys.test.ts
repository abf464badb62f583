// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { type IKeyContext, keyAction } from './keys.ts';

const PLAIN: IKeyContext = { hasSelection: false, fullScreen: false, isMac: false, afterEscape: false };
const SELECTED = { ...PLAIN, hasSelection: true };
const VI = { ...PLAIN, fullScreen: true };
const MAC = { ...SELECTED, isMac: true };

it.each([
  ['c', PLAIN, 'program'],
  ['Ctrl+c', PLAIN, 'program'],
  ['Ctrl+c', SELECTED, 'copy'],
  ['Ctrl+C', SELECTED, 'copy'],
  ['Ctrl+Shift+C', SELECTED, 'copy'],
  ['Ctrl+Shift+C', PLAIN, 'copy'],
  ['Ctrl+Insert', SELECTED, 'copy'],
  ['Shift+Insert', PLAIN, 'browser'],
  ['Ctrl+v', PLAIN, 'browser'],
  ['Ctrl+Shift+V', PLAIN, 'browser'],
  ['Ctrl+f', PLAIN, 'search'],
  ['Ctrl+f', VI, 'program'],
  ['Ctrl+Shift+F', VI, 'search'],
  ['Alt+f', PLAIN, 'program'],
  ['Ctrl+Alt+c', SELECTED, 'program'],
  ['Enter', PLAIN, 'program'],
  ['Shift+Enter', PLAIN, 'newline'],
  ['Escape', PLAIN, 'program'],
  ['Escape', { ...PLAIN, afterEscape: true }, 'leave'],
  ['Escape', { ...VI, afterEscape: true }, 'leave'],
  ['Shift+Escape', { ...PLAIN, afterEscape: true }, 'program'],
  ['Meta+c', MAC, 'browser'],
  ['Meta+v', MAC, 'browser'],
  ['Meta+f', MAC, 'search'],
  ['Meta+c', SELECTED, 'program'],
  ['Ctrl+r', PLAIN, 'program']
] as const)('%s', (combination, context, action) => {
  const parts = combination.split('+');
  const key = parts.pop() ?? '';
  const held = (name: string): boolean => (parts as string[]).includes(name);
  expect(
    keyAction({ key, ctrl: held('Ctrl'), shift: held('Shift'), alt: held('Alt'), meta: held('Meta') }, context)
  ).toBe(action);
});
