// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where the server of the browser tests keeps everything: store, sockets, the folder of the file browser. By its port,
 * so that two runs with different ports (NBCONTAINER_UI_PORT) do not meet; short, since a socket's path has 108 bytes.
 */
import path from 'node:path';

export const PORT = Number(process.env.NBCONTAINER_UI_PORT ?? 8988);
export const PLACE = `/tmp/nbc-ui-${PORT}`;
/** NBCONTAINER_HOME */
export const STORE = path.join(PLACE, 'store');
/** XDG_RUNTIME_DIR */
export const RUNTIME = path.join(PLACE, 'run');
/** What the file browser shows. */
export const FOLDER = path.join(PLACE, 'root');

/** The environment in which server, daemon and command line of the tests meet. */
export const ENVIRONMENT = {
  NBCONTAINER_UI_PORT: String(PORT),
  NBCONTAINER_UI_PLACE: PLACE,
  NBCONTAINER_HOME: STORE,
  XDG_RUNTIME_DIR: RUNTIME,
  JUPYTER_PREFER_ENV_PATH: '1',
  // Nothing of the user's: settings, workspaces, kernels' sockets.
  JUPYTER_CONFIG_DIR: path.join(PLACE, 'config'),
  JUPYTER_RUNTIME_DIR: path.join(PLACE, 'jupyter'),
  JUPYTERLAB_SETTINGS_DIR: path.join(PLACE, 'settings')
};
