// SPDX-License-Identifier: BSD-3-Clause
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { CommandIDs } from '../commands.ts';

/** Those that work without arguments and whose own plugin does not list them; one that is off is not shown. */
const COMMANDS = [CommandIDs.showPanel, CommandIDs.openShell];

export const palettePlugin: JupyterFrontEndPlugin<void> = {
  id: 'nbcontainer:palette',
  description: 'Puts the commands for containers into the command palette.',
  autoStart: true,
  optional: [ICommandPalette, ITranslator],
  activate: (_app: JupyterFrontEnd, palette: ICommandPalette | null, translator: ITranslator | null) => {
    const category = (translator ?? nullTranslator).load('nbcontainer').__('Containers');
    COMMANDS.forEach(command => palette?.addItem({ command, category }));
  }
};
