// SPDX-License-Identifier: BSD-3-Clause
/** The side panel: its frame. What is in its sections is fetched when it is first looked at. */
import { clearIcon, type LabIcon, PanelWithToolbar, refreshIcon, SidePanel } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { AccordionPanel, type PanelLayout, Widget } from '@lumino/widgets';
import type { ITranslator } from '@jupyterlab/translation';
import { containerIcon } from '../icons.ts';
import type { IPanelContext } from './context.ts';

export const PANEL_ID = 'nbcontainer-panel';

export type SectionName = 'images' | 'pulls' | 'running' | 'gpu';

/** What fills the sections; see sections.tsx. */
type FillPanel = (panel: ContainerPanel, context: IPanelContext) => void;

export interface IPanelOptions {
  readonly context: IPanelContext;
  readonly translator: ITranslator;
  /** Fetches the views. */
  readonly load: () => Promise<FillPanel>;
}

/**
 * A button of a section's toolbar. JupyterLab's own is a custom element without a role, on which screen readers need
 * not heed its label, and axe counts that as serious.
 */
class IconButton extends Widget {
  constructor(label: string, icon: LabIcon, onClick: () => void) {
    super({ node: document.createElement('button') });
    this.addClass('jp-nbcontainer-IconButton');
    this.node.setAttribute('type', 'button');
    this.node.setAttribute('aria-label', label);
    this.node.title = label;
    icon.element({ container: this.node, tag: 'span', width: '16px', height: '16px' });
    // The title around it would fold the section.
    this.node.addEventListener('keydown', event => {
      if (event.key === 'Enter' || event.key === ' ') {
        event.stopPropagation();
      }
    });
    this.node.addEventListener('click', event => {
      event.stopPropagation();
      onClick();
    });
  }
}

export class ContainerPanel extends SidePanel {
  constructor(options: IPanelOptions) {
    super({ translator: options.translator });
    const { trans, containers } = options.context;
    this._options = options;
    this.id = PANEL_ID;
    this.addClass('jp-nbcontainer-Panel');
    this.title.icon = containerIcon;
    this.title.caption = trans.__('Containers');
    // JupyterLab 4.6 names a tab by this when the panel is moved to another place.
    this.title.dataset = { ...this.title.dataset, jpTabLabel: trans.__('Containers') };
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Containers'));

    const button = (label: string, icon: LabIcon, onClick: () => Promise<unknown>): Widget =>
      new IconButton(label, icon, () => void onClick().catch(() => undefined));
    this._addSection('images', trans.__('Images')).toolbar.addItem(
      'refresh',
      button(trans.__('Refresh the images'), refreshIcon, () => containers.refreshImages())
    );
    this._addSection('pulls', trans.__('Pulls')).toolbar.addItem(
      'clear',
      button(trans.__('Forget pulls that have ended'), clearIcon, () => this._forget('pull'))
    );
    this._addSection('running', trans.__('Running')).toolbar.addItem(
      'clear',
      button(trans.__('Forget what has ended'), clearIcon, () => this._forget('run'))
    );
    this._share();
  }

  section(name: SectionName): PanelWithToolbar | undefined {
    return this._sections.get(name);
  }

  /** A section that comes and goes: the GPUs. */
  showSection(name: SectionName, title: string, content: Widget): void {
    if (!this._sections.has(name)) {
      this._addSection(name, title).addWidget(content);
    }
  }

  hideSection(name: SectionName): void {
    this._sections.get(name)?.dispose();
    this._sections.delete(name);
  }

  /** Opens a section that is folded. */
  unfold(name: SectionName): void {
    const section = this._sections.get(name);
    const index = section ? this.widgets.indexOf(section) : -1;
    if (index >= 0 && this.content instanceof AccordionPanel) {
      this.content.expand(index);
    }
  }

  /** Above all sections. */
  addBanner(banner: Widget): void {
    (this.layout as PanelLayout).insertWidget(0, banner);
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    if (this.isVisible) {
      void this._fill();
    }
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    void this._fill();
  }

  private _addSection(name: SectionName, title: string): PanelWithToolbar {
    const section = new PanelWithToolbar();
    section.addClass('jp-nbcontainer-Section');
    section.title.label = title;
    section.title.dataset = { nbcontainerSection: name };
    section.toolbar.node.setAttribute('aria-label', title);
    this._sections.set(name, section);
    this.addWidget(section);
    return section;
  }

  /** The sizes of the sections, until the user has pulled them or the page's layout says otherwise. */
  private _share(): void {
    if (this.content instanceof AccordionPanel) {
      this.content.setRelativeSizes([3, 2, 2]);
    }
  }

  /**
   * JupyterLab before 4.6 keeps of a panel that was not in front that all its sections were folded, and folds them when
   * the page is restored: a panel of which nothing is seen.
   */
  private _unfoldAll(): void {
    if (this.widgets.every(section => section.isHidden)) {
      (['images', 'pulls', 'running'] as const).forEach(name => this.unfold(name));
      this._share();
    }
  }

  /** The first time: fetches the views and connects the model, which starts the daemon. */
  private async _fill(): Promise<void> {
    if (this._filled) {
      return;
    }
    this._filled = true;
    this._unfoldAll();
    this._complaint?.dispose();
    const { load, context } = this._options;
    context.containers.connect();
    try {
      const fill = await load();
      if (!this.isDisposed) {
        fill(this, context);
      }
    } catch {
      this._filled = false;
      this._complain(context);
    }
  }

  /** The server does not answer, so that not even the views are there. */
  private _complain({ trans }: IPanelContext): void {
    const text = document.createElement('p');
    text.textContent = trans.__('This panel could not be loaded: the Jupyter server does not answer.');
    const again = document.createElement('button');
    again.className = 'jp-nbcontainer-Button jp-mod-styled jp-mod-minimal';
    again.textContent = trans.__('Try again');
    again.addEventListener('click', () => void this._fill());
    const complaint = new Widget();
    complaint.addClass('jp-nbcontainer-Notice');
    complaint.node.setAttribute('role', 'alert');
    complaint.node.append(text, again);
    this._complaint = complaint;
    this.addBanner(complaint);
  }

  private async _forget(kind: 'pull' | 'run'): Promise<void> {
    const { jobs, shells, client } = this._options.context.containers;
    await Promise.all([
      ...jobs.filter(job => job.kind === kind && job.state !== 'running').map(job => client.removeJob(job.id)),
      ...(kind === 'run' ? shells.filter(shell => shell.state === 'ended').map(one => client.removeShell(one.id)) : [])
    ]);
  }

  private readonly _options: IPanelOptions;
  private readonly _sections = new Map<SectionName, PanelWithToolbar>();
  private _filled = false;
  private _complaint: Widget | undefined;
}
