// SPDX-License-Identifier: BSD-3-Clause
/** What every section of the panel is given. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { ISettings } from '../settings.ts';
import type { IContainers } from '../tokens.ts';

export interface IPanelContext {
  readonly containers: IContainers;
  readonly commands: CommandRegistry;
  readonly settings: ISettings;
  readonly recent: IRecent;
  readonly trans: TranslationBundle;
}

/** References that were pulled from this page's user before; they outlive the page. */
export interface IRecent {
  list(): Promise<readonly string[]>;
  add(source: string): Promise<void>;
}
