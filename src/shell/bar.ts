// SPDX-License-Identifier: BSD-3-Clause
/** The strip above a shell's screen that says what is the matter with it, with buttons for what can be done. */

export interface IBarButton {
  readonly label: string;
  readonly primary?: boolean;
  run(): void;
}

export interface IBarContent {
  /** `info`: nothing is wrong; `warning`: it will be tried again; `error`: it did not work. */
  readonly kind: 'info' | 'warning' | 'error';
  readonly text: string;
  /** Shown as it is, in the font of code. */
  readonly detail?: string;
  readonly buttons: readonly IBarButton[];
  /** It passes: it lies over the screen, whose size stays as it is. */
  readonly passing?: boolean;
}

export class Bar {
  /** A live region: what it says is read out. It is there from the beginning, or it would not be. */
  readonly node: HTMLElement = document.createElement('div');

  constructor() {
    this.node.className = 'jp-nbcontainer-Shell-bar';
    this.node.setAttribute('role', 'status');
    this.node.hidden = true;
  }

  /** Undefined takes it away. */
  show(content: IBarContent | undefined): void {
    const { node } = this;
    const hadFocus = node.contains(document.activeElement);
    node.replaceChildren();
    node.hidden = content === undefined;
    if (content === undefined) {
      return;
    }
    node.dataset['kind'] = content.kind;
    node.classList.toggle('jp-mod-passing', content.passing === true);
    const text = document.createElement('span');
    text.className = 'jp-nbcontainer-Shell-barText';
    text.textContent = content.text;
    node.append(text);
    if (content.detail !== undefined && content.detail !== '') {
      const detail = document.createElement('code');
      detail.textContent = content.detail;
      text.append(' ', detail);
    }
    for (const { label, primary, run } of content.buttons) {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = `jp-nbcontainer-Shell-barButton${primary === true ? ' jp-mod-primary' : ''}`;
      button.textContent = label;
      button.addEventListener('click', run);
      node.append(button);
    }
    if (hadFocus) {
      node.querySelector('button')?.focus();
    }
  }
}
