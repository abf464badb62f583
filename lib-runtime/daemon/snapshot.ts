// SPDX-License-Identifier: BSD-3-Clause
/** A terminal's screen as text that draws it again in a terminal that was reset. */
import type { SerializeAddon } from '@xterm/addon-serialize';
import type { Terminal } from '@xterm/headless';

/** Characters of a snapshot, at most: proxies take messages of 10 MiB. Lines of the scrollback are left out for it. */
const MAX_TEXT = 2 << 20;

/**
 * What the serialize addon leaves out and xterm has no public word for. As its own addons do, this reads the core;
 * the version is pinned, and the tests compare every one of these after a round trip.
 */
interface ICore {
  readonly buffer: { readonly scrollTop: number; readonly scrollBottom: number };
  readonly coreService: {
    readonly isCursorHidden: boolean;
    readonly decPrivateModes: {
      readonly cursorStyle?: 'block' | 'underline' | 'bar' | undefined;
      readonly cursorBlink?: boolean | undefined;
    };
  };
  readonly coreMouseService: { readonly activeEncoding: string };
}

/** Whether lines outside of a region stay where they are when the screen scrolls. */
export function hasScrollRegion(terminal: Terminal): boolean {
  const { buffer } = core(terminal);
  return buffer.scrollTop > 0 || buffer.scrollBottom < terminal.rows - 1;
}

function core(terminal: Terminal): ICore {
  return (terminal as unknown as { readonly _core: ICore })._core;
}

/** Draws both buffers, the modes, the scroll region and the cursor. */
export function serializeTerminal(terminal: Terminal, addon: SerializeAddon, scrollback: number): string {
  let lines = scrollback;
  let drawn = addon.serialize({ scrollback: lines, excludeModes: true });
  while (drawn.length > MAX_TEXT && lines > 0) {
    lines = Math.floor(Math.min(lines / 2, (lines * MAX_TEXT) / drawn.length));
    drawn = addon.serialize({ scrollback: lines, excludeModes: true });
  }
  return drawn + state(terminal);
}

function state(terminal: Terminal): string {
  const { buffer, coreService, coreMouseService } = core(terminal);
  const { modes } = terminal;
  const { cursorX, cursorY } = terminal.buffer.active;
  let text = '';
  if (hasScrollRegion(terminal)) {
    text += `\x1b[${buffer.scrollTop + 1};${buffer.scrollBottom + 1}r`;
    // Setting a region moves the cursor home.
    text += `\x1b[${cursorY + 1};${Math.min(cursorX, terminal.cols - 1) + 1}H`;
  }
  if (modes.originMode) {
    text += `\x1b[?6h\x1b[${cursorY - buffer.scrollTop + 1};${Math.min(cursorX, terminal.cols - 1) + 1}H`;
  }
  const mouse = { none: 0, x10: 9, vt200: 1000, drag: 1002, any: 1003 }[modes.mouseTrackingMode];
  const encoding = { SGR: 1006, SGR_PIXELS: 1016 }[coreMouseService.activeEncoding];
  const privateModes: readonly (readonly [boolean, number])[] = [
    [modes.applicationCursorKeysMode, 1],
    [modes.applicationKeypadMode, 66],
    [modes.bracketedPasteMode, 2004],
    [modes.reverseWraparoundMode, 45],
    [modes.sendFocusMode, 1004],
    [mouse > 0, mouse],
    [encoding !== undefined, encoding ?? 0]
  ];
  text += privateModes.map(([on, mode]) => (on ? `\x1b[?${mode}h` : '')).join('');
  text += modes.insertMode ? '\x1b[4h' : '';
  text += modes.wraparoundMode ? '' : '\x1b[?7l';
  text += coreService.isCursorHidden ? '\x1b[?25l' : '';
  const { cursorStyle, cursorBlink } = coreService.decPrivateModes;
  if (cursorStyle !== undefined) {
    const steady = { block: 2, underline: 4, bar: 6 }[cursorStyle];
    text += `\x1b[${cursorBlink ? steady - 1 : steady} q`;
  }
  return text;
}
