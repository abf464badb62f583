// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quoteLine } from '../../lib-runtime/api/command-line.ts';
import type { NewJob } from '../../lib-runtime/api/schema.ts';
import { jobOfLine } from './job-of-line.ts';
import { wordsOf } from './run-form.ts';

const text = fc.string({ unit: 'grapheme' });
const word = text.filter(value => value !== '' && !value.startsWith('-'));
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
const options = fc.record({
  binds: optional(fc.array(word, { minLength: 1 })),
  env: optional(
    fc.dictionary(fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,5}$/), text, { minKeys: 1, noNullPrototype: true })
  ),
  nv: optional(fc.constant(true)),
  contain: optional(fc.constant(true)),
  cleanenv: optional(fc.constant(true)),
  writableTmpfs: optional(fc.constant(true)),
  as: optional(fc.constantFrom('user', 'root', 'fakeroot')),
  pwd: optional(word)
});
const run = fc.record({ kind: fc.constant('run'), image: word, command: fc.array(text), options });
const pull = fc.record({
  kind: fc.constant('pull'),
  source: word,
  directory: optional(word.map(value => `/${value}`)),
  force: optional(fc.constant(true)),
  plainHttp: optional(fc.constant(true))
});

test('every job is found again in its line', () => {
  fc.assert(
    fc.property(fc.oneof(run, pull), made => {
      const job = JSON.parse(JSON.stringify(made)) as NewJob;
      const { options: given, ...rest } = job as NewJob & { options?: object };
      const plain = given && Object.keys(given).length > 0 ? job : rest;
      expect(jobOfLine(quoteLine(wordsOf(job)))).toEqual(plain);
    })
  );
});

test.each([
  '',
  'nbcontainer',
  'nbcontainer shell a',
  'nbcontainer run --new-flag a',
  'nbcontainer run',
  "nbcontainer run 'a"
])('nothing is made of %j', line => {
  expect(jobOfLine(line)).toBeUndefined();
});
