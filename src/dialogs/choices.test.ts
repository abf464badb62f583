// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from 'vitest';
import { type Choice, readChoices, recall, remember } from './choices.ts';

const choice: Choice = {
  image: 'docker://a',
  command: 'ls',
  binds: [{ source: '/a', destination: '', readOnly: true }],
  variables: [{ name: 'X', value: '1' }],
  gpu: 'on',
  identity: 'root',
  writable: 'memory'
};

test('the last choice of an image is found again, without its folder', () => {
  const older = remember([], { ...choice, command: 'old', folder: '/w' });
  const both = remember(older, { ...choice, image: 'docker://b ', folder: '/w' });
  const choices = remember(both, { ...choice, folder: '/w' });
  expect(choices.map(({ image }) => image)).toEqual(['docker://a', 'docker://b']);
  expect(recall(choices, ' docker://a')).toEqual(choice);
  expect(recall(choices, 'docker://c')).toBeUndefined();
});

test('no secret is kept, and not without end', () => {
  const secret = { ...choice, folder: '', variables: [{ name: 'HF_TOKEN', value: 'x' }, ...choice.variables] };
  expect(remember([], secret)[0]?.variables).toEqual([{ name: 'HF_TOKEN', value: '' }, ...choice.variables]);
  const many = Array.from({ length: 40 }, (_, index) => `i${index}`);
  const kept = many.reduce<readonly Choice[]>((all, image) => remember(all, { ...choice, image, folder: '' }), []);
  expect(kept.length).toBe(30);
  expect(kept[0]?.image).toBe('i39');
});

test.each<[unknown, readonly Choice[]]>([
  [[choice], [choice]],
  [undefined, []],
  ['x', []],
  [[null, { image: '' }, 3], []],
  [
    [{ image: 'a', gpu: 'maybe', binds: [null], variables: 7 }],
    [
      {
        image: 'a',
        command: '',
        binds: [{ source: '', destination: '', readOnly: false }],
        variables: [],
        gpu: 'auto',
        identity: 'auto',
        writable: 'no'
      }
    ]
  ]
])('what is in the database is read with care: %j', (value, expected) => {
  expect(readChoices(value)).toEqual(expected);
});
