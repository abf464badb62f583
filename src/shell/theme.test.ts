// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import {
  contrastRatio,
  type IThemeColors,
  luminance,
  matchColors,
  parseColor,
  type Rgba,
  terminalTheme
} from './theme.ts';

const NOTHING: IThemeColors = { background: undefined, foreground: undefined, cursor: undefined, selection: undefined };
const LIGHT: IThemeColors = {
  background: [255, 255, 255, 1],
  foreground: [0, 0, 0, 1],
  cursor: [0, 0, 0, 0.87],
  selection: [215, 212, 240, 1]
};
const DARK: IThemeColors = { ...NOTHING, background: [17, 17, 17, 1], foreground: [255, 255, 255, 0.87] };

function contrast(one: string | undefined, other: string | undefined): number {
  const [a, b] = [one, other].map(color => luminance(read(color)) + 0.05);
  return Math.max(a ?? 0, b ?? 0) / Math.min(a ?? 1, b ?? 1);
}

function read(color: string | undefined): Rgba {
  const hex = /^#(..)(..)(..)$/.exec(color ?? '');
  const parsed = hex
    ? ([parseInt(hex[1] ?? '', 16), parseInt(hex[2] ?? '', 16), parseInt(hex[3] ?? '', 16), 1] as const)
    : parseColor(color ?? '');
  if (!parsed) {
    throw new Error(`not a colour: ${color}`);
  }
  return parsed;
}

describe('terminalTheme', () => {
  it.each([
    ['light', LIGHT, 'rgb(255, 255, 255)', 'rgb(0, 0, 0)'],
    ['dark, with text that is partly transparent', DARK, 'rgb(17, 17, 17)', 'rgb(224, 224, 224)'],
    ['no theme', NOTHING, 'rgb(255, 255, 255)', 'rgb(17, 17, 17)']
  ])('takes ground and text from the theme: %s', (_name, colors, background, foreground) => {
    expect(terminalTheme(colors)).toMatchObject({ background, foreground });
  });

  it.each([
    ['light', LIGHT],
    ['dark', DARK]
  ])('keeps the colours of programs legible: %s', (name, colors) => {
    const theme = terminalTheme(colors);
    const ink = [theme.red, theme.green, theme.yellow, theme.blue, theme.magenta, theme.cyan];
    const bright = [theme.brightRed, theme.brightGreen, theme.brightYellow, theme.brightBlue, theme.brightMagenta];
    for (const color of [...ink, ...bright, name === 'light' ? theme.black : theme.white]) {
      expect(contrast(color, theme.background), color).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('marks what is selected otherwise in the window that is not used', () => {
    const theme = terminalTheme(LIGHT);
    expect(theme.selectionBackground).toBe('rgb(215, 212, 240)');
    expect(theme.selectionInactiveBackground).not.toBe(theme.selectionBackground);
  });
});

describe('matchColors', () => {
  it.each([
    ['light', LIGHT],
    ['dark', DARK]
  ])('leaves the text on a match legible: %s', (_name, colors) => {
    const { foreground } = terminalTheme(colors);
    for (const ground of Object.values(matchColors(colors))) {
      expect(contrast(ground, foreground)).toBeGreaterThanOrEqual(4);
    }
  });
});

describe('contrastRatio', () => {
  it.each([
    ['JupyterLab Light', false, 4.5],
    ['JupyterLab Dark High Contrast', false, 7],
    ['my-high-contrast', false, 7],
    [null, false, 4.5],
    ['JupyterLab Light', true, 7]
  ])('%s, system wants more: %s', (name, more, ratio) => {
    expect(contrastRatio(name, more)).toBe(ratio);
  });
});

describe('parseColor', () => {
  it.each([
    ['rgb(1, 2, 3)', [1, 2, 3, 1]],
    ['rgba(1, 2, 3, 0.5)', [1, 2, 3, 0.5]],
    ['rgb(1 2 3 / 0.5)', [1, 2, 3, 0.5]],
    ['oklch(0.5 0.1 20)', undefined],
    ['', undefined]
  ])('%s', (text, color) => {
    expect(parseColor(text)).toEqual(color);
  });
});
