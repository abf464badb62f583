// SPDX-License-Identifier: BSD-3-Clause
/** The context menu of images in the file browser: commands that act on the file that is selected there. */
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { TranslationBundle } from '@jupyterlab/translation';
import { infoIcon, type LabIcon, runIcon, terminalIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import { CommandIDs } from '../commands.ts';

interface IFileCommand {
  readonly id: string;
  readonly label: string;
  readonly caption: string;
  readonly icon: LabIcon;
  /** The command that does it, given the file's path. */
  readonly target: string;
}

/** They take no arguments: schema/sif-file-type.json lists them, and users can move or remove them. */
export function addFileCommands(
  commands: CommandRegistry,
  browsers: IFileBrowserFactory,
  trans: TranslationBundle
): void {
  const all: readonly IFileCommand[] = [
    {
      id: 'nbcontainer:file-run',
      label: trans.__('Run…'),
      caption: trans.__('Run a command, or the program of this image, in a container'),
      icon: runIcon,
      target: CommandIDs.runImage
    },
    {
      id: 'nbcontainer:file-open-shell',
      label: trans.__('Open Shell'),
      caption: trans.__('Open a shell in this image'),
      icon: terminalIcon,
      target: CommandIDs.openShell
    },
    {
      id: 'nbcontainer:file-show-details',
      label: trans.__('Image Details'),
      caption: trans.__('What this image says of itself'),
      icon: infoIcon,
      target: CommandIDs.showDetails
    }
  ];
  const selected = (): string | undefined => {
    const items = [...(browsers.tracker.currentWidget?.selectedItems() ?? [])];
    const [first] = items;
    return items.length === 1 && first !== undefined && first.type !== 'directory' ? first.path : undefined;
  };
  for (const { id, label, caption, icon, target } of all) {
    commands.addCommand(id, {
      label,
      caption,
      icon,
      describedBy: { args: { type: 'object', additionalProperties: false, properties: {} } },
      // The plugin of the other command may be switched off.
      isVisible: () => commands.hasCommand(target),
      isEnabled: () => {
        const path = selected();
        return path !== undefined && commands.hasCommand(target) && commands.isEnabled(target, { path });
      },
      execute: () => commands.execute(target, { path: selected() ?? '' })
    });
  }
}
