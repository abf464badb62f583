// SPDX-License-Identifier: BSD-3-Clause
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, ISessionContextDialogs, IToolbarWidgetRegistry, Notification } from '@jupyterlab/apputils';
import { CodeCell } from '@jupyterlab/cells';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { CommandIDs } from '../commands.ts';
import { runCellIcon } from '../icons.ts';
import { shortName } from '../panel/format.ts';
import { ISettings } from '../settings.ts';
import { IContainers } from '../tokens.ts';
import { askForImage } from './ask-image.ts';
import { MenuCommandIDs } from './command-ids.ts';
import { NotebookImages } from './images.ts';
import { ImagePicker } from './picker.tsx';
import { runCell } from './run-cell.ts';

/** Of the schema's toolbar item. */
const PICKER = 'nbcontainer-image';

const NO_ARGS = { type: 'object', additionalProperties: false, properties: {} };
const IMAGE_ARGS = {
  type: 'object',
  additionalProperties: false,
  properties: { image: { type: 'string', description: 'A name of the store, a path or a reference' } }
};

/** *Run in container* in notebooks. */
export const notebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'nbcontainer:notebook',
  description: 'Runs cells of a notebook in a container.',
  autoStart: true,
  requires: [INotebookTracker, IContainers, ISettings],
  optional: [IToolbarWidgetRegistry, ICommandPalette, ISessionContextDialogs, IStateDB, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    containers: IContainers,
    settings: ISettings,
    toolbars: IToolbarWidgetRegistry | null,
    palette: ICommandPalette | null,
    dialogs: ISessionContextDialogs | null,
    state: IStateDB | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('nbcontainer');
    const { commands } = app;
    const images = new NotebookImages({ containers, settings, state, trans });
    tracker.forEach(panel => images.watch(panel));
    tracker.widgetAdded.connect((_tracker, panel) => images.watch(panel));
    toolbars?.addFactory<NotebookPanel>(
      'Notebook',
      PICKER,
      panel => new ImagePicker({ panel, images, containers, commands, trans })
    );

    const isNotebook = (): boolean =>
      tracker.currentWidget !== null && tracker.currentWidget === app.shell.currentWidget;
    const imageOf = (args: ReadonlyPartialJSONObject): string | undefined =>
      typeof args['image'] === 'string' && args['image'] !== '' ? args['image'] : undefined;

    /** The image that the user names; undefined when none is. */
    const ask = async (panel: NotebookPanel): Promise<string | undefined> => {
      await containers.refreshImages().catch((error: unknown) => {
        // One can still be typed.
        Notification.warning(error instanceof Error ? error.message : String(error), { autoClose: 8000 });
      });
      const known = (containers.images ?? []).map(image => image.name);
      return askForImage(known, images.choice(panel)?.image ?? '', trans);
    };

    commands.addCommand(CommandIDs.chooseImage, {
      label: args => {
        const image = imageOf(args);
        return image === undefined ? trans.__('Choose a Container Image…') : shortName(image);
      },
      caption: args => imageOf(args) ?? trans.__('Choose the image in which cells of this notebook run'),
      isToggleable: true,
      isToggled: args => imageOf(args) !== undefined && images.choice(tracker.currentWidget)?.image === imageOf(args),
      isEnabled: isNotebook,
      describedBy: { args: IMAGE_ARGS },
      execute: async args => {
        const panel = tracker.currentWidget;
        const image = panel && (imageOf(args) ?? (await ask(panel)));
        if (panel && image !== undefined && image !== null) {
          await images.choose(panel, image);
        }
      }
    });
    commands.addCommand(CommandIDs.runCell, {
      label: trans.__('Run Cell in Container'),
      caption: () => {
        const image = images.choice(tracker.currentWidget)?.image;
        return image === undefined
          ? trans.__('Run this cell in a container')
          : trans.__('Run this cell in %1', shortName(image));
      },
      icon: runCellIcon,
      isEnabled: () => isNotebook() && tracker.activeCell instanceof CodeCell,
      describedBy: { args: IMAGE_ARGS },
      execute: async args => {
        const panel = tracker.currentWidget;
        if (!panel) {
          return;
        }
        const image = imageOf(args);
        if (image === undefined && images.choice(panel) === undefined) {
          const chosen = await ask(panel);
          if (chosen === undefined) {
            return;
          }
          await images.choose(panel, chosen);
        }
        const choice = image === undefined ? images.choice(panel) : { image, options: {} };
        if (choice) {
          await runCell(panel, choice, { images, dialogs, trans });
        }
      }
    });
    commands.addCommand(MenuCommandIDs.toggleGpu, {
      label: trans.__('GPU in the Container'),
      caption: trans.__('Let the containers of this notebook see the GPU'),
      isToggleable: true,
      isToggled: () => images.choice(tracker.currentWidget)?.options.nv ?? images.gpuByDefault,
      isEnabled: () => isNotebook() && images.choice(tracker.currentWidget) !== undefined,
      describedBy: { args: NO_ARGS },
      execute: () => {
        const panel = tracker.currentWidget;
        const choice = images.choice(panel);
        if (panel && choice) {
          images.setGpu(panel, !(choice.options.nv ?? images.gpuByDefault));
        }
      }
    });
    commands.addCommand(MenuCommandIDs.forgetImage, {
      label: trans.__('Forget the Container Image'),
      caption: trans.__('Take the image out of this notebook'),
      isEnabled: () => isNotebook() && images.choice(tracker.currentWidget) !== undefined,
      describedBy: { args: NO_ARGS },
      execute: () => {
        if (tracker.currentWidget) {
          images.forget(tracker.currentWidget);
        }
      }
    });
    const category = trans.__('Containers');
    [CommandIDs.runCell, CommandIDs.chooseImage, MenuCommandIDs.toggleGpu, MenuCommandIDs.forgetImage].forEach(
      command => palette?.addItem({ command, category })
    );
    const refresh = (): void => {
      commands.notifyCommandChanged(CommandIDs.runCell);
    };
    tracker.activeCellChanged.connect(refresh);
    tracker.currentChanged.connect(refresh);
  }
};
