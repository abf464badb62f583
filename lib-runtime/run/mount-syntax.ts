// SPDX-License-Identifier: BSD-3-Clause
/** `--mount type=bind,source=/a,destination=/b,ro`: Apptainer's and Docker's other notation for a bind (CSV). */
import { ContainerError } from '../support/errors.ts';
import { parseCsv } from '../support/csv.ts';
import type { IBind } from './spec.ts';

/**
 * The binds of one `--mount` value; APPTAINER_MOUNT holds several, one a line. A field with a comma is written in
 * double quotes, whole (`"source=/a,b"`).
 *
 * @throws ContainerError `usage` when the text does not follow the grammar, `unsupported` for image-src and id.
 */
export function parseMounts(text: string): IBind[] {
  return text
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(parseMount);
}

function parseMount(line: string): IBind {
  const seen: { type?: string; source?: string; target?: string } = {};
  let readOnly = false;
  const fields = parseCsv(line);
  if (fields === undefined) {
    throw bad(line, 'a double quote is neither around a whole field nor doubled');
  }
  for (const field of fields) {
    const equals = field.indexOf('=');
    const key = equals < 0 ? field : field.slice(0, equals);
    const value = equals < 0 ? '' : field.slice(equals + 1);
    switch (key) {
      case 'type':
        seen.type = value;
        break;
      case 'source':
      case 'src':
        seen.source = value;
        break;
      case 'destination':
      case 'dst':
      case 'target':
        seen.target = value;
        break;
      case 'ro':
      case 'readonly':
        readOnly = isTrue(value, line);
        break;
      case 'image-src':
      case 'id':
        throw new ContainerError({
          code: 'unsupported',
          step: 'bind',
          message: `--mount "${line}" asks for a directory of an image`,
          reason: 'binding from image files is not supported yet',
          fix: 'Unpack the image first and bind its directory'
        });
      default:
        throw bad(line, `"${key}" is no key of a mount`);
    }
  }
  const { type, source, target } = seen;
  if (type !== undefined && type !== 'bind') {
    throw bad(line, `"${type}" is no type that can be mounted, bind is`);
  }
  if (!source || !target) {
    throw bad(line, `a ${source ? 'destination' : 'source'} is missing`);
  }
  if (!target.startsWith('/')) {
    throw bad(line, `the destination "${target}" is not absolute`);
  }
  return { source, target, readOnly };
}

function isTrue(value: string, line: string): boolean {
  if (['', '1', 'true'].includes(value)) {
    return true;
  }
  if (['0', 'false'].includes(value)) {
    return false;
  }
  throw bad(line, `"ro=${value}" is neither true nor false`);
}

function bad(text: string, reason: string): ContainerError {
  return new ContainerError({
    code: 'usage',
    step: 'bind',
    message: `--mount "${text}" is not understood`,
    reason,
    fix: 'Write --mount type=bind,source=/host/path,destination=/container/path,ro'
  });
}
