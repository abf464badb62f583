// SPDX-License-Identifier: BSD-3-Clause
import { nullTranslator } from '@jupyterlab/translation';
import { expect, it } from 'vitest';
import { DaemonError } from '../../lib-runtime/api/client.ts';
import { endedMessage, failedMessage } from './messages.ts';

const trans = nullTranslator.load('nbcontainer');
const close = (): void => undefined;
const again = (): void => undefined;

it.each([
  [0, 'This shell has ended.'],
  [undefined, 'This shell has ended.'],
  [3, 'This shell has ended with exit status 3.']
])('an end with status %s', (status, text) => {
  expect(endedMessage(trans, status, { close, again })).toEqual({
    kind: 'info',
    text,
    buttons: [
      { label: 'Start again', primary: true, run: again },
      { label: 'Close', run: close }
    ]
  });
});

it('offers no new start where it is not known of what', () => {
  expect(endedMessage(trans, 0, { close, again: undefined }).buttons).toEqual([{ label: 'Close', run: close }]);
});

it('says cause and remedy of a failure', () => {
  const known = { code: 'not-found', message: 'there is no x', step: 'find', reason: 'it was removed', fix: 'Pull it' };
  const error = new DaemonError(404, { error: known });
  expect(failedMessage(trans, error, { close, again }).text).toBe(
    'The shell did not start: there is no x. it was removed. Pull it'
  );
  expect(failedMessage(trans, new Error('odd'), { close, again }).text).toBe('The shell did not start: Error: odd');
});
