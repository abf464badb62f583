// SPDX-License-Identifier: BSD-3-Clause
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { notebookPlugin } from './plugin.ts';

export const notebookPlugins: JupyterFrontEndPlugin<unknown>[] = [notebookPlugin];
