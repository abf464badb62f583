// SPDX-License-Identifier: BSD-3-Clause
/** The fields of the pull dialog. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { wordsOf } from './run-form.ts';
import { asSource, plainHttpHint } from '../panel/pulls.ts';
import { Check, Choice, TextField } from './fields.tsx';
import { CommandLine } from './command-line.tsx';
import { sourceText } from './problems.ts';
import { type IPullForm, pullOf, sourceProblem } from './sources.ts';

export interface IPullModel {
  form: IPullForm;
  readonly recent: readonly string[];
  /** Directories of the server in which a SIF can be put. */
  readonly directories: readonly string[];
  readonly failure: readonly string[];
  readonly trans: TranslationBundle;
  /** Set by the view. */
  showProblems: () => void;
}

const STORE = '';

export function PullView({ model }: { readonly model: IPullModel }): React.JSX.Element {
  const { directories, failure, recent, trans } = model;
  const [form, setForm] = React.useState(model.form);
  const [asked, setAsked] = React.useState(0);
  const [plainHttp, setPlainHttp] = React.useState<boolean>();
  const root = React.useRef<HTMLDivElement>(null);
  const hint = plainHttpHint(asSource(form.source));
  const unencrypted = hint.possible && (plainHttp ?? (form.plainHttp || hint.likely));
  const whole = { ...form, plainHttp: unencrypted };
  model.form = whole;
  model.showProblems = () => setAsked(asked + 1);
  React.useEffect(() => {
    if (asked > 0) {
      root.current?.querySelector<HTMLElement>('[aria-invalid]')?.focus();
    }
  }, [asked]);
  const problem = sourceProblem(form.source);
  return (
    <div className="jp-nbcontainer-RunForm" ref={root}>
      {failure.length > 0 && (
        <div className="jp-nbcontainer-Failed" role="alert">
          {failure.join(' ')}
        </div>
      )}
      <TextField
        id="jp-nbcontainer-source"
        label={trans.__('Image')}
        placeholder={trans.__('docker://ubuntu:24.04')}
        offered={recent.map(value => ({ value }))}
        value={form.source}
        problem={problem === undefined || asked === 0 ? undefined : sourceText(problem, trans)}
        onChange={source => setForm({ ...form, source })}
        focus
      />
      <Choice
        id="jp-nbcontainer-destination"
        label={trans.__('Destination')}
        help={
          form.directory === undefined
            ? trans.__('The store keeps it until you remove it; nothing appears in your folders.')
            : trans.__('One .sif file that you can copy, and run by a double click.')
        }
        value={form.directory ?? STORE}
        options={[
          [STORE, trans.__('The store')],
          ...directories.map(directory => [directory, trans.__('A .sif file in %1', directory)] as const)
        ]}
        onChange={directory => setForm({ ...form, directory: directory === STORE ? undefined : directory })}
      />
      {form.directory !== undefined && (
        <Check
          id="jp-nbcontainer-force"
          label={trans.__('Overwrite a file of the same name')}
          checked={form.force}
          onChange={force => setForm({ ...form, force })}
        />
      )}
      {hint.possible && (
        <Check
          id="jp-nbcontainer-plain"
          label={trans.__('This registry has no TLS (plain HTTP)')}
          checked={unencrypted}
          onChange={setPlainHttp}
        />
      )}
      <CommandLine
        label={trans.__('This runs:')}
        words={wordsOf(pullOf(form.source.trim() === '' ? { ...whole, source: 'docker://…' } : whole))}
        usable={problem === undefined}
        trans={trans}
      />
    </div>
  );
}
