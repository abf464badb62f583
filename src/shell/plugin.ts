// SPDX-License-Identifier: BSD-3-Clause
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IThemeManager } from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { CommandIDs } from '../commands.ts';
import { ISettings } from '../settings.ts';
import { IContainers } from '../tokens.ts';
import { addShellCommands } from './commands.ts';
import { ShellTabs } from './tabs.ts';

/** Shells in tabs. What draws them (xterm) is loaded with the first one. */
export const shellPlugin: JupyterFrontEndPlugin<void> = {
  id: 'nbcontainer:shell',
  description: 'Shells in containers, each in a tab.',
  autoStart: true,
  requires: [IContainers, ISettings],
  optional: [ILayoutRestorer, IThemeManager, IDefaultFileBrowser, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    containers: IContainers,
    settings: ISettings,
    restorer: ILayoutRestorer | null,
    themes: IThemeManager | null,
    browser: IDefaultFileBrowser | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('nbcontainer');
    const tabs = new ShellTabs({ app, containers, settings, themes, trans });
    addShellCommands({
      app,
      containers,
      settings,
      tabs,
      trans,
      folder: () => (browser ? containers.hostPath(browser.model.path) : undefined)
    });
    if (restorer) {
      // With an id the command attaches, and starts nothing; what it was started with is for "Start again".
      void restorer.restore(tabs.tracker, {
        command: CommandIDs.openShell,
        args: tab => ({ ...tab.content.source.request, id: tab.content.shellId ?? null, tab: tabs.nameOf(tab) }),
        name: tab => tabs.nameOf(tab),
        when: settings.ready
      });
    }
  }
};
