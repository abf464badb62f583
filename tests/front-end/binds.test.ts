// SPDX-License-Identifier: BSD-3-Clause
/** The run dialog writes binds, the runtime reads them: the two know nothing of each other. */
import { expect, test } from 'vitest';
import { parseBinds } from '../../lib-runtime/run/bind-syntax.ts';
import { bindText } from '../../src/dialogs/run-form.ts';

test.each([
  { source: '/a', target: '/a', readOnly: false },
  { source: '/a', target: '/b', readOnly: false },
  { source: '/a b', target: '/a b', readOnly: true },
  { source: '/a:b,c\\d', target: '/x\\:y', readOnly: true }
])('the runtime reads %j as it is meant', bind => {
  expect(parseBinds(bindText({ ...bind, destination: bind.target }))).toEqual([bind]);
});
