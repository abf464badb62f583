// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { apiPage } from './api-page.ts';

test('docs/api.md says what the code does; if not, run node scripts/api-docs.mjs', () => {
  expect(readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8')).toBe(apiPage());
});
