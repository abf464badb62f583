// SPDX-License-Identifier: BSD-3-Clause
/** The pull dialog: asks for a reference and where to put the image, and starts the pull. */
import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import * as React from 'react';
import type { NewJob } from '../../lib-runtime/api/schema.ts';
import { Recent } from '../panel/recent.ts';
import { currentFolder, filesKnown, type IDialogContext } from './context.ts';
import { FormDialog } from './form-dialog.ts';
import { problemOf, problemSentences } from './problems.ts';
import { type IPullModel, PullView } from './pull-view.tsx';
import { type IPullForm, pullOf, recentSources, sourceProblem } from './sources.ts';

/**
 * Opens the dialog and starts the pull.
 * @returns the id of the job; undefined when the user thought better of it
 */
export async function openPullDialog(context: IDialogContext): Promise<string | undefined> {
  const { containers, settings, state, trans } = context;
  containers.connect();
  await Promise.all([settings.ready, filesKnown(containers)]);
  const folder = currentFolder(context);
  const { pullDirectory } = settings.values;
  const directories = [...new Set([pullDirectory, folder === '' ? undefined : folder])].filter(
    directory => directory !== undefined
  );
  const typed = await new Recent(state).list();
  const recent = [...new Set([...typed, ...recentSources(containers.jobs, containers.images ?? [])])];
  let form: IPullForm = { source: '', directory: pullDirectory, force: false, plainHttp: false };
  let failure: readonly string[] = [];
  for (;;) {
    const model: IPullModel = { form, recent, directories, failure, trans, showProblems: () => undefined };
    const dialog = new FormDialog({
      title: trans.__('Pull an image'),
      body: ReactWidget.create(<PullView model={model} />),
      buttons: [Dialog.cancelButton({ label: trans.__('Cancel') }), Dialog.okButton({ label: trans.__('Pull') })],
      mayClose: () => {
        const fine = sourceProblem(model.form.source) === undefined;
        if (!fine) {
          model.showProblems();
        }
        return fine;
      }
    });
    const { button } = await dialog.launch();
    form = model.form;
    if (!button.accept) {
      return undefined;
    }
    try {
      const request: NewJob = pullOf(form);
      const job = await containers.client.startJob(request);
      await new Recent(state).add(job.title);
      return job.id;
    } catch (error) {
      failure = problemSentences(problemOf(error, trans));
    }
  }
}
