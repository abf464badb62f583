// SPDX-License-Identifier: BSD-3-Clause
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { containersPlugin } from './client/plugin.ts';
import { dialogPlugins } from './dialogs/index.ts';
import { sifFileType } from './files/file-type.ts';
import { notebookPlugins } from './notebook/index.ts';
import { panelPlugins } from './panel/index.ts';
import { settingsPlugin } from './settings.ts';
import { shellPlugins } from './shell/index.ts';

/** One small plugin a concern, so that each can be switched off by itself. */
const plugins: JupyterFrontEndPlugin<unknown>[] = [
  settingsPlugin,
  containersPlugin,
  ...panelPlugins,
  ...shellPlugins,
  ...dialogPlugins,
  ...notebookPlugins,
  sifFileType
];

export default plugins;
