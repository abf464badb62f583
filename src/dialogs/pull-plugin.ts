// SPDX-License-Identifier: BSD-3-Clause
/** Pulls: by the dialog or at once, with a notification for each. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDefaultFileBrowser, IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { downloadIcon } from '@jupyterlab/ui-components';
import { CommandIDs } from '../commands.ts';
import { ISettings } from '../settings.ts';
import { type ContainersChange, IContainers } from '../tokens.ts';
import { argsOf } from './describe.ts';

export const pullPlugin: JupyterFrontEndPlugin<void> = {
  id: 'nbcontainer:pull',
  description: 'Pulls images and tells how they come along.',
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
    app.commands.addCommand(CommandIDs.pullImage, {
      label: trans.__('Pull an Image…'),
      caption: trans.__('Fetch a container image from a registry'),
      icon: downloadIcon,
      describedBy: argsOf({ source: trans.__('What to pull, such as docker://ubuntu:24.04; asks without one') }, [], {
        plainHttp: trans.__('Whether the registry speaks HTTP without TLS')
      }),
      execute: async args => {
        const { source, plainHttp } = args;
        if (typeof source !== 'string' || source.trim() === '') {
          return (await import('./pull-dialog.tsx')).openPullDialog(context);
        }
        await settings.ready;
        const { pullOf } = await import('./sources.ts');
        const directory = settings.values.pullDirectory;
        try {
          const job = await containers.client.startJob(
            pullOf({ source, directory, force: false, plainHttp: plainHttp === true })
          );
          return job.id;
        } catch (error) {
          const { problemOf, showProblem } = await import('./problems.ts');
          await showProblem(trans.__('The pull could not be started'), problemOf(error, trans), trans);
          return undefined;
        }
      }
    });
    palette?.addItem({ command: CommandIDs.pullImage, category: trans.__('Containers') });
    // What tells of pulls is loaded with the first.
    const onChanged = (_sender: IContainers, change: ContainersChange): void => {
      const running = containers.jobs.filter(job => job.kind === 'pull' && job.state === 'running');
      if (change === 'jobs' && running.length > 0) {
        containers.changed.disconnect(onChanged);
        void import('./pull-notices.ts').then(({ PullNotices }) =>
          new PullNotices({ containers, commands: app.commands, trans }).listen(running)
        );
      }
    };
    containers.changed.connect(onChanged);
  }
};
