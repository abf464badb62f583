// SPDX-License-Identifier: BSD-3-Clause
import { ABCWidgetFactory, DocumentModel, type DocumentRegistry, DocumentWidget } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { PanelLayout, Widget } from '@lumino/widgets';
import type { DetailsContent } from '../dialogs/details-widget.tsx';
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

/** What a double click on an image shows: what it is, and how to run it. */
class SifView extends Widget {
  constructor(context: DocumentRegistry.Context, sif: ISifContext) {
    super();
    this.addClass('jp-nbcontainer-SifView');
    this._context = context;
    this._sif = sif;
    this._panel = this.layout = new PanelLayout();
    const { trans } = sif;
    const hint = document.createElement('p');
    hint.textContent = trans.__('To run it, put this into a notebook cell:');
    const magic = new Widget();
    magic.node.append(hint, this._code);
    this._panel.addWidget(this._title);
    this._panel.addWidget(magic);
    this._update();
    context.pathChanged.connect(this._update, this);
    context.fileChanged.connect(this._update, this);
    // Its size is known then.
    void context.ready.then(() => this._update());
  }

  private _update(): void {
    const { localPath } = this._context;
    const name = localPath.split('/').pop() ?? '';
    this._title.node.textContent = name;
    this._code.textContent = `%load_ext nbcontainer\n\n%%container exec ${quoted(name)}\ncat /etc/os-release`;
    if (this._sif.containers !== null && this._context.isReady) {
      this._showDetails(name, this._sif.containers).catch(() => undefined);
    }
  }

  /** Buttons and details are loaded with the first image that is looked at. */
  private async _showDetails(title: string, containers: IContainers): Promise<void> {
    const [{ DetailsContent }, { filesKnown }] = await Promise.all([
      import('../dialogs/details-widget.tsx'),
      import('../dialogs/context.ts')
    ]);
    await filesKnown(containers);
    if (this.isDisposed) {
      return;
    }
    const { path, contentsModel } = this._context;
    const { commands, trans } = this._sif;
    const image = containers.hostPath(path);
    const props = { image, args: { path }, title, sizeBytes: contentsModel?.size, containers, commands, trans };
    if (this._details) {
      this._details.showImage(props);
    } else {
      this._details = new DetailsContent(props);
      this._panel.insertWidget(0, this._details);
      this._title.dispose();
    }
  }

  private readonly _context: DocumentRegistry.Context;
  private readonly _sif: ISifContext;
  private readonly _panel: PanelLayout;
  private readonly _title = new Widget({ node: document.createElement('h2') });
  private readonly _code = document.createElement('pre');
  private _details: DetailsContent | undefined;
}

/** A name as the magic's line wants it: in single quotes where something in it has a meaning there. */
function quoted(name: string): string {
  return /^[\w.,+@%/-]+$/.test(name) ? name : `'${name.replaceAll("'", `'"'"'`)}'`;
}

export class SifWidgetFactory extends ABCWidgetFactory<DocumentWidget> {
  constructor(options: DocumentRegistry.IWidgetFactoryOptions, context: ISifContext) {
    super(options);
    this._sif = context;
  }

  protected createNewWidget(context: DocumentRegistry.Context): DocumentWidget {
    const widget = new DocumentWidget({ content: new SifView(context, this._sif), context });
    widget.title.icon = sifIcon;
    return widget;
  }

  private readonly _sif: ISifContext;
}
