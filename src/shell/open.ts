// SPDX-License-Identifier: BSD-3-Clause
/** What the commands of shells do; loaded when the first of them is run. */
import { Dialog, InputDialog, Notification, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject, ReadonlyPartialJSONValue } from '@lumino/coreutils';
import type { NewShell, RunOptions } from '../../lib-runtime/api/schema.ts';
import type { IShellCommandsOptions } from './commands.ts';
import { shellOptions } from './options.ts';
import type { ShellTab } from './tabs.ts';
import type { ShellView } from './view.ts';

/** Attaches to a shell, or starts one in an image; which image, is asked for where nothing is said of it. */
export async function openShell(
  options: IShellCommandsOptions,
  args: ReadonlyPartialJSONObject
): Promise<ShellTab | undefined> {
  const { containers, tabs, trans } = options;
  containers.connect();
  const given = newShell(args);
  if (typeof args['id'] === 'string') {
    const known = containers.shells.find(({ id }) => id === args['id']);
    const request = given ?? (known && { image: known.image });
    const tab = typeof args['tab'] === 'string' ? args['tab'] : undefined;
    return tabs.open({ id: args['id'], ...(request && { request }) }, tab);
  }
  if (args['id'] === null) {
    // The page was left before there was one. What is restored starts nothing.
    throw new Error('no shell was started in this tab');
  }
  let image = given?.image;
  if (image === undefined && typeof args['path'] === 'string') {
    image = containers.hostPath(args['path']);
    if (image === undefined) {
      await showErrorMessage(
        trans.__('No shell'),
        trans.__('%1 is no file of the machine that Jupyter runs on.', args['path'])
      );
      return undefined;
    }
  }
  image ??= await chooseImage(options);
  if (image === undefined) {
    return undefined;
  }
  return tabs.open({ request: { ...given, image, options: given?.options ?? (await defaults(options)) } });
}

/** What the arguments say of the shell that is wanted; the daemon checks it. */
function newShell(args: ReadonlyPartialJSONObject): NewShell | undefined {
  const { image, command, name } = args;
  if (typeof image !== 'string' || image === '') {
    return undefined;
  }
  return {
    image,
    ...(Array.isArray(command) && { command: command.map(String) }),
    ...(typeof name === 'string' && name !== '' && { name }),
    ...(isObject(args['options']) && { options: args['options'] as RunOptions })
  };
}

function isObject(value: ReadonlyPartialJSONValue | undefined): value is ReadonlyPartialJSONObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function defaults({ containers, settings, folder }: IShellCommandsOptions): Promise<RunOptions> {
  await settings.ready;
  let gpuFound = false;
  if (settings.values.gpu === 'auto') {
    // A daemon that does not answer will say so when the shell is started.
    gpuFound = await containers.client.gpus().then(
      ({ gpus }) => gpus.length > 0,
      () => false
    );
  }
  return shellOptions(settings.values, folder(), gpuFound);
}

async function chooseImage({ containers, trans }: IShellCommandsOptions): Promise<string | undefined> {
  try {
    await containers.refreshImages();
  } catch (error) {
    await showErrorMessage(trans.__('No shell'), error instanceof Error ? error.message : String(error));
    return undefined;
  }
  const names = (containers.images ?? []).map(({ name }) => name);
  const { value } = await InputDialog.getItem({
    title: trans.__('Open a shell in a container'),
    label:
      names.length > 0
        ? trans.__('Image: a name of the store, docker://…, or the path of a .sif file on the server')
        : trans.__('No image has been pulled yet: docker://…, or the path of a .sif file on the server'),
    items: names,
    current: 0,
    editable: true,
    okLabel: trans.__('Open')
  });
  return value?.trim() || undefined;
}

export async function renameShell(
  { containers, trans }: IShellCommandsOptions,
  id: string | undefined,
  given: unknown
): Promise<void> {
  if (id === undefined) {
    return;
  }
  let name = typeof given === 'string' ? given.trim() : '';
  if (name === '') {
    const { value } = await InputDialog.getText({
      title: trans.__('Rename the shell'),
      label: trans.__('Name'),
      text: containers.shells.find(shell => shell.id === id)?.name ?? '',
      okLabel: trans.__('Rename')
    });
    name = value?.trim() ?? '';
  }
  if (name !== '') {
    await told(containers.client.renameShell(id, { name }));
  }
}

/** Ends a shell that runs, forgets one that has ended. */
export async function stopShell(
  { containers, settings, trans }: IShellCommandsOptions,
  id: string | undefined,
  ask: boolean
): Promise<void> {
  if (id === undefined) {
    return;
  }
  const shell = containers.shells.find(one => one.id === id);
  await settings.ready;
  if (ask && shell?.state === 'running' && settings.values.confirmStopShell) {
    const { button, isChecked } = await showDialog({
      title: trans.__('Stop “%1”?', shell.name),
      body: trans.__('The shell and everything that runs in it will be ended.'),
      checkbox: {
        label: trans.__('Do not ask again'),
        caption: trans.__('The settings can bring this question back.')
      },
      buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Stop') })]
    });
    if (!button.accept) {
      return;
    }
    if (isChecked === true) {
      settings.set('confirmStopShell', false).catch(complain);
    }
  }
  await told(containers.client.removeShell(id));
}

/** The browser may ask for leave, or give none: its own paste works always. */
export async function pasteInto(view: ShellView, trans: TranslationBundle): Promise<void> {
  let text: string | undefined;
  try {
    text = await navigator.clipboard.readText();
  } catch {
    text = undefined;
  }
  if (text === undefined) {
    Notification.info(trans.__('The browser does not let this page read the clipboard: press Ctrl+V.'), {
      autoClose: 5000
    });
  } else {
    view.paste(text);
  }
}

async function told(done: Promise<unknown>): Promise<void> {
  await done.catch(complain);
}

function complain(error: unknown): void {
  Notification.error(error instanceof Error ? error.message : String(error), { autoClose: false });
}
