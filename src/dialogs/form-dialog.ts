// SPDX-License-Identifier: BSD-3-Clause
/** A dialog with a form: it stays open until what is in it makes sense, and loses nothing by a click beside it. */
import { Dialog } from '@jupyterlab/apputils';
import { PanelLayout, Widget } from '@lumino/widgets';

/** The host styles a React body before it is drawn, by moving its nodes; a plain widget around it is left alone. */
export class FormBody extends Widget {
  constructor(content: Widget) {
    super();
    this.addClass('jp-nbcontainer-FormBody');
    const layout = new PanelLayout();
    layout.addWidget(content);
    this.layout = layout;
  }
}

export interface IFormDialogOptions {
  readonly title: string;
  readonly body: Widget;
  readonly buttons: readonly Dialog.IButton[];
  /** Whether the dialog may close by this button; asked for accepting ones only. */
  mayClose(button: Dialog.IButton): boolean;
}

export class FormDialog extends Dialog<unknown> {
  constructor(options: IFormDialogOptions) {
    super({ title: options.title, body: new FormBody(options.body), buttons: options.buttons });
    this.addClass('jp-nbcontainer-FormDialog');
    this._formOptions = options;
  }

  /** By a button, its index; by the Enter key without one. */
  override resolve(index?: number): void {
    const button = this._formOptions.buttons[index ?? this._formOptions.buttons.length - 1];
    if (button?.accept === true && !this._formOptions.mayClose(button)) {
      return;
    }
    super.resolve(index);
  }

  override handleEvent(event: Event): void {
    const target = event.target;
    if (event instanceof KeyboardEvent && event.type === 'keydown') {
      // The host takes Enter from every button but its own, and knows no place in the body to go on to by Tab.
      if (event.key === 'Enter' && target instanceof HTMLButtonElement && this._formBody()?.contains(target)) {
        event.stopPropagation();
        return;
      }
      const buttons = this.node.querySelectorAll<HTMLElement>('.jp-Dialog-footer button');
      if (event.key === 'Tab' && !event.shiftKey && target === buttons[buttons.length - 1]) {
        event.stopPropagation();
        event.preventDefault();
        this._formBody()?.querySelector<HTMLElement>('input, select, textarea, button')?.focus();
        return;
      }
    }
    if (event.type === 'click' && target instanceof Node) {
      if (!(this.node.querySelector('.jp-Dialog-content')?.contains(target) ?? true)) {
        event.stopPropagation();
        event.preventDefault();
        return;
      }
    }
    super.handleEvent(event);
  }

  private _formBody(): Element | null {
    return this.node.querySelector('.jp-nbcontainer-FormBody');
  }

  private readonly _formOptions: IFormDialogOptions;
}
