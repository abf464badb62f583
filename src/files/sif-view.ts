// SPDX-License-Identifier: BSD-3-Clause
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import { PanelLayout, Widget } from '@lumino/widgets';
import { filesKnown } from '../dialogs/context.ts';
import { DetailsContent } from '../dialogs/details-widget.tsx';
import type { IContainers } from '../tokens.ts';
import type { ISifContext } from './sif-document.ts';

/** What a double click on an image shows: what it is, and how to run it. */
export class SifView extends Widget {
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
      void this._showDetails(name, this._sif.containers);
    }
  }

  private async _showDetails(title: string, containers: IContainers): Promise<void> {
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
