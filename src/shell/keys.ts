// SPDX-License-Identifier: BSD-3-Clause
/** What a key does in a shell's tab, as a pure function. */

export interface IKey {
  readonly key: string;
  readonly ctrl: boolean;
  readonly shift: boolean;
  readonly alt: boolean;
  readonly meta: boolean;
}

export interface IKeyContext {
  readonly hasSelection: boolean;
  /** A full-screen program (vi, less, top) has the screen. */
  readonly fullScreen: boolean;
  readonly isMac: boolean;
  /** The key before this one was Escape, a moment ago. */
  readonly afterEscape: boolean;
}

/**
 * `program`: what xterm makes of it goes to the shell. `browser`: neither we nor xterm touch it, so that the browser
 * copies or pastes. The rest is ours.
 */
export type KeyAction = 'program' | 'browser' | 'copy' | 'newline' | 'search' | 'leave';

/**
 * As JupyterLab's terminal, with what it lacks: Ctrl+C copies what is selected and is an interrupt otherwise; Ctrl+V
 * pastes; a second Escape leaves the terminal (without that the keyboard could not get out of it); Shift+Enter is a
 * line feed. Ctrl+F searches where the shell's lines are, and is left to a full-screen program, which has a use for it.
 */
export function keyAction(key: IKey, context: IKeyContext): KeyAction {
  const letter = key.key.length === 1 ? key.key.toLowerCase() : key.key;
  if (letter === 'Escape' && !key.ctrl && !key.shift && !key.alt && !key.meta) {
    return context.afterEscape ? 'leave' : 'program';
  }
  if (letter === 'Enter' && key.shift && !key.ctrl && !key.alt && !key.meta) {
    return 'newline';
  }
  if (key.alt || (key.ctrl && key.meta)) {
    return 'program';
  }
  if (context.isMac && key.meta) {
    return letter === 'f' ? 'search' : letter === 'c' || letter === 'v' ? 'browser' : 'program';
  }
  if (!key.ctrl) {
    // The old names of copy and paste.
    return key.shift && letter === 'Insert' ? 'browser' : 'program';
  }
  switch (letter) {
    case 'c':
      return key.shift || context.hasSelection ? 'copy' : 'program';
    case 'Insert':
      return context.hasSelection ? 'copy' : 'program';
    case 'v':
      return 'browser';
    case 'f':
      return key.shift || !context.fullScreen ? 'search' : 'program';
    default:
      return 'program';
  }
}
