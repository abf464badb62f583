// SPDX-License-Identifier: BSD-3-Clause
import { ABCWidgetFactory, DocumentModel, type DocumentRegistry, DocumentWidget } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { PanelLayout, Widget } from '@lumino/widgets';
import { sifIcon } from '../icons.ts';
import type { IContainers } from '../tokens.ts';

/** Name of the model that stands for an image without holding it. */
export const SIF_MODEL = 'nbcontainer-sif';

/**
 * A model with nothing in it.
 *
 * It calls itself collaborative, which for the document manager means that it is not the one to save the file: opening a
 * document that can be saved would first of all make a checkpoint, a copy of the whole image.
 */
class SifModel extends DocumentModel {
  override get collaborative(): boolean {
    return true;
  }
}

/** A file format of null makes the document manager ask for the file's name and size, and not for its bytes. */
export class SifModelFactory implements DocumentRegistry.IModelFactory<DocumentRegistry.IModel> {
  readonly name = SIF_MODEL;
  readonly contentType: Contents.ContentType = 'file';
  readonly fileFormat: Contents.FileFormat = null;
  readonly collaborative = false;

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
  }

  createNew(): DocumentRegistry.IModel {
    return new SifModel();
  }

  preferredLanguage(): string {
    return '';
  }

  private _isDisposed = false;
}

/** What the view is given besides the file. */
export interface ISifContext {
  readonly commands: CommandRegistry;
  readonly trans: TranslationBundle;
  /** Absent where the daemon's plugin is switched off: the view then only says how to run the image. */
  readonly containers: IContainers | null;
}

/** What a double click on an image shows; loaded with the first. */
class SifContent extends Widget {
  constructor(context: DocumentRegistry.Context, sif: ISifContext) {
    super();
    this.addClass('jp-nbcontainer-SifContent');
    const layout = new PanelLayout();
    this.layout = layout;
    void import('./sif-view.ts').then(({ SifView }) => {
      if (!this.isDisposed) {
        layout.addWidget(new SifView(context, sif));
      }
    });
  }
}

export class SifWidgetFactory extends ABCWidgetFactory<DocumentWidget> {
  constructor(options: DocumentRegistry.IWidgetFactoryOptions, context: ISifContext) {
    super(options);
    this._sif = context;
  }

  protected createNewWidget(context: DocumentRegistry.Context): DocumentWidget {
    const widget = new DocumentWidget({ content: new SifContent(context, this._sif), context });
    widget.title.icon = sifIcon;
    return widget;
  }

  private readonly _sif: ISifContext;
}
