// SPDX-License-Identifier: BSD-3-Clause
/** The shells of the daemon: started, listed, named, ended and forgotten. */
import { randomBytes } from 'node:crypto';
import type { WebSocket } from 'ws';
import { quoteLine, shellWords } from '../api/command-line.ts';
import { NO_SUCH_SHELL } from '../api/routes.ts';
import type { NewShell, Shell as Description } from '../api/schema.ts';
import { ContainerError } from '../support/errors.ts';
import { requireHome } from '../support/home.ts';
import { checkDirectory } from './directory.ts';
import type { EventHub } from './events.ts';
import type { Shell } from './shell.ts';

/** Ended shells that are remembered, with their last screen. */
const REMEMBERED = 20;
const COLS = 80;
const ROWS = 24;
/** What says of the terminal from which the daemon was started. */
const OTHER_TERMINAL = ['TMUX', 'TMUX_PANE', 'STY', 'WINDOW', 'WINDOWID', 'TERMCAP', 'COLUMNS', 'LINES'];

export class Shells {
  private readonly entries = new Map<string, Shell>();
  private readonly events: EventHub;
  private readonly cli: readonly string[];

  /** @param cli the words that start the command line: Node and its entry point */
  constructor(cli: readonly string[], events: EventHub) {
    this.cli = cli;
    this.events = events;
  }

  list(): Description[] {
    return [...this.entries.values()].map(shell => shell.description);
  }

  get running(): number {
    return this.list().filter(shell => shell.state === 'running').length;
  }

  /** @throws ContainerError `not-found` for a directory that is not there, `unsupported` where there are no terminals */
  async start(request: NewShell): Promise<Description> {
    const cwd = request.options?.directory ?? requireHome(process.env);
    await checkDirectory(cwd, 'a shell');
    // node-pty and the headless terminal are only loaded by a daemon that is asked for a shell.
    const { Shell } = await import('./shell.ts');
    const id = randomBytes(8).toString('hex');
    const words = shellWords(request);
    const description: Description = {
      id,
      name: request.name ?? freeName(shellName(request.image), new Set(this.list().map(shell => shell.name))),
      image: request.image,
      commandLine: quoteLine(['nbcontainer', ...words]),
      state: 'running',
      startedAt: new Date().toISOString(),
      clients: 0
    };
    const shell = new Shell({
      description,
      words: [...this.cli, ...words],
      cwd,
      env: shellEnvironment(process.env),
      cols: request.cols ?? COLS,
      rows: request.rows ?? ROWS,
      onChange: changed => this.changed(changed)
    });
    this.entries.set(id, shell);
    this.changed(description);
    return description;
  }

  rename(id: string, name: string): Description {
    const shell = this.entry(id);
    shell.rename(name);
    return shell.description;
  }

  /** Ends a shell that runs and waits for its end; forgets one that has ended. */
  async remove(id: string): Promise<Description> {
    const shell = this.entry(id);
    if (shell.description.state === 'running') {
      await shell.stop();
    } else {
      this.forget(id);
    }
    return shell.description;
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.entries.values()].map(shell => shell.stop()));
    this.entries.forEach(shell => shell.dispose());
  }

  /** Gives a window's socket to its shell. */
  attach(id: string, socket: WebSocket): void {
    const shell = this.entries.get(id);
    if (shell) {
      shell.attach(socket);
    } else {
      socket.on('error', () => socket.terminate());
      socket.close(NO_SUCH_SHELL);
    }
  }

  private changed(shell: Description): void {
    if (!this.entries.has(shell.id)) {
      return;
    }
    this.events.emit({ type: 'shell', shell });
    const ended = this.list().filter(each => each.state === 'ended');
    ended.slice(0, Math.max(0, ended.length - REMEMBERED)).forEach(each => this.forget(each.id));
  }

  private forget(id: string): void {
    const shell = this.entries.get(id);
    this.entries.delete(id);
    shell?.dispose();
    this.events.emit({ type: 'shell-removed', id });
  }

  private entry(id: string): Shell {
    const shell = this.entries.get(id);
    if (!shell) {
      throw new ContainerError({ code: 'not-found', step: 'daemon', message: 'there is no such shell' });
    }
    return shell;
  }
}

/** The environment of a shell: the daemon's, in a terminal of its own. Pure. */
export function shellEnvironment(env: NodeJS.ProcessEnv): Record<string, string | undefined> {
  const kept = Object.entries(env).filter(([name]) => !OTHER_TERMINAL.includes(name));
  return { ...Object.fromEntries(kept), TERM: 'xterm-256color', COLORTERM: 'truecolor' };
}

/** What a shell in an image is called: `debian_12` for `/x/debian_12.sif` and for `docker://debian:12`. Pure. */
export function shellName(image: string): string {
  const last = image.replace(/\/+$/, '').split('/').at(-1) ?? '';
  const name = last.replace(/@sha\d+:.*$/, '').replace(/\.(sif|sqsh|squashfs|img|simg)$/i, '');
  return name.replaceAll(':', '_') || 'shell';
}

/** The name, or `name (2)` and so on when it is taken. Pure. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  let free = name;
  for (let count = 2; taken.has(free); count += 1) {
    free = `${name} (${count})`;
  }
  return free;
}
