// SPDX-License-Identifier: BSD-3-Clause
/** What tells of running things outside the panel. It is fetched when a daemon answers: before, nothing runs. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { IContainers } from '../tokens.ts';

/** Does it once, as soon as the daemon answers; a failure (the server is away) is tried again the next time. */
function whenConnected(containers: IContainers, act: () => Promise<void>): void {
  let begun = false;
  const look = (): void => {
    if (containers.state === 'connected' && !begun) {
      begun = true;
      act().then(
        () => containers.changed.disconnect(look),
        () => (begun = false)
      );
    }
  };
  containers.changed.connect(look);
  look();
}

export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: 'nbcontainer:status',
  description: 'Counts in the status bar what runs in containers.',
  autoStart: true,
  requires: [IContainers],
  optional: [IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    containers: IContainers,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    if (!statusBar) {
      return;
    }
    const trans = (translator ?? nullTranslator).load('nbcontainer');
    whenConnected(containers, async () => {
      const { StatusItem } = await import('./status-item.ts');
      const item = new StatusItem(containers, app.commands, trans);
      statusBar.registerStatusItem('nbcontainer:status', {
        item,
        align: 'left',
        rank: 20,
        isActive: () => item.isActive,
        activeStateChanged: item.activeChanged
      });
    });
  }
};

export const runningPlugin: JupyterFrontEndPlugin<void> = {
  id: 'nbcontainer:running',
  description: 'Lists jobs and shells in containers among the running things.',
  autoStart: true,
  requires: [IContainers],
  optional: [IRunningSessionManagers, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    containers: IContainers,
    managers: IRunningSessionManagers | null,
    translator: ITranslator | null
  ) => {
    if (!managers) {
      return;
    }
    const trans = (translator ?? nullTranslator).load('nbcontainer');
    whenConnected(containers, async () => {
      const { ContainerManager } = await import('./running-manager.ts');
      managers.add(new ContainerManager(containers, app.commands, trans));
    });
  }
};
