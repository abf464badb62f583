// SPDX-License-Identifier: BSD-3-Clause
/** The last choices for each image, as they are kept in JupyterLab's state database. Pure. */
import type { IRunForm } from './run-form.ts';

/** Choices but for the working directory, which follows the file browser. */
export type Choice = Omit<IRunForm, 'folder'>;

/** Newest first. */
export type Choices = readonly Choice[];

const REMEMBERED = 30;
/** The database is a file on the server that others may be able to read. */
const SECRET = /TOKEN|SECRET|PASS|KEY|CREDENTIAL|AUTH/i;

/** Puts a form first in place of an older one for the same image; of secrets only the name is kept. */
export function remember(choices: Choices, form: IRunForm): Choices {
  const image = form.image.trim();
  const variables = form.variables.map(({ name, value }) => ({ name, value: SECRET.test(name) ? '' : value }));
  const { command, binds, gpu, identity, writable } = form;
  return [
    { image, command, binds, variables, gpu, identity, writable },
    ...choices.filter(other => other.image !== image)
  ].slice(0, REMEMBERED);
}

export function recall(choices: Choices, image: string): Choice | undefined {
  return choices.find(choice => choice.image === image.trim());
}

/** What the database holds, as far as it is ours: it may be of another version, or edited. */
export function readChoices(value: unknown): Choices {
  return Array.isArray(value) ? value.map(readChoice).filter(choice => choice !== undefined) : [];
}

function readChoice(value: unknown): Choice | undefined {
  const { image, command, binds, variables, gpu, identity, writable } = record(value);
  if (typeof image !== 'string' || image === '') {
    return undefined;
  }
  return {
    image,
    command: text(command),
    binds: list(binds).map(bind => ({
      source: text(bind.source),
      destination: text(bind.destination),
      readOnly: bind.readOnly === true
    })),
    variables: list(variables).map(variable => ({ name: text(variable.name), value: text(variable.value) })),
    gpu: one(gpu, ['auto', 'on', 'off']),
    identity: one(identity, ['auto', 'user', 'root', 'fakeroot']),
    writable: one(writable, ['no', 'memory'])
  };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function list(value: unknown): Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.map(record) : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function one<T extends string>(value: unknown, known: readonly [T, ...T[]]): T {
  return known.find(item => item === value) ?? known[0];
}
