// SPDX-License-Identifier: BSD-3-Clause
/** `--bind src[:dst[:opts]]`, several apart by commas, as Apptainer reads it; `\:` and `\,` stand for themselves. */
import { ContainerError } from '../support/errors.ts';
import type { IBind } from './spec.ts';

const OPTION = /^(ro|rw|nonested|image-src=.*|id=.*)$/;

/**
 * The binds of one `--bind` value. A source may be relative (the planner takes it from the working directory, and a
 * target left out is then that same directory); a target that is given is absolute.
 *
 * @throws ContainerError `usage` when the text does not follow the grammar, `unsupported` for image-src and id.
 */
export function parseBinds(text: string): IBind[] {
  const binds: IBind[] = [];
  let options: string[] | undefined;
  const close = (): void => {
    const bind = binds.pop();
    if (bind !== undefined && options !== undefined) {
      binds.push({ ...bind, readOnly: readOnlyOf(options, text) });
    } else if (bind !== undefined) {
      binds.push(bind);
    }
  };
  for (const item of splitUnescaped(text, ',')) {
    if (options !== undefined && OPTION.test(item.trim())) {
      options.push(item);
      continue;
    }
    close();
    options = undefined;
    if (item === '') {
      continue;
    }
    const [source = '', target, flags, ...rest] = splitUnescaped(item, ':');
    if (source === '' || rest.length > 0) {
      throw bad(text, source === '' ? 'a source is missing' : `"${item}" has more than three parts`);
    }
    if (target !== undefined && target !== '' && !target.startsWith('/')) {
      throw bad(text, `the path inside the container, "${target}", is not absolute`);
    }
    options = flags === undefined ? undefined : [flags];
    const from = unescape(source);
    binds.push({ source: from, target: target ? unescape(target) : from, readOnly: false });
  }
  close();
  return binds;
}

function readOnlyOf(options: readonly string[], text: string): boolean {
  let readOnly = false;
  for (const option of options.map(text => text.trim())) {
    if (/^(image-src|id)=/.test(option)) {
      throw new ContainerError({
        code: 'unsupported',
        step: 'bind',
        message: `--bind "${text}" asks for a directory of an image`,
        reason: 'binding from image files is not supported yet',
        fix: 'Unpack the image first and bind its directory'
      });
    }
    if (option !== '' && !OPTION.test(option)) {
      throw bad(text, `"${option}" is no option; ro and rw are`);
    }
    // As in Apptainer, whatever comes after it.
    readOnly ||= option === 'ro';
  }
  return readOnly;
}

function splitUnescaped(text: string, separator: string): string[] {
  const parts = [''];
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index] ?? '';
    if (char === '\\' && index + 1 < text.length) {
      parts[parts.length - 1] += char + (text[index + 1] ?? '');
      index += 1;
    } else if (char === separator) {
      parts.push('');
    } else {
      parts[parts.length - 1] += char;
    }
  }
  return parts;
}

function unescape(text: string): string {
  return text.replace(/\\([:,\\])/g, '$1');
}

function bad(text: string, reason: string): ContainerError {
  return new ContainerError({
    code: 'usage',
    step: 'bind',
    message: `--bind "${text}" is not understood`,
    reason,
    fix: 'Write --bind /host/path or --bind /host/path:/container/path:ro'
  });
}
