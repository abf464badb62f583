// SPDX-License-Identifier: BSD-3-Clause
/** Failures in words. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { DaemonError } from '../../lib-runtime/api/client.ts';
import type { FormProblem } from './run-form.ts';
import type { SourceProblem } from './sources.ts';

export interface IProblem {
  readonly message: string;
  readonly reason?: string | undefined;
  readonly fix?: string | undefined;
}

/** What a rejected request says; never a stack. */
export function problemOf(error: unknown, trans: TranslationBundle): IProblem {
  if (error instanceof DaemonError) {
    const { message, reason, fix } = error;
    return { message, reason, fix };
  }
  return {
    message: trans.__('the Jupyter server does not answer'),
    reason: error instanceof Error && error.message !== '' ? error.message : undefined
  };
}

/** A sentence of a text: with a capital, unless it begins with our own name, and a full stop. */
export function sentence(text: string): string {
  const first = text.startsWith('nbcontainer') ? text : text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}

export function problemSentences({ message, reason, fix }: IProblem): string[] {
  return [message, reason, fix].filter(text => text !== undefined && text !== '').map(text => sentence(text ?? ''));
}

/** Tells of a failure and waits until it was read. */
export async function showProblem(title: string, problem: IProblem, trans: TranslationBundle): Promise<void> {
  const body = paragraphs(problemSentences(problem));
  await showDialog({ title, body, buttons: [Dialog.okButton({ label: trans.__('Close') })] });
}

/** The body of a dialog that says more than one thing. */
export function paragraphs(texts: readonly string[]): Widget {
  const body = new Widget();
  body.addClass('jp-nbcontainer-Paragraphs');
  body.node.append(
    ...texts.map(text => {
      const line = document.createElement('p');
      line.textContent = text;
      return line;
    })
  );
  return body;
}

/** What is wrong with a field of the run dialog. */
export function fieldText(problem: FormProblem, trans: TranslationBundle): string {
  const texts: Readonly<Record<FormProblem, string>> = {
    'image-missing': trans.__('Name an image: one of the list, a .sif file or a reference such as docker://alpine.'),
    'image-dash': trans.__('The name of an image does not begin with a dash.'),
    'open-quote': trans.__('A quote is not closed.'),
    'open-backslash': trans.__('A backslash at the end has nothing to keep.'),
    nul: trans.__('A NUL character cannot be part of it.'),
    absolute: trans.__('Write the whole path, beginning with a slash.'),
    'source-missing': trans.__('Which folder or file of the server?'),
    'destination-twice': trans.__('Two of these have the same path in the container.'),
    'variable-name': trans.__('A name has letters, digits and underscores, and does not begin with a digit.'),
    'variable-twice': trans.__('This name is there twice.')
  };
  return texts[problem];
}

export function sourceText(problem: SourceProblem, trans: TranslationBundle): string {
  const texts: Readonly<Record<SourceProblem, string>> = {
    missing: trans.__('Name an image, for example docker://ubuntu:24.04.'),
    dash: trans.__('The name of an image does not begin with a dash.'),
    blank: trans.__('The name of an image has no blanks.')
  };
  return texts[problem];
}
