// SPDX-License-Identifier: BSD-3-Clause
import { expect, it, vi } from 'vitest';

// The dialog is of the browser; only the rule is tried here.
vi.mock('@jupyterlab/apputils', () => ({}));
const { webAddress } = await import('./links.ts');

it.each([
  ['https://example.org/a b', 'https://example.org/a%20b'],
  ['http://localhost:8888', 'http://localhost:8888/'],
  ['HTTPS://EXAMPLE.ORG', 'https://example.org/'],
  ['javascript:alert(1)', undefined],
  ['file:///etc/passwd', undefined],
  ['data:text/html,x', undefined],
  ['//example.org', undefined],
  ['', undefined]
])('%s', (text, address) => {
  expect(webAddress(text)).toBe(address);
});
