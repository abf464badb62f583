// SPDX-License-Identifier: BSD-3-Clause
/** The terminal's colours from those of JupyterLab's theme. Pure but for `readThemeColors`. */
import type { ITheme } from '@xterm/xterm';

/** Red, green, blue: 0 to 255; alpha: 0 to 1. */
export type Rgba = readonly [number, number, number, number];

/** What a theme of JupyterLab says; undefined where it says nothing that can be read. */
export interface IThemeColors {
  readonly background: Rgba | undefined;
  readonly foreground: Rgba | undefined;
  readonly cursor: Rgba | undefined;
  readonly selection: Rgba | undefined;
}

/** The 16 colours in the order of the escape sequences: black, red, green, yellow, blue, magenta, cyan, white. */
interface IPalette {
  readonly normal: readonly string[];
  readonly bright: readonly string[];
}

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;

/** Hues near those of a cell's output, light enough for a dark ground. */
const ON_DARK: IPalette = {
  normal: ['#3e424d', '#ef6b68', '#2fb56a', '#d9b443', '#5aa9f8', '#d67bcb', '#5cc5c7', '#c9ccd3'],
  bright: ['#868c9a', '#ff8f8c', '#5fd894', '#f2d06b', '#8cc6ff', '#eba2e2', '#8fe0e1', '#ffffff']
};

/** The same hues, dark enough for a light ground. */
const ON_LIGHT: IPalette = {
  normal: ['#1f2328', '#b3261e', '#0f7334', '#8a6100', '#0b5cc1', '#9a2c90', '#0f7177', '#5f6570'],
  bright: ['#4a505a', '#cf3a33', '#147f3d', '#916800', '#1a6bd6', '#ad3aa3', '#147a80', '#6b717c']
};

const WHITE: Rgba = [255, 255, 255, 1];
const BLACK: Rgba = [17, 17, 17, 1];

/** A theme for xterm. Where JupyterLab's theme says nothing there is black on white. */
export function terminalTheme(colors: IThemeColors): ITheme {
  const background = over(colors.background ?? WHITE, WHITE);
  const dark = luminance(background) < 0.2;
  const foreground = over(colors.foreground ?? (dark ? WHITE : BLACK), background);
  const cursor = over(colors.cursor ?? foreground, background);
  const selection = colors.selection ?? withAlpha(foreground, 0.25);
  const palette = dark ? ON_DARK : ON_LIGHT;
  const named: Record<string, string> = {};
  NAMES.forEach((name, at) => {
    named[name] = palette.normal[at] ?? '';
    named[`bright${name.charAt(0).toUpperCase()}${name.slice(1)}`] = palette.bright[at] ?? '';
  });
  return {
    ...named,
    background: css(background),
    foreground: css(foreground),
    cursor: css(cursor),
    cursorAccent: css(background),
    selectionBackground: css(over(selection, background)),
    selectionInactiveBackground: css(over(withAlpha(selection, selection[3] * 0.6), background)),
    scrollbarSliderBackground: css(withAlpha(foreground, 0.25)),
    scrollbarSliderHoverBackground: css(withAlpha(foreground, 0.4)),
    scrollbarSliderActiveBackground: css(withAlpha(foreground, 0.5)),
    overviewRulerBorder: css(background)
  };
}

/**
 * The least contrast of text: WCAG AA (4.5), and AAA (7) where the user has asked for much of it, by a theme that is
 * named so or by the system's setting.
 */
export function contrastRatio(themeName: string | null | undefined, systemWantsMore: boolean): number {
  return systemWantsMore || /high[\s-]?contrast/i.test(themeName ?? '') ? 7 : 4.5;
}

/** Grounds of what a search finds, as #rrggbb: text on them keeps its colour, so they stay near the theme's ground. */
export function matchColors(colors: IThemeColors): { readonly match: string; readonly active: string } {
  return luminance(over(colors.background ?? WHITE, WHITE)) < 0.2
    ? { match: '#5c4a00', active: '#9a5b00' }
    : { match: '#fff2a8', active: '#ffc65c' };
}

/** A colour as getComputedStyle gives it; undefined for a form that is not understood (`oklch(...)`). */
export function parseColor(text: string): Rgba | undefined {
  const match = /^rgba?\(([^)]*)\)$/.exec(text.trim());
  const numbers = match?.[1]?.split(/[\s,/]+/).map(Number) ?? [];
  const [red, green, blue, alpha = 1] = numbers;
  if (red === undefined || green === undefined || blue === undefined || numbers.some(Number.isNaN)) {
    return undefined;
  }
  return [red, green, blue, alpha];
}

/** What the theme says at a node of the page. The browser works out variables of variables. */
export function readThemeColors(node: HTMLElement): IThemeColors {
  const probe = document.createElement('span');
  probe.hidden = true;
  node.append(probe);
  const read = (variable: string): Rgba | undefined => {
    if (getComputedStyle(node).getPropertyValue(variable).trim() === '') {
      return undefined;
    }
    probe.style.color = `var(${variable})`;
    return parseColor(getComputedStyle(probe).color);
  };
  const colors = {
    background: read('--jp-layout-color0'),
    foreground: read('--jp-ui-font-color0'),
    cursor: read('--jp-ui-font-color1'),
    selection: read('--jp-editor-selected-focused-background')
  };
  probe.remove();
  return colors;
}

/** WCAG's relative luminance, 0 to 1. */
export function luminance([red, green, blue]: Rgba): number {
  const linear = (value: number): number => {
    const part = value / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

/** A colour laid on an opaque one: xterm reckons contrast with opaque colours only. */
function over(top: Rgba, ground: Rgba): Rgba {
  const mix = (at: 0 | 1 | 2): number => Math.round(top[at] * top[3] + ground[at] * (1 - top[3]));
  return [mix(0), mix(1), mix(2), 1];
}

function withAlpha([red, green, blue]: Rgba, alpha: number): Rgba {
  return [red, green, blue, alpha];
}

function css([red, green, blue, alpha]: Rgba): string {
  return alpha === 1 ? `rgb(${red}, ${green}, ${blue})` : `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}
