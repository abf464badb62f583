// SPDX-License-Identifier: BSD-3-Clause
/** The run dialog: asks, and starts what was asked for. */
import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import { FileDialog } from '@jupyterlab/filebrowser';
import * as React from 'react';
import { CommandIDs } from '../commands.ts';
import { readChoices, recall, remember, type Choices } from './choices.ts';
import { browserOf, currentFolder, filesKnown, type IDialogContext, imageFilesHere, imageOf } from './context.ts';
import { FormDialog } from './form-dialog.ts';
import { problemOf, problemSentences, showProblem } from './problems.ts';
import { bindRow, type IBindRow, type IRunForm, jobOf, optionsOf, problemsOf, resolvedImage } from './run-form.ts';
import { type IRunFormModel, RunFormView } from './run-form-view.tsx';

const KEY = 'nbcontainer:run-choices';

/**
 * Opens the dialog and starts the job or shell.
 * @param args `image`: a name, reference or path of the server; `path`: a file of the file browser; neither: the
 *   image of last time
 */
export async function openRunDialog(context: IDialogContext, args: ImageArgs): Promise<void> {
  const { containers, trans } = context;
  containers.connect();
  await filesKnown(containers);
  const { image, path } = imageOf(args, containers);
  if (path !== undefined && image === undefined) {
    const message = trans.__('%1 is on no disk of the server, so no container can be made of it', path);
    await showProblem(trans.__('It cannot be run'), { message }, trans);
    return;
  }
  await context.settings.ready;
  const choices = await loadChoices(context);
  const known = (containers.images ?? []).map(({ name }) => ({ value: name }));
  const folder = currentFolder(context);
  const files = imageFilesHere(context).map(name => ({ value: resolvedImage({ image: name, folder }), label: name }));
  let shown: Shown = { form: firstForm(context, image, choices), focus: image === undefined ? 'image' : 'command' };
  // The host shows one dialog at a time: this one makes room for the file browser's and comes back.
  while (shown !== undefined) {
    const model: IRunFormModel = {
      form: shown.form,
      gpuFound: shown.gpuFound ?? false,
      failure: shown.failure ?? [],
      focus: shown.focus,
      images: [...files, ...known],
      choices,
      trans,
      gpus: () => containers.client.gpus(),
      onPick: undefined,
      showProblems: () => undefined
    };
    shown = await ask(context, model, choices);
  }
}

type ImageArgs = Parameters<typeof imageOf>[0];

type Shown =
  | {
      readonly form: IRunForm;
      readonly focus: IRunFormModel['focus'];
      readonly gpuFound?: boolean;
      readonly failure?: readonly string[];
    }
  | undefined;

function firstForm({ settings, ...context }: IDialogContext, image: string | undefined, choices: Choices): IRunForm {
  const { gpu, identity, binds } = settings.values;
  const name = image ?? choices[0]?.image ?? '';
  return {
    command: '',
    binds: binds.map(bindRow),
    variables: [],
    gpu,
    identity,
    writable: 'no',
    ...recall(choices, name),
    image: name,
    folder: currentFolder({ settings, ...context })
  };
}

/** Shows the dialog once. @returns how it is to be shown again; undefined when all is done */
async function ask(context: IDialogContext, model: IRunFormModel, choices: Choices): Promise<Shown> {
  const { app, containers, trans } = context;
  const browser = browserOf(context);
  const cancel = Dialog.cancelButton({ label: trans.__('Cancel') });
  const shell = Dialog.createButton({
    label: trans.__('Open as shell'),
    caption: trans.__('Opens a shell in the image with these options'),
    className: 'jp-nbcontainer-Secondary'
  });
  const run = Dialog.okButton({ label: trans.__('Run') });
  const shells = containers.shellsAllowed && app.commands.hasCommand(CommandIDs.openShell);
  let picking: 'folder' | 'file' | undefined;
  const dialog: FormDialog = new FormDialog({
    title: trans.__('Run in a container'),
    body: ReactWidget.create(
      <RunFormView
        model={Object.assign(model, {
          onPick: browser
            ? (what: 'folder' | 'file') => {
                picking = what;
                dialog.reject();
              }
            : undefined
        })}
      />
    ),
    buttons: shells ? [cancel, shell, run] : [cancel, run],
    mayClose: () => {
      const fine = problemsOf(model.form).length === 0;
      if (!fine) {
        model.showProblems();
      }
      return fine;
    }
  });
  const { button } = await dialog.launch();
  const { form, gpuFound } = model;
  if (picking !== undefined) {
    return { form: { ...form, binds: [...form.binds, ...(await pick(context, picking))] }, focus: 'binds', gpuFound };
  }
  if (!button.accept) {
    return undefined;
  }
  await saveChoices(context, remember(choices, { ...form, image: resolvedImage(form) }));
  try {
    if (button.label === shell.label) {
      await app.commands.execute(CommandIDs.openShell, {
        image: resolvedImage(form),
        options: optionsOf(form, gpuFound)
      });
    } else {
      const job = await containers.client.startJob(jobOf(form, gpuFound));
      await app.commands.execute(CommandIDs.showLog, { id: job.id });
    }
    return undefined;
  } catch (error) {
    return { form, focus: 'image', gpuFound, failure: problemSentences(problemOf(error, trans)) };
  }
}

/** Folders or files of the file browser, as rows; none when the user thought better of it. */
async function pick(context: IDialogContext, what: 'folder' | 'file'): Promise<IBindRow[]> {
  const { containers, trans } = context;
  const browser = browserOf(context);
  if (!browser) {
    return [];
  }
  const options = { manager: browser.model.manager, defaultPath: browser.model.path };
  const { button, value } = await (what === 'folder'
    ? FileDialog.getExistingDirectory({ ...options, title: trans.__('A folder for the container') })
    : FileDialog.getOpenFiles({
        ...options,
        title: trans.__('Files for the container'),
        // Folders can be opened, but are no files.
        filter: () => ({})
      }));
  return (button.accept ? (value ?? []) : [])
    .map(item => containers.hostPath(item.path))
    .filter(path => path !== undefined)
    .map(path => ({ source: path, destination: '', readOnly: false }));
}

async function loadChoices({ state }: IDialogContext): Promise<Choices> {
  try {
    return readChoices(await state?.fetch(KEY));
  } catch {
    // Without them every field begins as it is by default.
    return [];
  }
}

async function saveChoices({ state }: IDialogContext, choices: Choices): Promise<void> {
  // A copy of plain data; where it cannot be kept nothing is lost but comfort.
  await state?.save(KEY, JSON.parse(JSON.stringify(choices))).catch(() => undefined);
}
