// SPDX-License-Identifier: BSD-3-Clause
/** *Run in container*: the active cell, in the notebook's image, by the notebook's language. */
import { type ISessionContextDialogs, Notification } from '@jupyterlab/apputils';
import { CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { INotebookChoice } from './choice.ts';
import { type CellProblem, execLine, planCell } from './exec-line.ts';
import { executeInstead } from './execute.ts';
import type { NotebookImages } from './images.ts';

/** Milliseconds. */
const NOTICE = 8000;

export interface IRunCellOptions {
  readonly images: NotebookImages;
  readonly dialogs: ISessionContextDialogs | null;
  readonly trans: TranslationBundle;
}

/** Settles when the cell has run, or when it was said why it was not. */
export async function runCell(panel: NotebookPanel, choice: INotebookChoice, options: IRunCellOptions): Promise<void> {
  const { images, trans } = options;
  const { content: notebook, sessionContext: session } = panel;
  const cell = notebook.activeCell;
  const say = (message: string): void => void Notification.warning(message, { autoClose: NOTICE });
  if (!(cell instanceof CodeCell) || notebook.model === null) {
    say(trans.__('Only code cells run in a container'));
    return;
  }
  if (session.pendingInput) {
    say(trans.__('The notebook waits for your input: answer it first'));
    return;
  }
  // A notebook that was just opened still starts its kernel.
  await session.ready;
  if (session.hasNoKernel && (await session.startKernel())) {
    await options.dialogs?.selectKernel(session);
  }
  const kernel = session.session?.kernel;
  if (!kernel) {
    return;
  }
  const { name: language } = (await kernel.info).language_info;
  const effective = await images.effective(choice.options);
  const plan = planCell({
    source: cell.model.sharedModel.getSource(),
    language,
    image: choice.image,
    options: effective
  });
  if (plan.kind === 'refused') {
    say(reasonOf(plan.problem, plan.what, trans));
    return;
  }
  if (!(await images.isAgreed(panel, choice, execLine(choice.image, effective)))) {
    return;
  }
  // As JupyterLab does: an empty cell, and one that is gone while the question was open.
  if (cell.isDisposed || cell.model.sharedModel.getSource().trim() === '') {
    return;
  }
  notebook.mode = 'command';
  try {
    const reply = await executeInstead(cell, plan.code, {
      session,
      deletedCells: notebook.model.deletedCells,
      recordTiming: notebook.notebookConfig.recordTiming
    });
    if (reply?.content.status === 'error' && isNotInstalled(reply.content.ename, reply.content.evalue)) {
      say(trans.__('The environment of the kernel lacks nbcontainer: run %pip install nbcontainer in a cell'));
    } else if (reply?.content.status === 'ok') {
      await images.recordDigest(panel).catch(() => undefined);
    }
  } catch {
    // The kernel was restarted or ended; the notebook shows that.
    return;
  }
}

function isNotInstalled(name: string, value: string): boolean {
  return name === 'ModuleNotFoundError' && value.includes('nbcontainer');
}

function reasonOf(problem: CellProblem, what: string, trans: TranslationBundle): string {
  switch (problem) {
    case 'language':
      return trans.__('Cells of Python, bash and R run in a container; this notebook is in %1', what);
    case 'own-container':
      return trans.__('This cell says itself in which container it runs: run it as usual');
    case 'magic':
      return trans.__('A cell that begins with %1 runs in the kernel only', what);
    case 'magic-options':
      return trans.__('The options of %1 are for the kernel: leave them out to run it in a container', what);
    case 'image':
      return trans.__('%1 is not the name of an image', what);
    case 'too-long':
      return trans.__('The cell is too long for a kernel of %1', what);
  }
}
