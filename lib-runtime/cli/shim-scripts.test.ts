// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { shimScripts, storeToRemember } from './shim-scripts.ts';

it.each([
  ['the default', '/home/u/.local/share/nbcontainer', '/home/u', undefined],
  ['NBCONTAINER_HOME', '/big/store', '/home/u', '/big/store'],
  ['a HOME other than the account’s', '/data/.local/share/nbcontainer', '/home/u', '/data/.local/share/nbcontainer'],
  ['no account', '/data/.local/share/nbcontainer', undefined, '/data/.local/share/nbcontainer']
])('remembers the store where an emptied environment would lose it: %s', (_, store, home, remembered) => {
  expect(storeToRemember(store, home)).toBe(remembered);
});

it('names a store only where it has one to remember', () => {
  const [plain, remembering] = [shimScripts(['/node']), shimScripts(['/node'], "/it's")];
  expect([...plain.values()].join()).not.toContain('NBCONTAINER_HOME');
  for (const text of remembering.values()) {
    expect(text).toContain(`export NBCONTAINER_HOME='/it'\\''s'`);
  }
});
