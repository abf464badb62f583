// SPDX-License-Identifier: BSD-3-Clause
/** Where a widget of its own goes in each front end. */

/** Of a Lumino widget; the rest of it is not needed, so that a test needs no page. */
export interface IPlaced {
  readonly id: string;
  readonly parent: object | null;
  readonly isVisible: boolean;
  activate(): void;
}

/** Of JupyterFrontEnd.IShell. */
export interface IAreas<W extends IPlaced> {
  add(widget: W, area: string, options?: { readonly rank?: number; readonly type?: string }): void;
  activateById(id: string): void;
}

/**
 * JupyterLab's main area takes any number of widgets. Notebook 7 has room for its document there: the rest lies below
 * it, and in Notebook 7.2 and 7.3, which have no area below, at its right.
 */
const AREAS = ['main', 'down', 'right'] as const;

export type Area = (typeof AREAS)[number];

/**
 * Shows a new widget.
 * @param type of the document, for an administrator's `layout` setting of Notebook 7
 * @returns where it has found room; undefined when nowhere
 */
export function showWidget<W extends IPlaced>(shell: IAreas<W>, widget: W, type?: string): Area | undefined {
  // Notebook says that it has no room by leaving the widget as it was.
  const area = AREAS.find(name => {
    shell.add(widget, name, name === 'main' ? (type === undefined ? {} : { type }) : { rank: 700 });
    return widget.parent !== null;
  });
  bringUp(shell, widget);
  return area;
}

/** Brings a widget to the front. Notebook's areas at the sides fold what is activated while it is seen. */
export function bringUp<W extends IPlaced>(shell: IAreas<W>, widget: W): void {
  if (widget.isVisible) {
    widget.activate();
  } else {
    shell.activateById(widget.id);
  }
}
