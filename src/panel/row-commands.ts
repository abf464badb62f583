// SPDX-License-Identifier: BSD-3-Clause
/**
 * The context menu of the panel's rows: commands without arguments that act on the row under the pointer, so that
 * schema/panel.json can list them and users can move or remove them.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import {
  closeIcon,
  copyIcon,
  deleteIcon,
  editIcon,
  infoIcon,
  listIcon,
  refreshIcon,
  runIcon,
  stopIcon,
  terminalIcon
} from '@jupyterlab/ui-components';
import { CommandIDs } from '../commands.ts';

/** Which row was hit: the attribute of its element. */
type RowAttribute = 'nbcontainerImage' | 'nbcontainerJob' | 'nbcontainerShell';

interface IRowCommand {
  readonly id: string;
  readonly label: string;
  readonly icon: LabIcon;
  readonly row: RowAttribute;
  /** The command that does it. */
  readonly target: string;
  /** States of the row in which it makes sense; any without. */
  readonly states?: readonly string[];
}

/** Adds the commands; they are not for the palette, where there is no row. */
export function addRowCommands(app: JupyterFrontEnd, trans: TranslationBundle): void {
  const ENDED = ['done', 'failed', 'cancelled', 'ended'];
  const rows: readonly IRowCommand[] = [
    {
      id: 'nbcontainer:row-run-image',
      label: trans.__('Run…'),
      icon: runIcon,
      row: 'nbcontainerImage',
      target: CommandIDs.runImage
    },
    {
      id: 'nbcontainer:row-open-shell',
      label: trans.__('Open Shell'),
      icon: terminalIcon,
      row: 'nbcontainerImage',
      target: CommandIDs.openShell
    },
    {
      id: 'nbcontainer:row-show-details',
      label: trans.__('Details'),
      icon: infoIcon,
      row: 'nbcontainerImage',
      target: CommandIDs.showDetails
    },
    {
      id: 'nbcontainer:row-remove-image',
      label: trans.__('Remove…'),
      icon: deleteIcon,
      row: 'nbcontainerImage',
      target: CommandIDs.removeImage
    },
    {
      id: 'nbcontainer:row-show-log',
      label: trans.__('Show Log'),
      icon: listIcon,
      row: 'nbcontainerJob',
      target: CommandIDs.showLog
    },
    {
      id: 'nbcontainer:row-stop-job',
      label: trans.__('Stop'),
      icon: stopIcon,
      row: 'nbcontainerJob',
      target: CommandIDs.stopJob,
      states: ['running']
    },
    {
      id: 'nbcontainer:row-retry-job',
      label: trans.__('Try Again'),
      icon: refreshIcon,
      row: 'nbcontainerJob',
      target: CommandIDs.retryJob,
      states: ['failed', 'cancelled']
    },
    {
      id: 'nbcontainer:row-forget-job',
      label: trans.__('Forget'),
      icon: closeIcon,
      row: 'nbcontainerJob',
      target: CommandIDs.stopJob,
      states: ENDED
    },
    {
      id: 'nbcontainer:row-show-shell',
      label: trans.__('Open'),
      icon: terminalIcon,
      row: 'nbcontainerShell',
      target: CommandIDs.openShell
    },
    {
      id: 'nbcontainer:row-rename-shell',
      label: trans.__('Rename…'),
      icon: editIcon,
      row: 'nbcontainerShell',
      target: CommandIDs.renameShell
    },
    {
      id: 'nbcontainer:row-stop-shell',
      label: trans.__('End Shell'),
      icon: stopIcon,
      row: 'nbcontainerShell',
      target: CommandIDs.stopShell,
      states: ['running']
    },
    {
      id: 'nbcontainer:row-forget-shell',
      label: trans.__('Forget'),
      icon: closeIcon,
      row: 'nbcontainerShell',
      target: CommandIDs.stopShell,
      states: ENDED
    }
  ];
  const { commands } = app;
  const hit = (attribute: RowAttribute): DOMStringMap | undefined =>
    app.contextMenuHitTest(node => node.dataset[attribute] !== undefined)?.dataset;
  const describedBy = { args: { type: 'object', additionalProperties: false, properties: {} } } as const;

  for (const { id, label, icon, row, target, states } of rows) {
    const argsOf = (data: DOMStringMap): Record<string, string> => {
      const value = data[row] ?? '';
      return row === 'nbcontainerImage' ? { image: value } : { id: value };
    };
    commands.addCommand(id, {
      label,
      icon,
      describedBy,
      isVisible: () => {
        const data = hit(row);
        const fits = data !== undefined && (states?.includes(data['nbcontainerState'] ?? '') ?? true);
        return fits && commands.hasCommand(target) && commands.isVisible(target, argsOf(data));
      },
      isEnabled: () => {
        const data = hit(row);
        return data !== undefined && commands.hasCommand(target) && commands.isEnabled(target, argsOf(data));
      },
      execute: () => {
        const data = hit(row);
        return data ? commands.execute(target, argsOf(data)) : undefined;
      }
    });
  }
  commands.addCommand('nbcontainer:row-copy-reference', {
    label: trans.__('Copy Reference'),
    icon: copyIcon,
    describedBy,
    isVisible: () => hit('nbcontainerImage') !== undefined,
    execute: () => navigator.clipboard.writeText(hit('nbcontainerImage')?.['nbcontainerImage'] ?? '')
  });
}
