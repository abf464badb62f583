// SPDX-License-Identifier: BSD-3-Clause
/** A window of a shell, as the shell tab is one: a terminal of xterm behind the client's connection. */
import headless from '@xterm/headless';
import type { IChannelOpener } from '../../lib-runtime/api/channel.ts';
import { ShellConnection } from '../../lib-runtime/api/shell-connection.ts';

export type Terminal = InstanceType<typeof headless.Terminal>;

export interface IWindow {
  readonly connection: ShellConnection;
  readonly terminal: Terminal;
  readonly snapshots: number;
  readonly received: number;
  readonly status: number | undefined;
  readonly title: string | undefined;
  /** While set, nothing is drawn: as a page that is stuck. */
  stuck: boolean;
  /** All lines, without blanks at the ends. */
  text(): string;
}

export function attach(opener: IChannelOpener, id: string, size = { cols: 80, rows: 24 }): IWindow {
  const terminal = new headless.Terminal({ ...size, scrollback: 5000, allowProposedApi: true });
  let received = 0;
  let snapshots = 0;
  let stuck = false;
  let status: number | undefined;
  let title: string | undefined;
  const kept: (() => void)[] = [];
  const connection = new ShellConnection(
    opener,
    id,
    {
      onSnapshot: (text, cols, rows) => {
        snapshots += 1;
        terminal.reset();
        terminal.resize(cols, rows);
        terminal.write(text);
      },
      onData: (bytes, done) => {
        received += bytes.length;
        const draw = (): void => terminal.write(bytes, done);
        if (stuck) {
          kept.push(draw);
        } else {
          draw();
        }
      },
      onResize: (cols, rows) => terminal.resize(cols, rows),
      onExit: code => (status = code),
      onTitle: text => (title = text)
    },
    size
  );
  terminal.onData(text => connection.send(text));
  connection.attach();
  return {
    connection,
    terminal,
    get snapshots() {
      return snapshots;
    },
    get received() {
      return received;
    },
    get status() {
      return status;
    },
    get title() {
      return title;
    },
    get stuck() {
      return stuck;
    },
    set stuck(value) {
      stuck = value;
      if (!value) {
        kept.splice(0).forEach(draw => draw());
      }
    },
    text: () => linesOf(terminal).join('\n').trimEnd()
  };
}

/** Scrollback and screen. */
export function linesOf(terminal: Terminal): string[] {
  const { active } = terminal.buffer;
  return Array.from({ length: active.length }, (_, row) => active.getLine(row)?.translateToString(true) ?? '');
}
