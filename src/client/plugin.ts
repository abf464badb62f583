// SPDX-License-Identifier: BSD-3-Clause
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { IContainers } from '../tokens.ts';
import { Containers } from './containers.ts';
import { JupyterTransport } from './transport.ts';

/** One connection to the daemon for all views. */
export const containersPlugin: JupyterFrontEndPlugin<IContainers> = {
  id: 'nbcontainer:containers',
  description: 'Knows the images, jobs and shells of the container daemon.',
  autoStart: true,
  provides: IContainers,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null): IContainers => {
    const trans = (translator ?? nullTranslator).load('nbcontainer');
    const { contents, serverSettings } = app.serviceManager;
    const containers = new Containers({
      transport: new JupyterTransport(serverSettings),
      localPath: path => (contents.driveName(path) === '' ? contents.localPath(path) : undefined),
      words: {
        offline: trans.__('The Jupyter server does not answer'),
        otherVersion: trans.__(
          'The extension in this page and the one in the server are of different versions: restart the server, then reload this page'
        )
      }
    });
    // After the page is drawn: nothing of this is needed for it.
    void app.restored.then(() => containers.greet());
    return containers;
  }
};
