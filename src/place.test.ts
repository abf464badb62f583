// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { type Area, type IAreas, type IPlaced, bringUp, showWidget } from './place.ts';

class Placed implements IPlaced {
  readonly id = 'log';
  parent: object | null = null;
  isVisible = false;
  activated = 0;
  activate(): void {
    this.activated += 1;
  }
}

/** As Notebook's shell: an area without room leaves the widget as it was; activating at a side folds what is seen. */
class Shell implements IAreas<Placed> {
  readonly room: readonly Area[];
  private _widget: Placed | undefined;
  constructor(room: readonly Area[]) {
    this.room = room;
  }
  add(widget: Placed, area: string): void {
    if (this.room.some(name => name === area)) {
      expect(widget.parent).toBe(null);
      widget.parent = { area };
      this._widget = widget;
    }
  }
  activateById(): void {
    if (this._widget) {
      this._widget.isVisible = !this._widget.isVisible;
    }
  }
}

describe('the area of a new widget', () => {
  it.each<[string, readonly Area[], Area | undefined]>([
    ['JupyterLab', ['main', 'down', 'right'], 'main'],
    ['Notebook 7.4 and newer with a document', ['down', 'right'], 'down'],
    ['Notebook 7.2 and 7.3 with a document', ['right'], 'right'],
    ['no room at all', [], undefined]
  ])('%s', (_name, room, area) => {
    const widget = new Placed();
    expect(showWidget(new Shell(room), widget)).toBe(area);
    expect(widget.parent).toEqual(area === undefined ? null : { area });
    expect(widget.isVisible).toBe(area !== undefined);
  });
});

it('what is seen stays seen when it is asked for again', () => {
  const shell = new Shell(['right']);
  const widget = new Placed();
  showWidget(shell, widget);
  bringUp(shell, widget);
  expect([widget.isVisible, widget.activated]).toEqual([true, 1]);
});
