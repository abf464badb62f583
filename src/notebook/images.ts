// SPDX-License-Identifier: BSD-3-Clause
/** The image of each open notebook: read from its metadata, changed by the user, looked at with suspicion. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IStateDB } from '@jupyterlab/statedb';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import type { RunOptions } from '../../lib-runtime/api/schema.ts';
import type { ISettings } from '../settings.ts';
import type { IContainers } from '../tokens.ts';
import {
  acceptLine,
  digestOf,
  type INotebookChoice,
  METADATA_KEY,
  mustAsk,
  readChoice,
  wantsMore,
  withSettings,
  writeChoice
} from './choice.ts';
import { execLine } from './exec-line.ts';

/** Lines that the user agreed to, in JupyterLab's state database. */
const ACCEPTED = 'nbcontainer:accepted-lines';

/** Milliseconds to find out whether there is a GPU. */
const GPU_PATIENCE = 5000;

export interface INotebookImagesOptions {
  readonly containers: IContainers;
  readonly settings: ISettings;
  readonly state: IStateDB | null;
  readonly trans: TranslationBundle;
}

export class NotebookImages {
  constructor(options: INotebookImagesOptions) {
    this._options = options;
  }

  /** Remembers whether a notebook is trusted as it is opened: every run makes its cell so. */
  watch(panel: NotebookPanel): void {
    void panel.context.ready.then(() => {
      const cells = panel.isDisposed ? [] : panel.content.widgets;
      const code = cells.filter((cell): cell is CodeCell => cell instanceof CodeCell);
      this._trusted.set(
        panel,
        code.every(cell => cell.model.trusted)
      );
    });
  }

  choice(panel: NotebookPanel | null): INotebookChoice | undefined {
    return readChoice(panel?.content.model?.getMetadata(METADATA_KEY));
  }

  /** What the user has chosen now; it will not be asked for. */
  async choose(panel: NotebookPanel, image: string): Promise<void> {
    const before = this.choice(panel);
    const options =
      before?.image === image ? before.options : { ...(before?.options.nv !== undefined && { nv: before.options.nv }) };
    const digest = digestOf(image, this._options.containers.images);
    this._write(panel, { image, options, ...(digest !== undefined && { digest }) });
    if (!wantsMore(options)) {
      await this.accept(execLine(image, await this.effective(options)));
    }
  }

  /** What a notebook that says nothing of it gets, as far as it is known. */
  get gpuByDefault(): boolean {
    const { gpu } = this._options.settings.values;
    return gpu === 'auto' ? this._gpuFound : gpu === 'on';
  }

  setGpu(panel: NotebookPanel, nv: boolean): void {
    const choice = this.choice(panel);
    if (choice) {
      this._write(panel, { ...choice, options: { ...choice.options, nv } });
    }
  }

  forget(panel: NotebookPanel): void {
    panel.content.model?.deleteMetadata(METADATA_KEY);
  }

  /** After a run: a reference that was fetched by it has a digest now. */
  async recordDigest(panel: NotebookPanel): Promise<void> {
    const choice = this.choice(panel);
    const { containers } = this._options;
    if (!choice || choice.digest !== undefined || !/^docker:/i.test(choice.image)) {
      return;
    }
    if (digestOf(choice.image, containers.images) === undefined) {
      // The kernel fetched it, and not the daemon, who therefore told nobody.
      await containers.refreshImages();
    }
    const digest = digestOf(choice.image, containers.images);
    const now = panel.isDisposed ? undefined : this.choice(panel);
    if (digest !== undefined && now?.image === choice.image) {
      this._write(panel, { ...now, digest });
    }
  }

  /** Options with the user's settings below them. */
  async effective(options: RunOptions): Promise<RunOptions> {
    const { settings } = this._options;
    await settings.ready;
    const matters = options.nv === undefined && settings.values.gpu === 'auto';
    return withSettings(options, settings.values, matters && (await this._hasGpu()));
  }

  /** Shows the line and asks, when the notebook's wishes are not known to be the user's own. False: not to be run. */
  async isAgreed(panel: NotebookPanel, choice: INotebookChoice, line: string): Promise<boolean> {
    const { trans } = this._options;
    const trusted = this._trusted.get(panel) ?? false;
    const accepted = acceptLine(await this._stored());
    if (!mustAsk({ trusted, options: choice.options, line, accepted })) {
      return true;
    }
    const body = new Widget();
    body.addClass('jp-nbcontainer-Agreement');
    const text = document.createElement('p');
    text.textContent = trusted
      ? trans.__('This notebook wants more than its image. Its cells would be run with this line:')
      : trans.__('This notebook may come from somebody else. Its cells would be run with this line:');
    const code = document.createElement('pre');
    code.textContent = line;
    body.node.append(text, code);
    const result = await showDialog({
      title: trans.__('Run in this container?'),
      body,
      buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Run') })],
      defaultButton: 0
    });
    if (result.button.accept) {
      await this.accept(line);
    }
    return result.button.accept;
  }

  async accept(line: string): Promise<void> {
    // Without a database it is asked for again in the next page.
    this._lines = acceptLine(await this._stored(), line);
    await this._options.state?.save(ACCEPTED, this._lines);
  }

  private async _stored(): Promise<unknown> {
    return this._lines ?? this._options.state?.fetch(ACCEPTED);
  }

  private _write(panel: NotebookPanel, choice: INotebookChoice): void {
    panel.content.model?.setMetadata(METADATA_KEY, writeChoice(choice));
  }

  /** Asked once a page. A machine whose daemon does not answer has none. */
  private async _hasGpu(): Promise<boolean> {
    this._gpu ??= Promise.race([
      this._options.containers.client.gpus().then(
        ({ gpus }) => (this._gpuFound = gpus.length > 0),
        () => false
      ),
      // A driver that hangs is none that a cell could use.
      new Promise<boolean>(resolve => setTimeout(() => resolve(false), GPU_PATIENCE))
    ]);
    return this._gpu;
  }

  private readonly _options: INotebookImagesOptions;
  private readonly _trusted = new WeakMap<NotebookPanel, boolean>();
  private _lines: string[] | undefined;
  private _gpuFound = false;
  private _gpu: Promise<boolean> | undefined;
}
