// SPDX-License-Identifier: BSD-3-Clause
/** The lists of the run dialog: folders and files, and variables. */
import { closeIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { FieldNote, noted, PLAIN } from './fields.tsx';
import type { IBindRow, IVariableRow } from './run-form.ts';

interface IRowsProps<T> {
  readonly rows: readonly T[];
  /** What is wrong with a row, in words. */
  readonly problemOf: (row: number) => string | undefined;
  readonly onChange: (rows: readonly T[]) => void;
  readonly trans: TranslationBundle;
}

interface IBindRowsProps extends IRowsProps<IBindRow> {
  /** Opens the file browser; absent where there is none. */
  readonly onPick: ((what: 'folder' | 'file') => void) | undefined;
}

export function BindRows({ rows, problemOf, onChange, onPick, trans }: IBindRowsProps): React.JSX.Element {
  const set = (at: number, change: Partial<IBindRow>): void => onChange(changed(rows, at, change));
  return (
    <fieldset className="jp-nbcontainer-Rows">
      <legend>{trans.__('Folders and files')}</legend>
      {rows.map((bind, at) => {
        const id = `jp-nbcontainer-bind-${at}`;
        const problem = problemOf(at);
        return (
          <div key={at}>
            <div className="jp-nbcontainer-FieldRow jp-nbcontainer-BindRow">
              <input
                {...noted(id, undefined, problem)}
                className="jp-mod-styled jp-nbcontainer-Code"
                aria-label={trans.__('Path on the server')}
                placeholder={trans.__('/path on the server')}
                value={bind.source}
                onChange={event => set(at, { source: event.target.value })}
                {...PLAIN}
              />
              <span aria-hidden="true">→</span>
              <input
                className="jp-mod-styled jp-nbcontainer-Code"
                aria-label={trans.__('Path in the container')}
                placeholder={bind.source === '' ? trans.__('/path in the container') : bind.source}
                value={bind.destination}
                onChange={event => set(at, { destination: event.target.value })}
                {...PLAIN}
              />
              <label className="jp-nbcontainer-Tick">
                <input
                  type="checkbox"
                  checked={bind.readOnly}
                  onChange={event => set(at, { readOnly: event.target.checked })}
                />
                {trans.__('read-only')}
              </label>
              <RemoveButton
                label={trans.__('Remove %1', bind.source)}
                onRemove={() => onChange(rows.filter((_, other) => other !== at))}
              />
            </div>
            <FieldNote id={`${id}-note`} problem={problem} />
          </div>
        );
      })}
      <div className="jp-nbcontainer-AddButtons">
        {onPick && (
          <>
            <AddButton label={trans.__('Add folder…')} onAdd={() => onPick('folder')} />
            <AddButton label={trans.__('Add file…')} onAdd={() => onPick('file')} />
          </>
        )}
        <AddButton
          label={trans.__('Type a path')}
          onAdd={() => {
            onChange([...rows, { source: '', destination: '', readOnly: false }]);
            focusNext(`jp-nbcontainer-bind-${rows.length}`);
          }}
        />
      </div>
    </fieldset>
  );
}

export function VariableRows({ rows, problemOf, onChange, trans }: IRowsProps<IVariableRow>): React.JSX.Element {
  const set = (at: number, change: Partial<IVariableRow>): void => onChange(changed(rows, at, change));
  return (
    <fieldset className="jp-nbcontainer-Rows">
      <legend>{trans.__('Environment variables')}</legend>
      {rows.map((variable, at) => {
        const id = `jp-nbcontainer-variable-${at}`;
        const problem = problemOf(at);
        return (
          <div key={at}>
            <div className="jp-nbcontainer-FieldRow jp-nbcontainer-VariableRow">
              <input
                {...noted(id, undefined, problem)}
                className="jp-mod-styled jp-nbcontainer-Code"
                aria-label={trans.__('Name of the variable')}
                placeholder={trans.__('NAME')}
                value={variable.name}
                onChange={event => set(at, { name: event.target.value.trim() })}
                {...PLAIN}
              />
              <span aria-hidden="true">=</span>
              <input
                className="jp-mod-styled jp-nbcontainer-Code"
                aria-label={trans.__('Value of %1', variable.name)}
                placeholder={trans.__('value')}
                value={variable.value}
                onChange={event => set(at, { value: event.target.value })}
                {...PLAIN}
              />
              <RemoveButton
                label={trans.__('Remove %1', variable.name)}
                onRemove={() => onChange(rows.filter((_, other) => other !== at))}
              />
            </div>
            <FieldNote id={`${id}-note`} problem={problem} />
          </div>
        );
      })}
      <div className="jp-nbcontainer-AddButtons">
        <AddButton
          label={trans.__('Add variable')}
          onAdd={() => {
            onChange([...rows, { name: '', value: '' }]);
            focusNext(`jp-nbcontainer-variable-${rows.length}`);
          }}
        />
      </div>
    </fieldset>
  );
}

function changed<T>(rows: readonly T[], at: number, change: Partial<T>): T[] {
  return rows.map((row, other) => (other === at ? { ...row, ...change } : row));
}

/** Into the row that is about to be drawn. */
function focusNext(id: string): void {
  requestAnimationFrame(() => document.getElementById(id)?.focus());
}

function AddButton({ label, onAdd }: { readonly label: string; readonly onAdd: () => void }): React.JSX.Element {
  return (
    <button type="button" className="jp-nbcontainer-Small" onClick={onAdd}>
      {label}
    </button>
  );
}

interface IRemoveButtonProps {
  readonly label: string;
  readonly onRemove: () => void;
}

function RemoveButton({ label, onRemove }: IRemoveButtonProps): React.JSX.Element {
  return (
    <button type="button" className="jp-nbcontainer-Icon" title={label} aria-label={label} onClick={onRemove}>
      <closeIcon.react tag="span" width="16px" height="16px" aria-hidden="true" />
    </button>
  );
}
