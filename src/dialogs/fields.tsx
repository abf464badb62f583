// SPDX-License-Identifier: BSD-3-Clause
/** Native fields with their labels, help and problems. */
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';

interface IFieldProps {
  readonly id: string;
  readonly label: string;
  readonly help?: string | undefined;
  readonly problem?: string | undefined;
  readonly children: React.ReactNode;
}

/** Label, field, and below it what is wrong with it, or else what it means. */
export function Field({ id, label, help, problem, children }: IFieldProps): React.JSX.Element {
  return (
    <div className="jp-nbcontainer-Field">
      <label htmlFor={id}>{label}</label>
      {children}
      <FieldNote id={`${id}-note`} help={help} problem={problem} />
    </div>
  );
}

interface IFieldNoteProps {
  readonly id: string;
  readonly help?: string | undefined;
  readonly problem: string | undefined;
}

export function FieldNote({ id, help, problem }: IFieldNoteProps): React.JSX.Element | null {
  if (problem === undefined && help === undefined) {
    return null;
  }
  const isProblem = problem !== undefined;
  return (
    <div id={id} className={isProblem ? 'jp-nbcontainer-FieldProblem' : 'jp-nbcontainer-FieldHelp'}>
      {problem ?? help}
    </div>
  );
}

interface ITextFieldProps extends Omit<IFieldProps, 'children'> {
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly onDone?: () => void;
  readonly placeholder?: string;
  /** Values to choose from, with a word for each where that says more. */
  readonly offered?: readonly { readonly value: string; readonly label?: string }[];
  readonly code?: boolean;
  readonly focus?: boolean;
}

/** A line of text, with a list of values to pick from where `offered` is given. */
export function TextField(props: ITextFieldProps): React.JSX.Element {
  const { id, label, help, problem, value, onChange, onDone, placeholder, offered, code, focus } = props;
  const input = React.useRef<HTMLInputElement>(null);
  React.useEffect(() => {
    if (focus === true) {
      input.current?.focus();
      input.current?.select();
    }
  }, [focus]);
  return (
    <Field id={id} label={label} help={help} problem={problem}>
      <input
        {...noted(id, help, problem)}
        ref={input}
        className={`jp-mod-styled${code === true ? ' jp-nbcontainer-Code' : ''}`}
        list={offered && `${id}-offered`}
        value={value}
        placeholder={placeholder}
        onChange={event => onChange(event.target.value)}
        onBlur={onDone}
        {...PLAIN}
      />
      {offered && (
        <datalist id={`${id}-offered`}>
          {offered.map(option => (
            <option key={option.value} value={option.value} label={option.label} />
          ))}
        </datalist>
      )}
    </Field>
  );
}

/** Paths and commands are no prose. */
export const PLAIN = { type: 'text', spellCheck: false, autoComplete: 'off', autoCapitalize: 'off' } as const;

/** Ties a field to what is said below it. */
export function noted(id: string, help: string | undefined, problem: string | undefined): INoted {
  return {
    id,
    ...((problem ?? help) !== undefined && { 'aria-describedby': `${id}-note` }),
    ...(problem !== undefined && { 'aria-invalid': true as const })
  };
}

interface INoted {
  readonly id: string;
  readonly 'aria-describedby'?: string;
  readonly 'aria-invalid'?: true;
}

interface IChoiceProps<T extends string> extends Omit<IFieldProps, 'children'> {
  readonly value: T;
  readonly options: readonly (readonly [T, string])[];
  readonly onChange: (value: T) => void;
}

/** One of a few. */
export function Choice<T extends string>(props: IChoiceProps<T>): React.JSX.Element {
  const { id, label, help, problem, value, options, onChange } = props;
  return (
    <Field id={id} label={label} help={help} problem={problem}>
      <HTMLSelect
        {...noted(id, help, problem)}
        className="jp-nbcontainer-Choice"
        value={value}
        onChange={event => {
          const chosen = options.find(([name]) => name === event.target.value);
          if (chosen) {
            onChange(chosen[0]);
          }
        }}
      >
        {options.map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </HTMLSelect>
    </Field>
  );
}

interface ICheckProps {
  readonly id: string;
  readonly label: string;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
}

export function Check({ id, label, checked, onChange }: ICheckProps): React.JSX.Element {
  return (
    <label className="jp-nbcontainer-Tick" htmlFor={id}>
      <input id={id} type="checkbox" checked={checked} onChange={event => onChange(event.target.checked)} />
      {label}
    </label>
  );
}
