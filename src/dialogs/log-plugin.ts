// SPDX-License-Identifier: BSD-3-Clause
/** Logs of jobs: their tabs, and what can be done with a job. */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { type MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { listIcon, refreshIcon, stopIcon } from '@jupyterlab/ui-components';
import type { LogView } from './log-view.ts';
import { CommandIDs } from '../commands.ts';
import { bringUp, showWidget } from '../place.ts';
import { IContainers } from '../tokens.ts';
import { argsOf, idOf } from './describe.ts';

export const logPlugin: JupyterFrontEndPlugin<void> = {
  id: 'nbcontainer:logs',
  description: 'Logs of pulls and runs in tabs; stops and repeats jobs.',
  autoStart: true,
  requires: [IContainers],
  optional: [ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    containers: IContainers,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('nbcontainer');
    const { commands, shell } = app;
    const tracker = new WidgetTracker<MainAreaWidget<LogView>>({ namespace: 'nbcontainer-log' });
    const jobArgs = argsOf({ id: trans.__('Id of the job') }, ['id']);
    const find = (id: string): (typeof containers.jobs)[number] | undefined =>
      containers.jobs.find(job => job.id === id);
    const tell = async (title: string, error: unknown): Promise<void> => {
      const { problemOf, showProblem } = await import('./problems.ts');
      await showProblem(title, problemOf(error, trans), trans);
    };

    commands.addCommand(CommandIDs.showLog, {
      label: trans.__('Show Log'),
      caption: trans.__('What a pull or a run has printed, followed while it runs'),
      icon: listIcon,
      describedBy: jobArgs,
      execute: async args => {
        const id = idOf(args);
        const there = tracker.find(widget => widget.content.id_ === id);
        if (there) {
          bringUp(shell, there);
          return;
        }
        const { createLogWidget } = await import('./log-widget.ts');
        const widget = createLogWidget({ id, containers, commands, trans, translator });
        // First, or the page would be kept without it.
        await tracker.add(widget);
        showWidget(shell, widget);
      }
    });
    commands.addCommand(CommandIDs.stopJob, {
      label: args => (find(idOf(args))?.state === 'running' ? trans.__('Stop') : trans.__('Forget')),
      caption: trans.__('Stop a pull or a run, or take one that has ended from the list'),
      icon: stopIcon,
      describedBy: jobArgs,
      execute: args =>
        containers.client
          .removeJob(idOf(args))
          .then(() => undefined)
          .catch((error: unknown) => tell(trans.__('It could not be stopped'), error))
    });
    commands.addCommand(CommandIDs.retryJob, {
      label: trans.__('Try Again'),
      caption: trans.__('Start a pull or a run that has ended again'),
      icon: refreshIcon,
      describedBy: jobArgs,
      isEnabled: args => {
        const job = find(idOf(args));
        // Without arguments, as menus and the palette ask, nothing can be said.
        return args['id'] === undefined || (job !== undefined && job.state !== 'running');
      },
      execute: async args => {
        const { jobOfLine } = await import('./job-of-line.ts');
        const request = jobOfLine(find(idOf(args))?.commandLine ?? '');
        if (request === undefined) {
          return;
        }
        try {
          const job = await containers.client.startJob(request);
          if (job.kind === 'run') {
            await commands.execute(CommandIDs.showLog, { id: job.id });
          }
        } catch (error) {
          await tell(trans.__('It could not be started'), error);
        }
      }
    });
    void restorer?.restore(tracker, {
      command: CommandIDs.showLog,
      args: widget => ({ id: widget.content.id_ }),
      name: widget => widget.content.id_
    });
  }
};
