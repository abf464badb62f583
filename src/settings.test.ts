// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DEFAULT_SETTINGS, type ISettingValues, readSettings } from './setting-values.ts';

interface IProperty {
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
}
const schema = JSON.parse(readFileSync(new URL('../schema/settings.json', import.meta.url), 'utf8')) as {
  readonly properties: Readonly<Record<string, IProperty>>;
  readonly additionalProperties: boolean;
};

test('the schema has the same settings and defaults as the code', () => {
  const defaults = Object.fromEntries(Object.entries(schema.properties).map(([key, one]) => [key, one.default]));
  expect(Object.keys(defaults).sort()).toEqual(Object.keys(DEFAULT_SETTINGS).sort());
  expect(readSettings(defaults)).toEqual(DEFAULT_SETTINGS);
  expect(schema.additionalProperties).toBe(false);
});

test.each(Object.entries(schema.properties))('%s says in the editor what it is', (_key, property) => {
  expect(property.title?.length).toBeGreaterThan(3);
  expect(property.description?.endsWith('.')).toBe(true);
});

test.each<[Record<string, unknown>, Partial<ISettingValues>]>([
  [{}, {}],
  [
    { gpu: 'on', identity: 'fakeroot' },
    { gpu: 'on', identity: 'fakeroot' }
  ],
  [{ gpu: true, identity: 'nobody', binds: '/data' }, {}],
  [{ binds: ['/data', '', 3, ' /scratch:/tmp:rw '] }, { binds: ['/data', '/scratch:/tmp:rw'] }],
  [{ pullDirectory: 'images' }, {}],
  [{ pullDirectory: '/data/images ' }, { pullDirectory: '/data/images' }],
  [
    { gpuPollSeconds: 0.01, shellFontSize: 1000 },
    { gpuPollSeconds: 1, shellFontSize: 72 }
  ],
  [{ shellScrollback: 12.4, shellFontFamily: ' ', shellRenderer: 'canvas' }, { shellScrollback: 12 }],
  [{ gpuPollSeconds: Number.NaN }, {}]
])('%j', (given, expected) => {
  expect(readSettings(given)).toEqual({ ...DEFAULT_SETTINGS, ...expected });
});
