// SPDX-License-Identifier: BSD-3-Clause
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { runningPlugin, statusPlugin } from './activity-plugins.ts';
import { palettePlugin } from './palette.ts';
import { panelPlugin } from './plugin.ts';

export const panelPlugins: JupyterFrontEndPlugin<unknown>[] = [panelPlugin, statusPlugin, runningPlugin, palettePlugin];
