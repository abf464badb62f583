// SPDX-License-Identifier: BSD-3-Clause
/** What the strip above a shell's screen says. Pure. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { DaemonError } from '../../lib-runtime/api/client.ts';
import type { IBarContent } from './bar.ts';

export function startingMessage(trans: TranslationBundle, image: string): IBarContent {
  return { kind: 'info', text: trans.__('Starting a shell in'), detail: image, buttons: [], passing: true };
}

export function connectingMessage(trans: TranslationBundle): IBarContent {
  return { kind: 'info', text: trans.__('Connecting to the shell…'), buttons: [], passing: true };
}

export function offlineMessage(trans: TranslationBundle, retry: () => void): IBarContent {
  return {
    kind: 'warning',
    text: trans.__('Connection lost. Trying again… The shell goes on meanwhile.'),
    buttons: [{ label: trans.__('Retry now'), run: retry }],
    passing: true
  };
}

/** What the user can do when no program runs any more. */
export interface IEndActions {
  readonly close: () => void;
  /** Undefined where it is not known what to start. */
  readonly again: (() => void) | undefined;
}

/** @param error a DaemonError with its cause and what to do, or anything that was thrown. */
export function failedMessage(trans: TranslationBundle, error: unknown, actions: IEndActions): IBarContent {
  const said = error instanceof DaemonError ? [error.message, error.reason, error.fix] : [String(error)];
  return {
    kind: 'error',
    text: trans.__('The shell did not start: %1', said.filter(Boolean).join('. ')),
    buttons: endButtons(trans, trans.__('Try again'), actions)
  };
}

/** @param status exit status, undefined where it is not known: the shell was gone when it was looked for. */
export function endedMessage(trans: TranslationBundle, status: number | undefined, actions: IEndActions): IBarContent {
  return {
    kind: 'info',
    text:
      status === undefined || status === 0
        ? trans.__('This shell has ended.')
        : trans.__('This shell has ended with exit status %1.', status),
    buttons: endButtons(trans, trans.__('Start again'), actions)
  };
}

function endButtons(trans: TranslationBundle, label: string, { again, close }: IEndActions): IBarContent['buttons'] {
  return [...(again ? [{ label, primary: true, run: again }] : []), { label: trans.__('Close'), run: close }];
}
