// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { shellOptions } from './options.ts';

const AUTO = { gpu: 'auto', identity: 'auto', binds: [] } as const;

it.each([
  ['nothing asked, nothing there', AUTO, undefined, false, {}],
  ['a GPU there', AUTO, undefined, true, { nv: true }],
  ['a GPU there, not wanted', { ...AUTO, gpu: 'off' }, undefined, true, {}],
  ['a GPU wanted, not found', { ...AUTO, gpu: 'on' }, undefined, false, { nv: true }],
  ['a folder', AUTO, '/work', false, { directory: '/work' }],
  ['a folder that is no path of the machine', AUTO, 'work', false, {}],
  [
    'account and folders',
    { ...AUTO, identity: 'root', binds: ['/data:/d:ro'] },
    undefined,
    false,
    { as: 'root', binds: ['/data:/d:ro'] }
  ]
] as const)('%s', (_name, settings, directory, gpu, options) => {
  expect(shellOptions(settings, directory, gpu)).toEqual(options);
});
