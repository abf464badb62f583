// SPDX-License-Identifier: BSD-3-Clause
import { ABCWidgetFactory, DocumentModel, type DocumentRegistry, DocumentWidget } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { sifIcon } from './icons';

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

/** What a double click on an image shows: what it is, and how to run it. */
class SifView extends Widget {
  constructor(context: DocumentRegistry.Context, trans: TranslationBundle) {
    super();
    this.addClass('jp-nbcontainer-SifView');
    const title = document.createElement('h2');
    const size = document.createElement('p');
    const hint = document.createElement('p');
    const code = document.createElement('pre');
    hint.textContent = trans.__('To run it, put this into a notebook cell:');
    this.node.append(title, size, hint, code);
    const update = (): void => {
      const name = context.localPath.split('/').pop() ?? '';
      const bytes = context.contentsModel?.size;
      title.textContent = name;
      size.textContent =
        bytes === undefined
          ? trans.__('Container image (SIF)')
          : trans.__('Container image (SIF), %1 MB', (bytes / 1e6).toFixed(1));
      code.textContent = `%load_ext nbcontainer\n\n%%container exec ${quoted(name)}\ncat /etc/os-release`;
    };
    update();
    context.pathChanged.connect(update, this);
    context.fileChanged.connect(update, this);
  }
}

/** A name as the magic's line wants it: in single quotes where something in it has a meaning there. */
function quoted(name: string): string {
  return /^[\w.,+@%/-]+$/.test(name) ? name : `'${name.replaceAll("'", `'"'"'`)}'`;
}

export class SifWidgetFactory extends ABCWidgetFactory<DocumentWidget> {
  constructor(options: DocumentRegistry.IWidgetFactoryOptions, trans: TranslationBundle) {
    super(options);
    this._trans = trans;
  }

  protected createNewWidget(context: DocumentRegistry.Context): DocumentWidget {
    const widget = new DocumentWidget({ content: new SifView(context, this._trans), context });
    widget.title.icon = sifIcon;
    return widget;
  }

  private _trans: TranslationBundle;
}
