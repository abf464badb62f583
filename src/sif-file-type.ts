// SPDX-License-Identifier: BSD-3-Clause
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { sifIcon } from './icons';

/** Name of the file type; the file browser marks its rows with it (`data-file-type`). */
export const SIF_FILE_TYPE = 'sif';

/**
 * Makes `.sif` files known by name and icon.
 *
 * The content type is one of our own, for which no document factory exists: a double click can therefore not make the
 * document manager fetch the file, which is gigabytes long.
 */
export const sifFileType: JupyterFrontEndPlugin<void> = {
  id: 'nbcontainer:sif-file-type',
  description: 'The file type and icon of SIF container images.',
  autoStart: true,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null) => {
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
  }
};
