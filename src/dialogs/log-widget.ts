// SPDX-License-Identifier: BSD-3-Clause
/** The tab of a log: toolbar and title. */
import { Clipboard, MainAreaWidget, ToolbarButton } from '@jupyterlab/apputils';
import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { copyIcon, listIcon, refreshIcon, stopIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import { CommandIDs } from '../commands.ts';
import { shortName } from '../panel/format.ts';
import type { IContainers } from '../tokens.ts';
import { LogView } from './log-view.ts';

export interface ILogWidgetOptions {
  readonly id: string;
  readonly containers: IContainers;
  readonly commands: CommandRegistry;
  readonly trans: TranslationBundle;
  readonly translator: ITranslator | null;
}

export type LogWidget = MainAreaWidget<LogView>;

export function logWidgetId(id: string): string {
  return `jp-nbcontainer-log-${id}`;
}

export function createLogWidget(options: ILogWidgetOptions): LogWidget {
  const { id, containers, commands, trans } = options;
  const content = new LogView(options);
  const widget = new MainAreaWidget({ content });
  widget.id = logWidgetId(id);
  widget.title.icon = listIcon;
  widget.title.closable = true;
  widget.toolbar.addClass('jp-nbcontainer-LogToolbar');
  widget.toolbar.node.setAttribute('aria-label', trans.__('Log'));

  const stop = new ToolbarButton({
    label: trans.__('Stop'),
    tooltip: trans.__('Stop what runs'),
    icon: stopIcon,
    onClick: () => void commands.execute(CommandIDs.stopJob, { id })
  });
  const again = new ToolbarButton({
    label: trans.__('Run again'),
    tooltip: trans.__('Start the same again'),
    icon: refreshIcon,
    onClick: () => void commands.execute(CommandIDs.retryJob, { id })
  });
  const copy = new ToolbarButton({
    label: trans.__('Copy line'),
    tooltip: trans.__('Copy the command line of this job'),
    icon: copyIcon,
    onClick: () => Clipboard.copyToSystem(content.lastKnown?.commandLine ?? '')
  });
  widget.toolbar.addItem('stop', stop);
  widget.toolbar.addItem('again', again);
  widget.toolbar.addItem('copy', copy);

  const update = (): void => {
    const { job, lastKnown } = content;
    stop.setHidden(job?.state !== 'running');
    again.setHidden(job === undefined || job.state === 'running');
    copy.setHidden(lastKnown === undefined);
    widget.title.label = lastKnown === undefined ? trans.__('Log') : trans.__('Log: %1', shortName(lastKnown.title));
    widget.title.caption = lastKnown?.commandLine ?? '';
  };
  update();
  containers.changed.connect(update);
  widget.disposed.connect(() => containers.changed.disconnect(update));
  return widget;
}
