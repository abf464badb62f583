// SPDX-License-Identifier: BSD-3-Clause
/** The dialog that asks for an image by its name. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

/** Joins the box with the list of what is known. */
const LIST = 'jp-nbcontainer-known-images';

/** A box as wide as names are, which offers what is known as one types. */
class ImageBody extends Widget implements Dialog.IBodyWidget<string> {
  constructor(known: readonly string[], current: string, trans: TranslationBundle) {
    super();
    this.addClass('jp-nbcontainer-AskImage');
    const label = document.createElement('label');
    const input = document.createElement('input');
    const list = document.createElement('datalist');
    label.textContent = trans.__('A known image, a path, or a reference such as docker://python:3.12');
    input.className = 'jp-mod-styled';
    input.value = current;
    input.setAttribute('list', LIST);
    input.spellcheck = false;
    list.id = LIST;
    list.append(...known.map(name => new Option(name, name)));
    label.append(input);
    this.node.append(label, list);
    this._input = input;
  }

  getValue(): string {
    return this._input.value.trim();
  }

  protected override onAfterAttach(): void {
    this._input.select();
  }

  private readonly _input: HTMLInputElement;
}

/** @returns undefined when none was named; what begins with a dash is none */
export async function askForImage(
  known: readonly string[],
  current: string,
  trans: TranslationBundle
): Promise<string | undefined> {
  const { button, value } = await showDialog({
    title: trans.__('Container image of this notebook'),
    body: new ImageBody(known, current, trans),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Choose') })],
    focusNodeSelector: 'input'
  });
  return button.accept && value !== null && value !== '' && !value.startsWith('-') ? value : undefined;
}
