// SPDX-License-Identifier: BSD-3-Clause
/** What the dialogs are given by their plugins, and the file browser's part of it. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { FileBrowser, IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { IStateDB } from '@jupyterlab/statedb';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ISettings } from '../settings.ts';
import type { IContainers } from '../tokens.ts';

export interface IDialogContext {
  readonly app: JupyterFrontEnd;
  readonly containers: IContainers;
  readonly settings: ISettings;
  readonly trans: TranslationBundle;
  /** Absent in a page without a file browser. */
  readonly browsers: IFileBrowserFactory | null;
  readonly defaultBrowser: FileBrowser | null;
  /** Absent where JupyterLab keeps no state. */
  readonly state: IStateDB | null;
}

/** The file browser that was used last. */
export function browserOf(context: Pick<IDialogContext, 'browsers' | 'defaultBrowser'>): FileBrowser | null {
  return context.browsers?.tracker.currentWidget ?? context.defaultBrowser;
}

/** The file browser's folder as a path of the server; empty where there is none. */
export function currentFolder(context: IDialogContext): string {
  const path = browserOf(context)?.model.path;
  return path === undefined ? '' : (context.containers.hostPath(path) ?? '');
}

/** Names of the images in the file browser's folder. */
export function imageFilesHere(context: IDialogContext): string[] {
  const items = [...(browserOf(context)?.model.items() ?? [])];
  return items.filter(item => item.type !== 'directory' && /\.(sif|simg)$/i.test(item.name)).map(item => item.name);
}

/** Milliseconds for which a command waits for the server to say where its files are. */
const PATIENCE = 3000;
/** The same for a daemon that has answered: there may be nothing to say. */
const SHORT_PATIENCE = 500;

/** Settles when hostPath() knows where the files are, as far as it ever will: a command may come before the page is ready. */
export async function filesKnown(containers: IContainers): Promise<void> {
  const began = Date.now();
  const known = (): boolean => {
    const patience = containers.state === 'connected' ? SHORT_PATIENCE : PATIENCE;
    return containers.hostPath('') !== undefined || Date.now() - began > patience;
  };
  while (!known()) {
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

/** The image that a command is about: named, or a file of the file browser. Undefined when it named none. */
export function imageOf(args: { readonly image?: unknown; readonly path?: unknown }, containers: IContainers): IImage {
  if (typeof args.path === 'string' && args.path !== '') {
    return { image: containers.hostPath(args.path), path: args.path };
  }
  return { image: typeof args.image === 'string' && args.image !== '' ? args.image : undefined };
}

export interface IImage {
  readonly image: string | undefined;
  /** Set for a file of the file browser. `image` is undefined for one that is no file of the server's machine. */
  readonly path?: string;
}
