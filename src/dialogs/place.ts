// SPDX-License-Identifier: BSD-3-Clause
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { Widget } from '@lumino/widgets';

/** Shows a widget of its own in the main area; Notebook 7 has room for one there, its own, but also a panel below. */
export function showInMain({ shell }: JupyterFrontEnd, widget: Widget): void {
  shell.add(widget, 'main');
  if (!widget.isAttached) {
    shell.add(widget, 'down', { rank: 700 });
  }
  shell.activateById(widget.id);
}
