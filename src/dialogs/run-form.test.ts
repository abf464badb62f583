// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, test } from 'vitest';
import { quoteLine } from '../../lib-runtime/api/command-line.ts';
import { newJobSchema } from '../../lib-runtime/api/schema.ts';
import { bindRow, bindText, type IRunForm, jobOf, wordsOf, problemsOf, resolvedImage } from './run-form.ts';

const empty: IRunForm = {
  image: 'docker://alpine',
  command: '',
  folder: '',
  binds: [],
  variables: [],
  gpu: 'auto',
  identity: 'auto',
  writable: 'no'
};
const bind = (source: string, destination = '', readOnly = false): IRunForm['binds'][number] => ({
  source,
  destination,
  readOnly
});

describe('lines', () => {
  test.each<[string, Partial<IRunForm>, boolean, string]>([
    ["the image's own program", {}, false, 'nbcontainer run docker://alpine'],
    ['a command', { command: `echo "a b" '$X'` }, false, "nbcontainer exec docker://alpine echo 'a b' '$X'"],
    ['a GPU that is there', {}, true, 'nbcontainer run --nv docker://alpine'],
    ['a GPU that is not', { gpu: 'on' }, false, 'nbcontainer run --nv docker://alpine'],
    ['no GPU', { gpu: 'off' }, true, 'nbcontainer run docker://alpine'],
    [
      'identity, writable',
      { identity: 'fakeroot', writable: 'memory' },
      false,
      'nbcontainer run --as=fakeroot --writable-tmpfs docker://alpine'
    ],
    [
      'folder and binds',
      { folder: '/home/me/w', binds: [bind('/data', '/d', true), bind('', '')] },
      false,
      'nbcontainer run --bind=/home/me/w --bind=/data:/d:ro --pwd=/home/me/w docker://alpine'
    ],
    [
      'a folder that is bound by hand',
      { folder: '/w', binds: [bind('/data', '/w')] },
      false,
      'nbcontainer run --bind=/data:/w --pwd=/w docker://alpine'
    ],
    ["a folder of the image's", { folder: '/usr' }, false, 'nbcontainer run --pwd=/usr docker://alpine'],
    [
      'variables',
      {
        variables: [
          { name: 'A', value: "it's" },
          { name: '', value: '' },
          { name: 'B', value: '' }
        ]
      },
      false,
      "nbcontainer run '--env=A=it'\\''s' --env=B= docker://alpine"
    ],
    ['a file', { image: ' a b.sif ', folder: '/w' }, false, "nbcontainer run --bind=/w --pwd=/w '/w/a b.sif'"]
  ])('%s', (_what, change, gpu, expected) => {
    const form = { ...empty, ...change };
    expect(problemsOf(form)).toEqual([]);
    const job = jobOf(form, gpu);
    expect(quoteLine(wordsOf(job))).toBe(expected);
    expect(newJobSchema.parse(job)).toEqual(job);
  });
});

describe('problems', () => {
  test.each<[Partial<IRunForm>, unknown[]]>([
    [{ image: ' ' }, [{ field: 'image', problem: 'image-missing' }]],
    [{ image: '-x' }, [{ field: 'image', problem: 'image-dash' }]],
    [{ command: "it's" }, [{ field: 'command', problem: 'open-quote' }]],
    [{ command: 'a\0b' }, [{ field: 'command', problem: 'nul' }]],
    [{ folder: 'here' }, [{ field: 'folder', problem: 'absolute' }]],
    [{ binds: [bind('', '/x')] }, [{ field: 'binds', row: 0, problem: 'source-missing' }]],
    [{ binds: [bind('a')] }, [{ field: 'binds', row: 0, problem: 'absolute' }]],
    [{ binds: [bind('/a', 'b')] }, [{ field: 'binds', row: 0, problem: 'absolute' }]],
    [{ binds: [bind('/a'), bind('/b', '/a')] }, [{ field: 'binds', row: 1, problem: 'destination-twice' }]],
    [{ binds: [bind('', ''), bind('', '')] }, []],
    [{ variables: [{ name: '1A', value: '' }] }, [{ field: 'variables', row: 0, problem: 'variable-name' }]],
    [{ variables: [{ name: '', value: 'x' }] }, [{ field: 'variables', row: 0, problem: 'variable-name' }]],
    [
      {
        variables: [
          { name: 'A', value: '' },
          { name: 'A', value: '1' }
        ]
      },
      [{ field: 'variables', row: 1, problem: 'variable-twice' }]
    ]
  ])('%j', (change, expected) => {
    expect(problemsOf({ ...empty, ...change })).toEqual(expected);
  });
});

test.each([
  ['a.sif', '/w/', '/w/a.sif'],
  ['images/a.SIF', '/w', '/w/images/a.SIF'],
  ['./dir', '/w', '/w/dir'],
  ['../a.sif', '/w', '/w/../a.sif'],
  ['/a.sif', '/w', '/a.sif'],
  ['a.sif', '', 'a.sif'],
  ['docker://x/a.sif', '/w', 'docker://x/a.sif'],
  ['oci:dir:a.sif', '/w', 'oci:dir:a.sif'],
  ['alpine', '/w', 'alpine']
])('the image %s in %j is %s', (image, folder, expected) => {
  expect(resolvedImage({ image, folder })).toBe(expected);
});

test.each<[IRunForm['binds'][number], string]>([
  [bind('/a'), '/a'],
  [bind('/a', '/b'), '/a:/b'],
  [bind('/a', '', true), '/a:/a:ro'],
  [bind('/a:b,c', '/x\\y', true), '/a\\:b\\,c:/x\\\\y:ro']
])('the bind %j as text, and back', (row, text) => {
  expect(bindText(row)).toBe(text);
  const back = bindRow(text);
  expect({ ...back, destination: back.destination || back.source }).toEqual({
    ...row,
    destination: row.destination || row.source
  });
});

test('rw is not read-only', () => {
  expect(bindRow('/a:/b:rw')).toEqual(bind('/a', '/b'));
});
