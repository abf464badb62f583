// SPDX-License-Identifier: BSD-3-Clause
/** The tabs of shells: one a shell, kept across reloads of the page. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { type IThemeManager, MainAreaWidget, Notification, WidgetTracker } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { UUID } from '@lumino/coreutils';
import { SplitPanel, type Widget } from '@lumino/widgets';
import { CommandIDs } from '../commands.ts';
import { bringUp, showWidget } from '../place.ts';
import type { ISettings } from '../settings.ts';
import type { IContainers } from '../tokens.ts';
import type { IShellSource, ShellView } from './view.ts';

export type ShellTab = MainAreaWidget<ShellView>;

export interface IShellTabsOptions {
  readonly app: JupyterFrontEnd;
  readonly containers: IContainers;
  readonly settings: ISettings;
  readonly themes: IThemeManager | null;
  readonly trans: TranslationBundle;
}

/** Remembers in the browser that the user knows what closing a tab does. */
const TOLD = 'nbcontainer:shell-goes-on';

/** Of the ids of tabs. */
const PREFIX = 'nbcontainer-shell-';

export class ShellTabs {
  readonly tracker = new WidgetTracker<ShellTab>({ namespace: 'nbcontainer-shell' });

  constructor(options: IShellTabsOptions) {
    this._options = options;
  }

  get current(): ShellView | undefined {
    return this.tracker.currentWidget?.content;
  }

  /** The tab of a shell that has one. */
  find(id: string): ShellTab | undefined {
    return this.tracker.find(({ content }) => content.shellId === id);
  }

  /** What a tab is kept by across reloads of the page. */
  nameOf(tab: ShellTab): string {
    return tab.id.slice(PREFIX.length);
  }

  /**
   * Shows the shell in its tab, or in a new one.
   * @param name of a tab that is restored
   */
  async open(source: IShellSource, name: string = UUID.uuid4()): Promise<ShellTab> {
    const { app } = this._options;
    const known = source.id === undefined ? undefined : this.find(source.id);
    if (known) {
      bringUp(app.shell, known);
      return known;
    }
    const { ShellView } = await import('./view.ts');
    const { containers, settings, themes, trans } = this._options;
    const content = new ShellView({ containers, settings, themes, trans, source });
    const tab = new MainAreaWidget({ content });
    tab.id = `${PREFIX}${name}`;
    tab.toolbar.hide();
    content.closeRequested.connect(() => tab.close());
    content.started.connect(() => void this.tracker.save(tab));
    tab.disposed.connect(() => this._closed(content));
    // First, or the page's layout would be kept without it.
    await this.tracker.add(tab);
    if (showWidget(app.shell, tab, 'Shell') !== 'main') {
      makeRoom(tab);
    }
    return tab;
  }

  private _closed(content: ShellView): void {
    const { app, containers, trans } = this._options;
    const id = content.shellId;
    if (id === undefined) {
      return;
    }
    if (!content.isRunning) {
      // Its last screen was seen: nobody needs the entry any longer.
      containers.client.removeShell(id).catch(() => undefined);
      return;
    }
    if (wasTold()) {
      return;
    }
    Notification.info(trans.__('“%1” goes on without its tab. The Containers panel lists it.', content.title.label), {
      autoClose: 10_000,
      actions: [
        { label: trans.__('Open'), callback: () => void app.commands.execute(CommandIDs.openShell, { id }) },
        {
          label: trans.__('Stop it'),
          displayType: 'warn',
          callback: () => void app.commands.execute(CommandIDs.stopShell, { id, ask: false })
        }
      ]
    });
  }

  private readonly _options: IShellTabsOptions;
}

/** What lies below a document has the height of its tab and no more, and at its side a small width, until it is pulled. */
function makeRoom(tab: Widget): void {
  for (let around = tab.parent; around; around = around.parent) {
    if (around instanceof SplitPanel) {
      around.setRelativeSizes(around.widgets.length === 2 ? [1, 1] : [1, 2, 2]);
      return;
    }
  }
}

/** True from the second time on. */
function wasTold(): boolean {
  try {
    const told = localStorage.getItem(TOLD) !== null;
    localStorage.setItem(TOLD, '1');
    return told;
  } catch {
    return false;
  }
}
