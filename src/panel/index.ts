// SPDX-License-Identifier: BSD-3-Clause
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { palettePlugin } from './palette.ts';
import { panelPlugin } from './plugin.ts';
import { runningPlugin } from './running-manager.ts';
import { statusPlugin } from './status.ts';

export const panelPlugins: JupyterFrontEndPlugin<unknown>[] = [panelPlugin, statusPlugin, runningPlugin, palettePlugin];
