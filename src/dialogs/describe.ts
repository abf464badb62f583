// SPDX-License-Identifier: BSD-3-Clause
/** What commands say of their arguments, as a JSON schema: other extensions and assistants read it. */
import type { ReadonlyJSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';

/** Arguments that are texts, with what each means. */
export function argsOf(
  texts: Readonly<Record<string, string>>,
  required: readonly string[] = [],
  flags: Readonly<Record<string, string>> = {}
): { args: ReadonlyJSONObject } {
  const described = (type: string, all: Readonly<Record<string, string>>): ReadonlyJSONObject =>
    Object.fromEntries(Object.entries(all).map(([name, description]) => [name, { type, description }]));
  return {
    args: {
      type: 'object',
      properties: { ...described('string', texts), ...described('boolean', flags) },
      required: [...required]
    }
  };
}

export function idOf(args: ReadonlyPartialJSONObject): string {
  return typeof args['id'] === 'string' ? args['id'] : '';
}
