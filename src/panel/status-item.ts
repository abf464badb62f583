// SPDX-License-Identifier: BSD-3-Clause
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { type ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { CommandIDs } from '../commands.ts';
import { containerIcon } from '../icons.ts';
import type { IContainers } from '../tokens.ts';
import { activity, type IActivity } from './running.ts';

/** In the status bar: what runs and how far pulls are; a click shows the panel. */
export class StatusItem extends Widget {
  constructor(containers: IContainers, commands: CommandRegistry, trans: TranslationBundle) {
    super();
    this._containers = containers;
    this._trans = trans;
    this.addClass('jp-nbcontainer-StatusItem');
    this._button.type = 'button';
    this._button.title = trans.__('Show Containers');
    this._button.addEventListener('click', () => {
      if (commands.hasCommand(CommandIDs.showPanel)) {
        void commands.execute(CommandIDs.showPanel);
      }
    });
    containerIcon.element({ container: this._icon, tag: 'span', height: '14px', width: '14px' });
    this._icon.setAttribute('aria-hidden', 'true');
    this._bar.className = 'jp-nbcontainer-Bar';
    this._bar.setAttribute('aria-hidden', 'true');
    this._bar.append(this._fill);
    this._button.append(this._icon, this._text, this._bar);
    this.node.append(this._button);
    containers.changed.connect(this._draw, this);
    this._draw();
  }

  get isActive(): boolean {
    return this._activity.containers + this._activity.pulls > 0;
  }

  get activeChanged(): ISignal<this, void> {
    return this._activeChanged;
  }

  override dispose(): void {
    Signal.clearData(this);
    super.dispose();
  }

  private _draw(): void {
    const before = this.isActive;
    this._activity = activity(this._containers.jobs, this._containers.shells);
    const { containers, pulls, pulled } = this._activity;
    const trans = this._trans;
    const words: string[] = [];
    if (containers > 0) {
      words.push(trans._n('%1 container', '%1 containers', containers));
    }
    if (pulls > 0) {
      words.push(pulled === undefined ? trans.__('pulling') : trans.__('pulling, %1 %', Math.floor(pulled * 100)));
    }
    const text = words.join(' · ');
    if (this._text.textContent !== text) {
      this._text.textContent = text;
    }
    this._bar.hidden = pulled === undefined;
    this._fill.style.width = `${(pulled ?? 0) * 100}%`;
    if (this.isActive !== before) {
      this._activeChanged.emit();
    }
  }

  private readonly _containers: IContainers;
  private readonly _trans: TranslationBundle;
  private readonly _activeChanged = new Signal<this, void>(this);
  private readonly _button = document.createElement('button');
  private readonly _icon = document.createElement('span');
  private readonly _text = document.createElement('span');
  private readonly _bar = document.createElement('span');
  private readonly _fill = document.createElement('span');
  private _activity: IActivity = { containers: 0, pulls: 0, pulled: undefined };
}
