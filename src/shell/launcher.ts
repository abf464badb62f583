// SPDX-License-Identifier: BSD-3-Clause
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILauncher } from '@jupyterlab/launcher';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { CommandIDs } from '../commands.ts';
import { IContainers } from '../tokens.ts';

/** A card for a shell, where shells are allowed. */
export const launcherPlugin: JupyterFrontEndPlugin<void> = {
  id: 'nbcontainer:shell-launcher',
  description: 'A card for container shells in the launcher.',
  autoStart: true,
  requires: [IContainers],
  optional: [ILauncher, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    containers: IContainers,
    launcher: ILauncher | null,
    translator: ITranslator | null
  ) => {
    if (!launcher) {
      return;
    }
    const category = (translator ?? nullTranslator).load('nbcontainer').__('Containers');
    let card: IDisposable | undefined;
    const update = (): void => {
      const wanted = containers.shellsAllowed && app.commands.hasCommand(CommandIDs.openShell);
      if (!wanted) {
        card?.dispose();
        card = undefined;
      } else if (!card) {
        card = launcher.add({ command: CommandIDs.openShell, args: { isLauncher: true }, category, rank: 1 });
      }
    };
    update();
    containers.changed.connect((_, change) => change === 'state' && update());
    // The plugin of the command may come after this one.
    void app.started.then(update);
  }
};
