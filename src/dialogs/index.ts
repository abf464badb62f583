// SPDX-License-Identifier: BSD-3-Clause
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { detailsPlugin } from './details-plugin.ts';
import { logPlugin } from './log-plugin.ts';
import { pullPlugin } from './pull-plugin.ts';
import { runPlugin } from './run-plugin.ts';

export const dialogPlugins: JupyterFrontEndPlugin<unknown>[] = [runPlugin, pullPlugin, logPlugin, detailsPlugin];
