// SPDX-License-Identifier: BSD-3-Clause
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { sifIcon } from '../icons.ts';
import { IContainers } from '../tokens.ts';
import { addFileCommands } from './file-commands.ts';
import { SIF_MODEL, SifModelFactory, SifWidgetFactory } from './sif-document.ts';

/** Name of the file type; the file browser marks its rows with it (`data-file-type`). */
export const SIF_FILE_TYPE = 'sif';

/**
 * Makes `.sif` files known by name and icon, and has them opened without their content.
 *
 * A type with no document of its own would be opened by the text editor, which fetches the file: gigabytes.
 */
export const sifFileType: JupyterFrontEndPlugin<void> = {
  id: 'nbcontainer:sif-file-type',
  description: 'The file type, icon, view and context menu of SIF container images.',
  autoStart: true,
  optional: [IContainers, IFileBrowserFactory, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    containers: IContainers | null,
    browsers: IFileBrowserFactory | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('nbcontainer');
    app.docRegistry.addFileType({
      name: SIF_FILE_TYPE,
      displayName: trans.__('Container image (SIF)'),
      extensions: ['.sif', '.simg'],
      mimeTypes: ['application/vnd.sylabs.sif.layer.v1.sif'],
      icon: sifIcon,
      contentType: 'file',
      fileFormat: 'base64'
    });
    app.docRegistry.addModelFactory(new SifModelFactory());
    app.docRegistry.addWidgetFactory(
      new SifWidgetFactory(
        {
          name: 'nbcontainer-sif-info',
          label: trans.__('Container image'),
          fileTypes: [SIF_FILE_TYPE],
          defaultFor: [SIF_FILE_TYPE],
          modelName: SIF_MODEL,
          readOnly: true
        },
        { commands: app.commands, trans, containers }
      )
    );
    if (browsers) {
      addFileCommands(app.commands, browsers, trans);
    }
  }
};
