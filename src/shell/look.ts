// SPDX-License-Identifier: BSD-3-Clause
/** How a shell's terminal looks, and what its tab is called. */
import type { IThemeManager } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Shell } from '../../lib-runtime/api/schema.ts';
import type { ISettingValues } from '../setting-values.ts';
import type { ITerminalLook } from './terminal.ts';
import { contrastRatio, readThemeColors, terminalTheme } from './theme.ts';

/** From the user's settings, the theme's colours where `node` is, and what the system says of contrast. */
export function terminalLook(node: HTMLElement, values: ISettingValues, themes: IThemeManager | null): ITerminalLook {
  const codeFont = getComputedStyle(document.body).getPropertyValue('--jp-code-font-family').trim();
  return {
    theme: terminalTheme(readThemeColors(node)),
    contrast: contrastRatio(themes?.theme, matchMedia('(prefers-contrast: more)').matches),
    fontFamily: values.shellFontFamily ?? (codeFont || 'monospace'),
    fontSize: values.shellFontSize,
    scrollback: values.shellScrollback,
    screenReader: values.shellScreenReader,
    renderer: values.shellRenderer
  };
}

/** What is known of the shell of a tab. */
export interface ITabFacts {
  readonly shell: Shell | undefined;
  /** What it is to be started with, as long as there is none. */
  readonly request: { readonly image: string; readonly name?: string | undefined } | undefined;
  /** What the program calls itself; empty where it does not, or has ended. */
  readonly programTitle: string;
}

/** Label and hover text of the tab. Pure. */
export function tabTitle(
  { shell, request, programTitle }: ITabFacts,
  trans: TranslationBundle
): { readonly label: string; readonly caption: string } {
  const image = shell?.image ?? request?.image ?? '';
  const name = shell?.name ?? request?.name ?? (image.split('/').pop() || trans.__('Shell'));
  const label = programTitle === '' ? name : `${name}: ${programTitle}`;
  return { label, caption: [label, image, shell?.commandLine].filter(Boolean).join('\n') };
}
