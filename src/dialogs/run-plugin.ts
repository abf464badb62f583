// SPDX-License-Identifier: BSD-3-Clause
/** The run dialog as a command. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDefaultFileBrowser, IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { runIcon } from '@jupyterlab/ui-components';
import { CommandIDs } from '../commands.ts';
import { ISettings } from '../settings.ts';
import { IContainers } from '../tokens.ts';
import { argsOf } from './describe.ts';

export const runPlugin: JupyterFrontEndPlugin<void> = {
  id: 'nbcontainer:run-dialog',
  description: 'Asks how an image is to be run, shows the line for it, and runs it.',
  autoStart: true,
  requires: [IContainers, ISettings],
  optional: [IFileBrowserFactory, IDefaultFileBrowser, IStateDB, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    containers: IContainers,
    settings: ISettings,
    browsers: IFileBrowserFactory | null,
    defaultBrowser: IDefaultFileBrowser | null,
    state: IStateDB | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('nbcontainer');
    const context = { app, containers, settings, trans, browsers, defaultBrowser, state };
    app.commands.addCommand(CommandIDs.runImage, {
      label: trans.__('Run in a Container…'),
      caption: trans.__('Run a command, or the program of an image, in a container'),
      icon: runIcon,
      describedBy: argsOf({
        image: trans.__('A name of the store, a reference, or the path of a file on the server; asks without one'),
        path: trans.__('A file of the file browser')
      }),
      execute: async args => {
        const { openRunDialog } = await import('./run-dialog.tsx');
        await openRunDialog(context, args);
      }
    });
    palette?.addItem({ command: CommandIDs.runImage, category: trans.__('Containers') });
  }
};
