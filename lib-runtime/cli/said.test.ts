// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { INote } from '../run/plan-types.ts';
import { isNews } from './said.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'nbc-said-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const lasting = (text: string): INote => ({ level: 'warning', text, lasting: true });

it('says what lasts once, and the rest each time', () => {
  expect([1, 2].map(() => isNews(lasting('slow'), directory))).toEqual([true, false]);
  expect(isNews(lasting('other'), directory)).toBe(true);
  expect([1, 2].map(() => isNews({ level: 'info', text: 'slow' }, directory))).toEqual([true, true]);
  expect(readdirSync(directory)).toEqual(['said.json']);
  expect(statSync(join(directory, 'said.json')).mode & 0o777).toBe(0o600);
});

it.each(['', 'null', '{"a":1}', '[1]'])('takes no harm from %j in its file', text => {
  writeFileSync(join(directory, 'said.json'), text);
  expect([1, 2].map(() => isNews(lasting('slow'), directory))).toEqual([true, false]);
});

it('says everything where nothing can be remembered', () => {
  expect([1, 2].map(() => isNews(lasting('slow'), '/nowhere/at/all'))).toEqual([true, true]);
});
