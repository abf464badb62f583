// SPDX-License-Identifier: BSD-3-Clause
/** The button in the notebook's toolbar that names the image, with the menu of the others. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { caretDownIcon, MenuSvg, ReactWidget, ToolbarButtonComponent, UseSignal } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import { MessageLoop } from '@lumino/messaging';
import { type Menu, Widget } from '@lumino/widgets';
import * as React from 'react';
import { CommandIDs } from '../commands.ts';
import { shortName } from '../panel/format.ts';
import type { IContainers } from '../tokens.ts';
import { MenuCommandIDs } from './command-ids.ts';
import type { NotebookImages } from './images.ts';

/** Images in the menu; more are in the dialog of *Another image*. */
const SHOWN = 15;
/** Milliseconds that the menu waits for the list of images. */
const PATIENCE = 2000;

export interface IPickerOptions {
  readonly panel: NotebookPanel;
  readonly images: NotebookImages;
  readonly containers: IContainers;
  readonly commands: CommandRegistry;
  readonly trans: TranslationBundle;
}

export class ImagePicker extends ReactWidget {
  constructor(options: IPickerOptions) {
    super();
    this._options = options;
    this.addClass('jp-nbcontainer-ImagePicker');
  }

  override dispose(): void {
    this._menu?.dispose();
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    const { panel, images, trans } = this._options;
    const model = panel.content.model;
    const button = (): React.JSX.Element => {
      const image = images.choice(panel)?.image;
      return (
        <ToolbarButtonComponent
          className="jp-nbcontainer-ImagePickerButton"
          icon={caretDownIcon}
          // Its last part tells one image from the next; the tooltip has all of it.
          label={image === undefined ? trans.__('Container') : shortName(image).split('/').pop()}
          tooltip={
            image === undefined
              ? trans.__('Choose the container image of this notebook')
              : trans.__('Container image of this notebook: %1', image)
          }
          onClick={() => void this._open()}
        />
      );
    };
    return model ? <UseSignal signal={model.metadataChanged}>{button}</UseSignal> : button();
  }

  private async _open(): Promise<void> {
    const { containers } = this._options;
    if (containers.images === undefined) {
      const late = new Promise<void>(resolve => setTimeout(resolve, PATIENCE));
      // Without the list there still is the dialog, which says what is wrong.
      await Promise.race([containers.refreshImages().catch(() => undefined), late]);
    }
    if (this.isDisposed) {
      return;
    }
    this._menu?.dispose();
    const menu = (this._menu = this._fill());
    const { left, bottom } = this.node.getBoundingClientRect();
    menu.open(left, bottom);
    MessageLoop.sendMessage(menu, Widget.Msg.ActivateRequest);
  }

  private _fill(): Menu {
    const { commands, containers, images, panel } = this._options;
    const menu = new MenuSvg({ commands });
    const chosen = images.choice(panel)?.image;
    const known = (containers.images ?? []).map(image => image.name);
    const shown = [...new Set([...(chosen === undefined ? [] : [chosen]), ...known])].slice(0, SHOWN);
    shown.forEach(image => menu.addItem({ command: CommandIDs.chooseImage, args: { image } }));
    menu.addItem({ command: CommandIDs.chooseImage });
    menu.addItem({ type: 'separator' });
    menu.addItem({ command: CommandIDs.runCell });
    menu.addItem({ command: MenuCommandIDs.toggleGpu });
    if (chosen !== undefined) {
      [CommandIDs.openShell, CommandIDs.showDetails]
        .filter(command => commands.hasCommand(command))
        .forEach(command => menu.addItem({ command, args: { image: chosen } }));
      menu.addItem({ type: 'separator' });
      menu.addItem({ command: MenuCommandIDs.forgetImage });
    }
    return menu;
  }

  private readonly _options: IPickerOptions;
  private _menu: Menu | undefined;
}
