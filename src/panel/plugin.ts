// SPDX-License-Identifier: BSD-3-Clause
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { CommandIDs } from '../commands.ts';
import { containerIcon } from '../icons.ts';
import { ISettings } from '../settings.ts';
import { IContainers } from '../tokens.ts';
import { ContainerPanel, PANEL_ID } from './panel.ts';
import { Recent } from './recent.ts';

/** Third parties have 501 to 899. */
const RANK = 610;

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'nbcontainer:panel',
  description: 'The side panel with images, pulls, what runs, and GPUs.',
  autoStart: true,
  requires: [IContainers, ISettings],
  optional: [ILayoutRestorer, IStateDB, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    containers: IContainers,
    settings: ISettings,
    restorer: ILayoutRestorer | null,
    state: IStateDB | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('nbcontainer');
    const { commands, shell } = app;
    const panel = new ContainerPanel({
      context: { containers, commands, settings, recent: new Recent(state), trans },
      translator: translator ?? nullTranslator,
      load: async () => {
        const { addRowCommands, fillPanel } = await import('./sections.tsx');
        return (panel, context) => {
          addRowCommands(app, trans);
          fillPanel(panel, context);
        };
      }
    });
    restorer?.add(panel, PANEL_ID);
    shell.add(panel, 'left', { rank: RANK });
    commands.addCommand(CommandIDs.showPanel, {
      label: trans.__('Show Containers'),
      caption: trans.__('Show images, pulls and what runs in containers'),
      icon: containerIcon,
      describedBy: { args: { type: 'object', additionalProperties: false, properties: {} } },
      execute: () => shell.activateById(PANEL_ID)
    });
  }
};
