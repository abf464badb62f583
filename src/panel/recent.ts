// SPDX-License-Identifier: BSD-3-Clause
import type { IStateDB } from '@jupyterlab/statedb';
import type { IRecent } from './context.ts';

/** References that a box offers, at most. */
const RECENT = 12;

const KEY = 'nbcontainer:recent-references';

/** The list with one more at its head, each only once. */
export function remember(recent: readonly string[], source: string): string[] {
  return [source, ...recent.filter(other => other !== source)].slice(0, RECENT);
}

/** What IStateDB gave back, whatever it was. */
export function readRecent(value: unknown): string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  return list.filter((one): one is string => typeof one === 'string' && one !== '').slice(0, RECENT);
}

/** The references that were pulled before, in JupyterLab's state; without one they live as long as the page. */
export class Recent implements IRecent {
  constructor(state: IStateDB | null) {
    this._state = state;
  }

  async list(): Promise<readonly string[]> {
    try {
      this._known = this._state ? readRecent(await this._state.fetch(KEY)) : this._known;
    } catch {
      // What cannot be fetched is as good as forgotten.
    }
    return this._known;
  }

  async add(source: string): Promise<void> {
    this._known = remember(await this.list(), source);
    await this._state?.save(KEY, [...this._known]).catch(() => undefined);
  }

  private readonly _state: IStateDB | null;
  private _known: readonly string[] = [];
}
