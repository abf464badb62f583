// SPDX-License-Identifier: BSD-3-Clause
/** Searching the lines of a shell. */
import type { SearchAddon } from '@xterm/addon-search';
import type { TranslationBundle } from '@jupyterlab/translation';

/** The colours of matches, as xterm wants them: #rrggbb. */
export interface IMatchColors {
  readonly match: string;
  readonly active: string;
}

export class SearchBar {
  readonly node: HTMLElement = document.createElement('div');
  private readonly input = document.createElement('input');
  private readonly count = document.createElement('span');
  private readonly matchCase: HTMLInputElement;
  private readonly regex: HTMLInputElement;
  private readonly trans: TranslationBundle;
  private readonly addon: SearchAddon;
  private readonly colors: () => IMatchColors;

  /** `onClose`: the focus belongs to the terminal again. */
  constructor(addon: SearchAddon, trans: TranslationBundle, colors: () => IMatchColors, onClose: () => void) {
    this.trans = trans;
    this.addon = addon;
    this.colors = colors;
    this.node.className = 'jp-nbcontainer-Shell-search';
    this.node.setAttribute('role', 'search');
    this.node.hidden = true;
    this.input.type = 'text';
    this.input.spellcheck = false;
    this.input.placeholder = trans.__('Search');
    this.input.setAttribute('aria-label', trans.__('Search in the lines of this shell'));
    this.input.addEventListener('input', () => this.find(true));
    this.count.className = 'jp-nbcontainer-Shell-searchCount';
    this.count.setAttribute('aria-live', 'polite');
    this.matchCase = this.choice(trans.__('Match case'), 'Aa');
    this.regex = this.choice(trans.__('Regular expression'), '.*');
    this.node.prepend(this.input, this.count);
    this.node.append(
      this.button(trans.__('Previous match'), '↑', () => this.find(false, true)),
      this.button(trans.__('Next match'), '↓', () => this.find()),
      this.button(trans.__('Close the search'), '×', () => this.close(onClose))
    );
    this.node.addEventListener('keydown', event => {
      // None of JupyterLab's shortcuts, and none of xterm's.
      event.stopPropagation();
      if (event.key === 'Escape') {
        this.close(onClose);
      } else if (event.key === 'Enter' && event.target === this.input) {
        this.find(false, event.shiftKey);
      }
    });
    addon.onDidChangeResults(({ resultIndex, resultCount }) => this.say(resultIndex, resultCount));
  }

  /** Shows it; what is selected is what is looked for. */
  open(selection: string): void {
    this.node.hidden = false;
    if (selection !== '' && !selection.includes('\n')) {
      this.input.value = selection;
    }
    this.input.focus();
    this.input.select();
    this.find(true);
  }

  private close(onClose: () => void): void {
    this.node.hidden = true;
    this.addon.clearDecorations();
    onClose();
  }

  private find(incremental = false, backwards = false): void {
    const wanted = this.input.value;
    this.node.classList.remove('jp-mod-invalid');
    this.count.textContent = '';
    if (wanted === '') {
      this.addon.clearDecorations();
      return;
    }
    if (this.regex.checked && !isRegex(wanted)) {
      this.node.classList.add('jp-mod-invalid');
      this.count.textContent = this.trans.__('No regular expression');
      return;
    }
    const { match, active } = this.colors();
    const options = {
      caseSensitive: this.matchCase.checked,
      regex: this.regex.checked,
      incremental,
      decorations: {
        matchBackground: match,
        matchOverviewRuler: match,
        activeMatchBackground: active,
        activeMatchBorder: active,
        activeMatchColorOverviewRuler: active
      }
    };
    if (backwards) {
      this.addon.findPrevious(wanted, options);
    } else {
      this.addon.findNext(wanted, options);
    }
  }

  private say(index: number, count: number): void {
    this.count.textContent =
      count === 0
        ? this.trans.__('No match')
        : index < 0
          ? this.trans.__('More than %1', count)
          : this.trans.__('%1 of %2', index + 1, count);
    this.node.classList.toggle('jp-mod-invalid', count === 0);
  }

  private button(label: string, sign: string, run: () => void): HTMLButtonElement {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = sign;
    button.title = label;
    button.setAttribute('aria-label', label);
    button.addEventListener('click', run);
    return button;
  }

  private choice(label: string, sign: string): HTMLInputElement {
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.setAttribute('aria-label', label);
    box.addEventListener('change', () => this.find(true));
    const frame = document.createElement('label');
    frame.title = label;
    frame.append(box, sign);
    this.node.append(frame);
    return box;
  }
}

function isRegex(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}
