// SPDX-License-Identifier: BSD-3-Clause
/** From the line of a job back to the job, to start it again: the other way round of jobWords(). Pure. */
import type { NewJob, RunOptions } from '../../lib-runtime/api/schema.ts';
import { splitWords } from './words.ts';

type Reader = (options: RunOptions, value: string) => RunOptions | undefined;

const VALUES: Readonly<Record<string, Reader>> = {
  bind: (options, value) => ({ ...options, binds: [...(options.binds ?? []), value] }),
  env: (options, value) => {
    const at = value.indexOf('=');
    return at < 1 ? undefined : { ...options, env: { ...options.env, [value.slice(0, at)]: value.slice(at + 1) } };
  },
  as: (options, value) =>
    value === 'user' || value === 'root' || value === 'fakeroot' ? { ...options, as: value } : undefined,
  pwd: (options, value) => ({ ...options, pwd: value })
};

const FLAGS: Readonly<Record<string, RunOptions>> = {
  '--nv': { nv: true },
  '--cleanenv': { cleanenv: true },
  '--contain': { contain: true },
  '--writable-tmpfs': { writableTmpfs: true }
};

/** @returns undefined for a line that jobWords() does not write */
export function jobOfLine(line: string): NewJob | undefined {
  const split = splitWords(line);
  if ('problem' in split || split.words[0] !== 'nbcontainer') {
    return undefined;
  }
  const [, action, ...rest] = split.words;
  return action === 'pull' ? pullOf(rest) : action === 'exec' || action === 'run' ? runOf(rest) : undefined;
}

function pullOf(words: readonly string[]): NewJob | undefined {
  const left = [...words];
  const source = left.pop();
  let job: NewJob | undefined = source === undefined ? undefined : { kind: 'pull', source };
  while (left.length > 0 && job !== undefined) {
    const word = left.shift();
    if (word === '--dir') {
      const directory = left.shift();
      job = directory === undefined ? undefined : { ...job, directory };
    } else {
      job =
        word === '--force' ? { ...job, force: true } : word === '--no-https' ? { ...job, plainHttp: true } : undefined;
    }
  }
  return job;
}

function runOf(words: readonly string[]): NewJob | undefined {
  const at = words.findIndex(word => !word.startsWith('--'));
  const image = words[at];
  let options: RunOptions | undefined = {};
  for (const word of words.slice(0, Math.max(at, 0))) {
    const [, name = '', value = ''] = /^--([a-z]+)=(.*)$/s.exec(word) ?? [];
    const flag = FLAGS[word];
    options = flag ? { ...options, ...flag } : VALUES[name]?.(options, value);
    if (options === undefined) {
      return undefined;
    }
  }
  return image === undefined
    ? undefined
    : {
        kind: 'run',
        image,
        command: words.slice(at + 1),
        ...(Object.keys(options).length > 0 && { options })
      };
}
