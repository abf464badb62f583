// SPDX-License-Identifier: BSD-3-Clause
/** The fields of the run dialog, and the line that they make. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { GpuStatus } from '../../lib-runtime/api/schema.ts';
import { type Choices, recall } from './choices.ts';
import { CommandLine } from './command-line.tsx';
import { Choice, TextField } from './fields.tsx';
import { fieldText } from './problems.ts';
import { type FormField, type IRunForm, jobOf, problemsOf, wordsOf } from './run-form.ts';
import { BindRows, VariableRows } from './run-rows.tsx';
import { looksLikeShell, splitWords } from './words.ts';

/** What the form is shown with, and what it tells back. */
export interface IRunFormModel {
  form: IRunForm;
  /** Whether the machine has a GPU, as far as is known; decides what "automatic" is. */
  gpuFound: boolean;
  /** Why the last try did not start, in sentences. */
  readonly failure: readonly string[];
  /** Names of the store. */
  readonly images: readonly { readonly value: string; readonly label?: string }[];
  readonly choices: Choices;
  /** Where the caret is put first. */
  readonly focus: 'image' | 'command' | 'binds';
  readonly trans: TranslationBundle;
  gpus(): Promise<GpuStatus>;
  /** Absent where there is no file browser. */
  readonly onPick: ((what: 'folder' | 'file') => void) | undefined;
  /** Set by the view: shows what is wrong and puts the caret there. */
  showProblems: () => void;
}

type Pointer = { readonly field: FormField; readonly row?: number };

export function RunFormView({ model }: { readonly model: IRunFormModel }): React.JSX.Element {
  const { trans, choices } = model;
  const [form, setForm] = React.useState(model.form);
  const [asked, setAsked] = React.useState(0);
  const [touched, setTouched] = React.useState(false);
  const gpu = useGpus(model);
  const root = React.useRef<HTMLDivElement>(null);
  // The dialog's buttons look at the model, whenever they are pressed.
  model.form = form;
  model.gpuFound = gpu.found;
  model.showProblems = () => setAsked(asked + 1);
  React.useEffect(() => {
    if (asked > 0) {
      root.current?.querySelector<HTMLElement>('[aria-invalid]')?.focus();
    }
  }, [asked]);
  React.useEffect(() => {
    if (model.focus === 'binds') {
      root.current?.querySelector<HTMLElement>('.jp-nbcontainer-BindRow:last-of-type input')?.focus();
    }
  }, [model]);

  const set = (change: Partial<IRunForm>): void => {
    setTouched(true);
    setForm({ ...form, ...change });
  };
  const problems = problemsOf(form);
  const noteOf = ({ field, row }: Pointer): string | undefined => {
    const found = problems.find(problem => problem.field === field && problem.row === row)?.problem;
    // A field that nobody has filled in yet is not wrong; a quote that will be closed is neither.
    return found === undefined || asked === 0 ? undefined : fieldText(found, trans);
  };
  const takeChoices = (): void => {
    const known = touched ? undefined : recall(choices, form.image);
    if (known) {
      setForm({ ...form, ...known });
    }
  };
  const split = splitWords(form.command);
  const needsShell = 'words' in split && looksLikeShell(split.words);

  return (
    <div className="jp-nbcontainer-RunForm" ref={root}>
      {model.failure.length > 0 && (
        <div className="jp-nbcontainer-Failed" role="alert">
          {model.failure.join(' ')}
        </div>
      )}
      <TextField
        id="jp-nbcontainer-image"
        label={trans.__('Image')}
        placeholder={trans.__('docker://ubuntu:24.04, or a .sif file')}
        offered={model.images}
        value={form.image}
        problem={noteOf({ field: 'image' })}
        focus={model.focus === 'image'}
        // The image alone does not count as touched: choosing one brings its last choices.
        onChange={image => setForm({ ...form, image })}
        onDone={takeChoices}
      />
      <TextField
        id="jp-nbcontainer-command"
        label={trans.__('Command')}
        placeholder={trans.__('Empty: the program that the image names')}
        help={
          needsShell
            ? trans.__("No shell reads this line: for |, >, && or NAME=value, write sh -c '…'.")
            : trans.__('Words as in a terminal, with quotes; $, * and | are ordinary characters.')
        }
        value={form.command}
        problem={noteOf({ field: 'command' })}
        focus={model.focus === 'command'}
        onChange={command => set({ command })}
        code
      />
      <TextField
        id="jp-nbcontainer-folder"
        label={trans.__('Working directory')}
        placeholder={trans.__('Empty: your home directory')}
        value={form.folder}
        problem={noteOf({ field: 'folder' })}
        onChange={folder => setForm({ ...form, folder })}
        code
      />
      <BindRows
        rows={form.binds}
        problemOf={row => noteOf({ field: 'binds', row })}
        onChange={binds => set({ binds })}
        onPick={model.onPick}
        trans={trans}
      />
      <VariableRows
        rows={form.variables}
        problemOf={row => noteOf({ field: 'variables', row })}
        onChange={variables => set({ variables })}
        trans={trans}
      />
      <div className="jp-nbcontainer-Columns">
        <Choice
          id="jp-nbcontainer-gpu"
          label={trans.__('GPU')}
          help={gpu.help}
          value={form.gpu}
          options={[
            ['auto', trans.__('Automatic')],
            ['on', trans.__('On')],
            ['off', trans.__('Off')]
          ]}
          onChange={value => set({ gpu: value })}
        />
        <Choice
          id="jp-nbcontainer-identity"
          label={trans.__('Who you are inside')}
          value={form.identity}
          options={[
            ['auto', trans.__('Automatic')],
            ['user', trans.__('Yourself')],
            ['root', trans.__("The machine's root")],
            ['fakeroot', trans.__('Root inside only (fakeroot)')]
          ]}
          onChange={value => set({ identity: value })}
        />
        <Choice
          id="jp-nbcontainer-writable"
          label={trans.__('Writable')}
          value={form.writable}
          options={[
            ['no', trans.__('No')],
            ['memory', trans.__('In memory, lost at the end')]
          ]}
          onChange={value => set({ writable: value })}
        />
      </div>
      <CommandLine
        label={trans.__('This runs:')}
        words={wordsOf(jobOf(form.image.trim() === '' ? { ...form, image: '…' } : form, gpu.found))}
        usable={problems.length === 0}
        trans={trans}
      />
    </div>
  );
}

interface IGpuKnowledge {
  readonly found: boolean;
  /** What there is. */
  readonly help: string | undefined;
}

function useGpus(model: IRunFormModel): IGpuKnowledge {
  const { trans } = model;
  const [status, setStatus] = React.useState<GpuStatus>();
  React.useEffect(() => {
    let there = true;
    model.gpus().then(
      answer => there && setStatus(answer),
      // Unknown counts as none; starting will tell if the daemon is away.
      () => undefined
    );
    return () => {
      there = false;
    };
  }, [model]);
  if (status === undefined) {
    return { found: model.gpuFound, help: undefined };
  }
  const names = [...new Set(status.gpus.map(gpu => gpu.name))];
  return { found: names.length > 0, help: names.length > 0 ? names.join(', ') : trans.__('This machine has none.') };
}
