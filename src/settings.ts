// SPDX-License-Identifier: BSD-3-Clause
/** The user's settings, for every plugin: schema/settings.json is what they see, this is what the code sees. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { type PartialJSONValue, Token } from '@lumino/coreutils';
import { type ISignal, Signal } from '@lumino/signaling';
import { DEFAULT_SETTINGS, type ISettingValues, readSettings } from './setting-values.ts';

export { DEFAULT_SETTINGS, type ISettingValues, type RendererChoice } from './setting-values.ts';

/** What the settings are now. Without a settings registry they stay as they are by default. */
export interface ISettings {
  readonly values: ISettingValues;
  /** Settles when the user's own values are there; views that do not wait show the defaults first. */
  readonly ready: Promise<void>;
  readonly changed: ISignal<ISettings, ISettingValues>;
  /** Changes one of the user's settings, as their page does ("do not ask again"); rejects where it cannot be kept. */
  set<N extends keyof ISettingValues>(name: N, value: ISettingValues[N]): Promise<void>;
}

export const ISettings = new Token<ISettings>('nbcontainer:ISettings', 'The settings of the container extension.');

class Settings implements ISettings {
  readonly ready: Promise<void>;

  constructor(registry: ISettingRegistry | null, pluginId: string) {
    this.ready = registry === null ? Promise.resolve() : this._load(registry, pluginId);
  }

  get values(): ISettingValues {
    return this._values;
  }

  get changed(): ISignal<ISettings, ISettingValues> {
    return this._changed;
  }

  async set<N extends keyof ISettingValues>(name: N, value: ISettingValues[N]): Promise<void> {
    await this.ready;
    this._values = { ...this._values, [name]: value };
    this._changed.emit(this._values);
    await this._loaded?.set(name, value as PartialJSONValue);
  }

  private async _load(registry: ISettingRegistry, pluginId: string): Promise<void> {
    let loaded: ISettingRegistry.ISettings;
    try {
      loaded = await registry.load(pluginId);
    } catch {
      // The settings service does not answer or is switched off: the defaults are as good as any.
      return;
    }
    this._loaded = loaded;
    this._read(loaded);
    loaded.changed.connect(this._read, this);
  }

  private _read(loaded: ISettingRegistry.ISettings): void {
    this._values = readSettings(loaded.composite as Record<string, unknown>);
    this._changed.emit(this._values);
  }

  private _loaded: ISettingRegistry.ISettings | undefined;
  private _values = DEFAULT_SETTINGS;
  private readonly _changed = new Signal<ISettings, ISettingValues>(this);
}

const PLUGIN_ID = 'nbcontainer:settings';

export const settingsPlugin: JupyterFrontEndPlugin<ISettings> = {
  id: PLUGIN_ID,
  description: 'The settings of the container extension.',
  autoStart: true,
  provides: ISettings,
  optional: [ISettingRegistry],
  activate: (_app: JupyterFrontEnd, registry: ISettingRegistry | null) => new Settings(registry, PLUGIN_ID)
};
