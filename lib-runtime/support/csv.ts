// SPDX-License-Identifier: BSD-3-Clause
/** CSV, as pflag and Apptainer use it for values of flags. */
import { ContainerError } from './errors.ts';

/**
 * One line of CSV (RFC 4180): fields apart by commas, double quotes around a field, two for one inside. Undefined for a
 * quote where none may be, as in Go's encoding/csv.
 */
export function parseCsv(line: string): string[] | undefined {
  const fields: string[] = [];
  let rest = line;
  for (;;) {
    const quoted = /^"((?:[^"]|"")*)"(,|$)/.exec(rest);
    const plain = /^([^",]*)(,|$)/.exec(rest);
    const found = quoted ?? plain;
    if (found === null) {
      return undefined;
    }
    const [whole, field = '', end] = found;
    fields.push(quoted === null ? field : field.replaceAll('""', '"'));
    if (end === '') {
      return fields;
    }
    rest = rest.slice(whole.length);
  }
}

/** @throws ContainerError `usage` where parseCsv has no fields. */
export function splitCsv(line: string): string[] {
  const fields = parseCsv(line);
  if (fields === undefined) {
    throw new ContainerError({
      code: 'usage',
      step: 'flag',
      message: `the list ${line} is not understood`,
      reason: 'a double quote is neither around a whole item nor doubled',
      fix: 'Write "one,item",another'
    });
  }
  return fields;
}
