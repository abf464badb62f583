// SPDX-License-Identifier: BSD-3-Clause
/** Details of images, and their removal. */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { type MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { deleteIcon, infoIcon } from '@jupyterlab/ui-components';
import { CommandIDs } from '../commands.ts';
import { bringUp, showWidget } from '../place.ts';
import { ISettings } from '../settings.ts';
import { IContainers } from '../tokens.ts';
import { argsOf } from './describe.ts';
import type { DetailsContent } from './details-widget.tsx';

export const detailsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'nbcontainer:details',
  description: 'Shows what an image says of itself; removes images.',
  autoStart: true,
  requires: [IContainers, ISettings],
  optional: [ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    containers: IContainers,
    settings: ISettings,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('nbcontainer');
    const { commands, shell } = app;
    const tracker = new WidgetTracker<MainAreaWidget<DetailsContent>>({ namespace: 'nbcontainer-details' });
    const name = trans.__('A name of the store, a reference, or the path of a file on the server');

    commands.addCommand(CommandIDs.showDetails, {
      label: trans.__('Image Details'),
      caption: trans.__('What an image says of itself: size, digest, labels, run script'),
      icon: infoIcon,
      describedBy: argsOf({ image: name, path: trans.__('A file of the file browser') }),
      execute: async args => {
        const { image, path } = args;
        if (typeof path === 'string' && path !== '') {
          // What a double click opens has them, too.
          return commands.execute('docmanager:open', { path, factory: 'nbcontainer-sif-info' });
        }
        if (typeof image !== 'string' || image === '') {
          return undefined;
        }
        const there = tracker.find(widget => widget.content.image === image);
        if (there) {
          bringUp(shell, there);
          return undefined;
        }
        const { createDetailsWidget } = await import('./details-widget.tsx');
        const widget = createDetailsWidget({ image, containers, commands, trans });
        // First, or the page would be kept without it.
        await tracker.add(widget);
        showWidget(shell, widget);
        return undefined;
      }
    });
    commands.addCommand(CommandIDs.removeImage, {
      label: trans.__('Remove Image…'),
      caption: trans.__('Delete an image from the store'),
      icon: deleteIcon,
      describedBy: argsOf({ image: name }, ['image']),
      execute: async args => {
        if (typeof args['image'] === 'string') {
          await settings.ready;
          const { removeImage } = await import('./removal.ts');
          await removeImage({ containers, trans, asks: settings.values.confirmRemoval }, args['image']);
        }
      }
    });
    void restorer?.restore(tracker, {
      command: CommandIDs.showDetails,
      args: widget => ({ image: widget.content.image ?? '' }),
      name: widget => widget.content.image ?? ''
    });
  }
};
