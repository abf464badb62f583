// SPDX-License-Identifier: BSD-3-Clause
/** Ids of the commands, with the arguments that each takes; the plugin that owns one is named beside it. */

export const CommandIDs = {
  /** {}: shows the side panel. (panel) */
  showPanel: 'nbcontainer:show-panel',
  /** {source?, plainHttp?}: asks for a reference when none is given, then pulls it. (dialogs) */
  pullImage: 'nbcontainer:pull-image',
  /** {image?, path?}: the run dialog; `path` is a file of the file browser. (dialogs) */
  runImage: 'nbcontainer:run-image',
  /** {image?, path?}: what an image says of itself. (dialogs) */
  showDetails: 'nbcontainer:show-details',
  /** {image}: asks, then removes it from the store. (dialogs) */
  removeImage: 'nbcontainer:remove-image',
  /** {id}: the log of a job, followed while it runs. (dialogs) */
  showLog: 'nbcontainer:show-log',
  /** {id}: cancels a job that runs, forgets one that has ended. (dialogs) */
  stopJob: 'nbcontainer:stop-job',
  /** {id}: starts a failed or cancelled pull again. (dialogs) */
  retryJob: 'nbcontainer:retry-job',
  /** {image?, path?, options?}: a new shell in its own tab; {id}: the tab of one that runs. (shell) */
  openShell: 'nbcontainer:open-shell',
  /** {id, name?}: asks for the name when none is given. (shell) */
  renameShell: 'nbcontainer:rename-shell',
  /** {id}: ends a shell that runs, forgets one that has ended. (shell) */
  stopShell: 'nbcontainer:stop-shell',
  /** {image?}: the current cell in a container. (notebook) */
  runCell: 'nbcontainer:run-cell',
  /** {image?}: the notebook's image. (notebook) */
  chooseImage: 'nbcontainer:choose-image'
} as const;
